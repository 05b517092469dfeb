"""A poll keeps its progress: what is complete is stored, and what cannot be complete yet stays pending."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from changewire.clock import to_text
from changewire.daemon import DATABASE
from changewire.health.attention import judged
from changewire.state.database import connect
from changewire.state.records import TriggerState
from changewire.testing import ManualClock
from tests.support.processes import ask
from tests.support.shop import PAGE, Shop, WatchedShop
from tests.support.turning import Turned

Make = Callable[..., WatchedShop]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes a home that watches a shop and took its baseline of an empty list."""
    made: list[WatchedShop] = []
    with Shop() as shop:

        def start(kind: str | None = "new_thing", *, limited: bool = False, **more: Any) -> WatchedShop:
            made.append(WatchedShop(tmp_path, shop, limited=limited))
            if kind is not None:
                made[-1].watch(kind, **more)
                assert made[-1].run(1) == []
            return made[-1]

        yield start
        for each in made:
            each.turned.close()


def numbers(count: int) -> list[str]:
    return [str(number) for number in range(1, count + 1)]


def test_slow_details_become_events_over_several_polls(make: Make) -> None:
    """Fifty details of 2.5 s take longer than the 60 s of a poll."""
    watched = make()
    watched.shop.before_answer = lambda path: watched.clock.advance(2.5 if "/things/" in path else 0)
    watched.sell(*range(1, 51))
    assert sorted(watched.run(240), key=int) == numbers(50)
    assert len(watched.shop.details()) <= 53  # those during which the time was up were requested twice
    assert watched.waiting() == []


def test_a_minute_limit_in_the_middle_of_the_details_keeps_what_is_complete(make: Make) -> None:
    """Forty new items, and the API allows ten requests a minute."""
    watched = make(limited=True)
    watched.sell(*range(1, 41))
    assert len(watched.run(70)) >= 9
    assert len(watched.events()) + len(watched.waiting()) == 40
    watched.run(330)
    assert sorted(int(key) for _, key in watched.events()) == list(range(1, 41))
    assert sorted(map(int, watched.shop.details())) == list(range(1, 41))


def test_an_api_that_refuses_more_requests_than_announced_keeps_what_is_complete(make: Make) -> None:
    watched = make()
    watched.shop.per_minute = 30
    watched.sell(*range(1, 41))
    watched.run(600)
    assert sorted(int(key) for _, key in watched.events()) == list(range(1, 41))
    assert len(watched.shop.requests) < 120


def test_one_refused_detail_holds_up_no_other_item(make: Make) -> None:
    watched = make()
    watched.shop.status["2"] = 403
    watched.sell(1, 2, 3)
    assert watched.run(61) == ["1", "3"]
    assert watched.waiting() == [("2", 1)]
    assert watched.trigger("watch").state is TriggerState.OK
    watched.sell(4)  # the item leaves the list meanwhile
    del watched.shop.status["2"]
    assert watched.run(3600) == ["4", "2"]
    assert watched.waiting() == []


def test_a_detail_that_is_refused_for_ever_is_tried_more_and_more_seldom(make: Make) -> None:
    watched = make()
    watched.shop.status["1"] = 500
    watched.sell(1)
    watched.run(4 * 3600)
    assert 20 <= len(watched.shop.details()) < 40
    assert watched.waiting() == [("1", len(watched.shop.details()))]


def test_a_poll_of_which_every_detail_is_refused_is_a_failure_that_people_see(make: Make) -> None:
    watched = make()
    watched.shop.status = {"1": 403, "2": 403}
    watched.sell(1, 2)
    assert watched.run(61) == []
    record = watched.trigger("watch")
    assert (record.state, record.failures) == (TriggerState.FAILING, 1)
    assert "answered 403 to /things/2" in (record.error or "")
    watched.run(120)  # nothing is requested, and nothing is different
    assert watched.trigger("watch").state is TriggerState.FAILING
    watched.shop.status = {"1": 403}
    assert watched.run(3600) == ["2"]
    assert (watched.trigger("watch").state, watched.trigger("watch").error) == (TriggerState.OK, None)


def test_a_list_of_many_pages_waits_for_the_budget_inside_the_poll(make: Make) -> None:
    """Fifteen pages under ten requests a minute."""
    watched = make("new_name", limited=True)
    (watched.home / "config" / "changewire.yaml").write_text("poll: {time: 3m}\nhttp: {allow_private: true}\n")
    watched.turned.daemon.reload()
    watched.sell(*range(1, 15 * PAGE + 1))
    watched.run(400)
    assert len(watched.events()) == 15 * PAGE
    assert watched.shop.requests.count("/things") < 60


def test_a_list_that_the_budget_never_allows_is_stalled_and_says_why(make: Make) -> None:
    watched = make("new_name", limited=True)
    watched.sell(*range(1, 15 * PAGE + 1))
    watched.run(600)
    assert watched.events() == []
    record = judged(watched.trigger("watch"), watched.clock.now())
    assert record.state is TriggerState.STALLED
    assert "takes more requests than the budget allows within the poll's time" in (record.error or "")
    assert "raise `poll: {time}`" in (record.error or "")
    watched.turned.daemon._reap()
    assert any("raise `poll: {time}`" in message for message in watched.said("trigger_stalled"))


def test_changes_that_the_budget_never_allows_to_request_call_a_person(make: Make) -> None:
    watched = make(None, limited=True)
    kind = watched.home / "triggers" / "new_thing.yaml"
    detail = json.loads(kind.read_text())
    detail["detail"]["label"] = "HEAVY"
    kind.write_text(json.dumps(detail))
    watched.watch()
    watched.run(1)
    watched.shop.status = dict.fromkeys(map(str, range(1, 5)), 429)
    watched.sell(1, 2, 3, 4)
    watched.run(61)
    assert stuck_changes_of(watched) == []
    watched.run(240)
    assert [key for key, _ in watched.waiting()] == numbers(4)
    (message,) = stuck_changes_of(watched)
    assert message.startswith("4 changes wait for answers to requests about single items")
    assert "answered 429" in message


def stuck_changes_of(watched: WatchedShop) -> list[str]:
    return [each.message for each in watched.turned.daemon._serving._checkup.attention() if each.state == "pending"]


def test_polls_that_all_fail_are_stalled_after_three_intervals(make: Make) -> None:
    watched = make("new_name")
    watched.shop.status["list"] = 500
    watched.run(240)
    record = judged(watched.trigger("watch"), watched.clock.now())
    assert record.state is TriggerState.STALLED
    assert "answered 500" in (record.error or "")
    del watched.shop.status["list"]
    watched.run(300)
    assert judged(watched.trigger("watch"), watched.clock.now()).state is TriggerState.OK


def test_pending_changes_and_a_list_that_always_fails_take_turns(make: Make) -> None:
    watched = make()
    watched.shop.status = dict.fromkeys(map(str, range(1, 61)), 503)
    watched.sell(*range(1, 61))
    watched.run(61)
    watched.shop.status = {"list": 500}
    assert sorted(map(int, watched.run(1800))) == list(range(1, 61))


def test_changes_of_one_item_keep_their_order(make: Make) -> None:
    watched = make("thing_changed")
    watched.sell(1, 2)
    assert watched.run(61) == ["1", "2"]
    watched.shop.status["1"] = 403
    watched.shop.things[0]["price"] = 1
    watched.run(61)
    watched.shop.things[0]["price"] = 2
    watched.shop.things[1]["price"] = 9
    assert watched.run(61) == ["2"]
    assert [key for key, _ in watched.waiting()] == ["1", "1"]
    del watched.shop.status["1"]
    assert watched.run(3600) == ["1", "1"]
    changes = [event.changes for event in watched.turned.store.events() if event.key == "1"][1:]
    assert [[change["new"] for change in each] for each in changes] == [[1], [2]]


def test_a_backfill_keeps_an_item_that_one_of_its_polls_misses(make: Make) -> None:
    watched = make(None)
    watched.sell(*range(1, 131))
    watched.shop.status["7"] = 500
    watched.watch(first_poll={"backfill": {}})
    watched.run(0)
    assert len(watched.events()) == 49
    del watched.shop.status["7"]
    watched.sell()  # the list is empty from now on
    watched.run(900)
    assert sorted(int(key) for _, key in watched.events()) == list(range(1, 131))
    assert all(event.backfill for event in watched.turned.store.events())


def test_a_backfill_waits_for_an_item_that_is_not_ready(make: Make) -> None:
    watched = make(None)
    watched.sell(1, 2, ready=True)
    watched.shop.things[1]["ready"] = False
    watched.watch("new_ready", first_poll={"backfill": {}})
    assert watched.run(61) == ["1"]
    watched.sell(1, ready=True)
    watched.run(120)  # a poll misses the item
    watched.sell(1, 2, ready=True)
    assert watched.run(61) == ["2"]
    assert all(event.backfill for event in watched.turned.store.events())
    watched.sell(1, 2, 3, ready=True)
    assert watched.run(61) == ["3"]


def test_a_backfill_that_an_older_version_began_goes_on(make: Make) -> None:
    watched = make()
    watched.turned.close()
    with closing(connect(watched.home / DATABASE)) as database:
        database.execute("UPDATE triggers SET cursor = json_set(cursor, '$.backfill', json('[\"1\", \"2\"]'))")
        database.commit()
    watched.sell(1, 2, 3)
    watched.restart()
    watched.shop.status["2"] = 500
    watched.run(62)
    del watched.shop.status["2"]
    watched.run(600)
    assert {event.key: event.backfill for event in watched.turned.store.events()} == {"1": True, "2": True, "3": False}


@pytest.mark.parametrize("status", [403, 500])
def test_one_refused_request_for_evidence_holds_up_no_other_item(make: Make, status: int) -> None:
    watched = make("thing_gone")
    watched.sell(1, 2, 3)
    assert watched.run(61) == ["1", "2", "3"]
    watched.shop.status = {"1": status, "2": 410}
    watched.sell(3, 4)
    assert sorted(watched.run(61)) == ["2", "4"]
    watched.shop.status["1"] = 410
    assert watched.run(61) == ["1"]


def test_a_refused_connection_in_the_middle_of_the_details_keeps_what_is_complete(make: Make) -> None:
    watched = make(limited=True)
    watched.shop.status = {"3": 401, "4": 401}
    watched.sell(1, 2, 3, 4)
    assert watched.run(62) == ["1", "2"]
    (pause,) = watched.turned.store.pauses()
    assert (pause.name, watched.trigger("watch").state) == ("shop", TriggerState.SUSPENDED)
    assert len(watched.waiting()) == 2
    watched.shop.status = {}
    watched.sell()
    assert sorted([*watched.run(3600), *watched.run(120)]) == ["3", "4"]


def test_an_item_of_which_no_event_can_be_made_holds_up_no_other(make: Make) -> None:
    watched = make("new_name")
    watched.sell(1, 2)
    watched.shop.things[0]["name"] = ""
    assert watched.run(61) == ["2"]
    assert watched.waiting() == [("1", 1)]
    kind = watched.home / "triggers" / "new_name.yaml"
    kind.write_text(kind.read_text().replace("item.name[0]", "item.id"))
    watched.turned.daemon.reload()
    assert watched.run(61) == ["1"]


def test_polls_for_pending_changes_let_nothing_settle_sooner(make: Make) -> None:
    watched = make("thing_changed", settle=3)
    watched.shop.status["1"] = 500
    watched.sell(1, 2)
    watched.run(61 * 3)
    assert [key for key, _ in watched.waiting()] == ["1"]
    watched.shop.things[1]["price"] = 5
    watched.run(61)
    polls = watched.trigger("watch").polls
    watched.run(50)
    assert watched.trigger("watch").polls > polls  # those for the pending change
    assert watched.events() == [("watch", "2")]
    watched.run(61 * 2)
    assert watched.events() == [("watch", "2")] * 2


def test_reset_drops_pending_changes_and_a_rename_keeps_them(make: Make) -> None:
    watched = make()
    watched.shop.status = {"1": 500}
    watched.sell(1)
    watched.run(61)
    watched.edit(watch=None, other=watched.flow())
    del watched.shop.status["1"]
    assert watched.run(3600) == ["1"]
    watched.shop.status = {"2": 500}
    watched.sell(1, 2)
    watched.run(61)
    watched.turned.store.forget(watched.trigger("other").id, watched.clock.now())
    del watched.shop.status["2"]
    assert watched.waiting() == []
    assert watched.run(3600) == []


def test_a_preview_shows_pending_changes_and_stores_nothing(make: Make) -> None:
    watched = make()
    watched.shop.status = {"1": 500}
    watched.sell(1)
    watched.run(61)
    watched.shop.status = {}
    watched.sell(*range(1, 61))
    (trigger,) = watched.turned.daemon.home.triggers.values()
    watched.clock.advance(30)
    waiting = watched.waiting()
    assert sorted(int(event.key) for event in watched.turned.daemon._engine.preview(trigger)) == list(range(1, 61))
    assert watched.events() == []
    assert watched.waiting() == waiting


def test_a_clock_that_was_set_back_does_not_hold_up_pending_changes(make: Make) -> None:
    watched = make()
    watched.shop.status = {"1": 500}
    watched.sell(1)
    watched.run(61)
    watched.clock.set_back(86_400)
    watched.shop.status = {}
    assert watched.run(120) == ["1"]


def test_killed_at_any_write_every_change_becomes_one_event(make: Make, tmp_path: Path) -> None:
    """A process is killed while it works on a pending change and on new ones; another one goes on."""
    watched = make()
    watched.shop.status = {"1": 500}
    watched.sell(1, 9)
    while not watched.waiting():
        watched.run(1)
    watched.turned.close()
    watched.sell(1, 2, 3)
    watched.shop.status = {"2": 500}
    moment = watched.clock.now() + timedelta(minutes=10)
    command = [sys.executable, "-m", "tests.support.points", str(watched.home), str(tmp_path / "killed"), "0", "2"]
    done = subprocess.run([*command, to_text(moment)], capture_output=True, text=True, check=True)
    for write in ("settle_pending", "put_pending"):
        assert f"commit_poll.{write}:" in done.stdout
    watched.shop.status = {}
    for home in (tmp_path / "killed").iterdir():
        turned = Turned(home, ManualClock(moment + timedelta(hours=2))).start()
        turned.on(60)
        turned.on(60)
        turned.close()
        assert sorted(ask(home, "SELECT key FROM events")) == [("1",), ("2",), ("3",), ("9",)]
        assert len(ask(home, "SELECT id FROM runs WHERE state = 'succeeded'")) == 4
    watched.restart()
