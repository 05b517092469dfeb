"""Events that workflows raise for each other: stored once, with their runs, and not for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from changewire.engine.feeding import MOST_HOPS, Feeder
from changewire.engine.syncing import trigger_records
from changewire.errors import LoopError, PollError
from changewire.home.loading import load_home
from changewire.state.records import PauseCause, PauseKind, PauseRecord, Raised, RunState, TriggerState
from changewire.testing import ManualClock
from tests.engine.inside import emit, kick, killed, out, watching, work, write, write_home
from tests.support.turning import Turned


@pytest.fixture
def turn(tmp_path: Path) -> Iterator[Callable[..., Turned]]:
    made: list[Turned] = []

    def start(**workflows: dict[str, Any]) -> Turned:
        made.append(Turned(write_home(tmp_path, **workflows), ManualClock()).start())
        assert made[-1].daemon.home.problems == []
        return made[-1]

    yield start
    for each in made:
        each.close()


def states(turned: Turned) -> list[tuple[str, str, str | None]]:
    return [(h.run.workflow, str(h.run.state), h.run.reason) for h in turned.store.runs()]


def test_an_event_that_a_workflow_raises_starts_all_who_watch_for_its_name(
    turn: Callable[..., Turned], tmp_path: Path
) -> None:
    turned = turn(
        billing=watching("order", emit("paid", payload={"order": "{{ payload.n }}"}, key="o-{{ payload.n }}")),
        ship=watching("paid", write("ship {{ payload.order }} {{ event.key }} {{ event.event_type }}")),
        thank=watching("paid", write("thank {{ payload.order }}"), when="{{ payload.order > 1 }}"),
        other=watching("refunded", write("never")),
    )
    kick(turned, "order", {"n": 1}, {"n": 2})
    turned.turn()
    assert sorted(out(tmp_path)) == ["ship 1 o-1 paid", "ship 2 o-2 paid", "thank 2"]
    events = turned.store.events()
    assert [(e.workflow, e.event_type, e.key, e.hops, e.chain) for e in events if e.workflow == "ship"] == [
        ("ship", "paid", "o-1", 1, ["billing"]),
        ("ship", "paid", "o-2", 1, ["billing"]),
    ]
    by_id = {h.run.id: h for h in turned.store.runs()}
    assert {by_id[e.cause].run.workflow for e in events if e.cause is not None} == {"billing"}
    outputs = [h.attempts[0].output for h in by_id.values() if h.run.workflow == "billing"]
    assert [[e in {one.id for one in events} for e in output["events"]] for output in outputs] == [[True] * 2] * 2


def test_without_a_key_the_event_has_that_of_its_step_and_nobody_need_watch(turn: Callable[..., Turned]) -> None:
    turned = turn(a=watching("go", emit("heard"), emit("unheard")), b=watching("heard"))
    kick(turned, "go", {})
    turned.turn()
    _, heard = turned.store.events()
    assert heard.key.startswith("key_")
    assert heard.payload == {}
    done = turned.store.runs()[0]
    assert [a.output for a in done.attempts] == [
        {"name": "heard", "key": heard.key, "events": [heard.id]},
        {"name": "unheard", "key": done.attempts[1].output["key"], "events": []},
    ]


def test_what_is_raised_again_is_stored_once(turn: Callable[..., Turned]) -> None:
    turned = turn(b=watching("heard"))
    first, again = kick(turned, "heard", {"n": 1}), kick(turned, "heard", {"n": 1})
    assert first == again
    assert len(turned.store.events()) == len(turned.store.runs()) == 1
    (record,) = turned.store.triggers()
    assert (record.state, record.next_due, record.events, record.last_event) == (
        TriggerState.OK, None, 1, turned.clock.now(),
    )  # fmt: skip


def test_what_is_raised_again_after_a_rename_or_a_reset_is_stored_once(
    turn: Callable[..., Turned], tmp_path: Path
) -> None:
    turned = turn(b=watching("heard"))
    kick(turned, "heard", {"n": 1})
    (tmp_path / "config" / "workflows" / "b.yaml").rename(tmp_path / "config" / "workflows" / "c.yaml")
    turned.daemon.reload()
    (record,) = turned.store.triggers()
    assert record.workflow == "c"
    kick(turned, "heard", {"n": 1})
    turned.store.forget(record.id, turned.clock.now())
    kick(turned, "heard", {"n": 1})
    assert [event.workflow for event in turned.store.events()] == ["c"]
    assert [history.run.workflow for history in turned.store.runs()] == ["c"]


@pytest.mark.parametrize("text", [None, "steps: {"], ids=["the file is away", "the file is broken"])
def test_what_is_raised_while_a_workflow_cannot_be_used_arrives_once_it_can(
    turn: Callable[..., Turned], tmp_path: Path, text: str | None
) -> None:
    turned = turn(a=watching("go"), b=watching("heard"))
    file = tmp_path / "config" / "workflows" / "b.yaml"
    good = file.read_text()
    file.unlink() if text is None else file.write_text(text)
    turned.close()
    turned = Turned(tmp_path, turned.clock).start()
    try:
        kick(turned, "heard", {"n": 1}, {"n": 2})
        kick(turned, "other", {"n": 3})
        assert turned.store.events() == []
        file.write_text(good)
        turned.daemon.reload()
        assert [event.payload for event in turned.store.events()] == [{"n": 1}, {"n": 2}]
        kick(turned, "heard", {"n": 1})
        turned.daemon.reload()
        assert [history.run.workflow for history in turned.store.runs()] == ["b", "b"]
    finally:
        turned.close()


def test_what_is_raised_while_a_workflow_is_away_ends_with_a_reset(turn: Callable[..., Turned], tmp_path: Path) -> None:
    turned = turn(a=watching("heard"), b=watching("heard"))
    folder = tmp_path / "config" / "workflows"
    first, second = (folder / f"{name}.yaml" for name in "ab")
    texts = first.read_text(), second.read_text()
    for file in (first, second):
        file.write_text("steps: {")
    turned.close()
    turned = Turned(tmp_path, turned.clock).start()
    try:
        kick(turned, "heard", {"n": 1})
        (forgotten,) = [record for record in turned.store.triggers() if record.workflow == "a"]
        turned.store.forget(forgotten.id, turned.clock.now())
        first.write_text(texts[0])
        second.write_text(texts[1])
        turned.daemon.reload()
        assert [event.workflow for event in turned.store.events()] == ["b"]
    finally:
        turned.close()


def test_what_nobody_returns_for_is_kept_as_long_as_events_are(turn: Callable[..., Turned], tmp_path: Path) -> None:
    turned = turn(b=watching("heard"))
    file = tmp_path / "config" / "workflows" / "b.yaml"
    good = file.read_text()
    file.unlink()
    turned.daemon.reload()
    kick(turned, "heard", {"n": 1})
    turned.clock.advance(2 * 86400)
    kick(turned, "heard", {"n": 2})
    turned.store.prune(turned.clock.now(), timedelta(days=1), timedelta(days=1))
    file.write_text(good)
    turned.daemon.reload()
    assert [event.payload for event in turned.store.events()] == [{"n": 2}]


def test_two_workflows_that_swap_their_names_hear_each_event_once(turn: Callable[..., Turned], tmp_path: Path) -> None:
    turned = turn(b=watching("heard"), c=watching("heard", {"set": {"x": 1}}))
    kick(turned, "heard", {"n": 1})
    b, c, other = (tmp_path / "config" / "workflows" / f"{name}.yaml" for name in "bcx")
    for old, new in ((b, other), (c, b), (other, c)):
        old.rename(new)
    turned.daemon.reload()
    kick(turned, "heard", {"n": 1})
    assert sorted(event.workflow for event in turned.store.events()) == ["b", "c"]


@pytest.mark.parametrize("kind", ["through steps", "through a call"])
def test_a_circle_is_cut_with_the_names_of_all_who_took_part(turn: Callable[..., Turned], kind: str) -> None:
    raising = emit("pong") if kind == "through steps" else {"call": "helper"}
    turned = turn(
        ping=watching("ping", raising), pong=watching("pong", emit("ping")), helper=watching("never", emit("pong"))
    )
    kick(turned, "ping", {})
    turned.turn()
    found = states(turned)
    assert [state for _, state, _ in found] == ["succeeded"] * MOST_HOPS + ["paused"]
    chain = " → ".join(["ping", "pong"] * 4 + ["ping"])
    address = "steps/0" if kind == "through steps" else "steps/0/call/steps/0"
    assert found[-1][2] == (
        f"{address} (core.emit): bad_input: the event 'pong' would be number 9 in a row that workflows set off, and "
        f"8 is the most: {chain}. Let the circle end, as by a `when` on event.hops, and cancel this run"
    )
    assert [event.hops for event in turned.store.events()] == list(range(MOST_HOPS + 1))


def test_a_circle_may_end_by_itself(turn: Callable[..., Turned]) -> None:
    turned = turn(again=watching("again", emit("again"), when="{{ event.hops < 3 }}"))
    kick(turned, "again", {})
    turned.turn()
    assert [state for _, state, _ in states(turned)] == ["succeeded"] * 3 + ["filtered"]


def test_the_files_tell_of_a_circle_before_it_runs(tmp_path: Path) -> None:
    write_home(
        tmp_path,
        a=watching("a", {"call": "helper"}),
        b=watching("b", {"if": True, "then": [emit("a")]}, emit("{{ payload.name }}"), emit("elsewhere")),
        c=watching("c", emit("a")),
        helper=watching("never", emit("b")),
    )
    home = load_home(tmp_path, {})
    assert home.problems == []
    assert [str(warning) for warning in home.warnings] == [
        "config/workflows/a.yaml:1:19: the event 'b' closes a circle: 'a' → 'b' → 'a'. It must end by itself",
        "config/workflows/b.yaml:1:64: the event 'a' closes a circle: 'b' → 'a' → 'b'. It must end by itself",
    ]
    assert {warning.code for warning in home.warnings} == {"cycle"}


def test_what_belongs_to_polling_is_refused(tmp_path: Path) -> None:
    flow = watching("a")
    flow["trigger"] |= {"every": "5m", "settle": 2, "connection": "work"}
    write_home(tmp_path, a=flow)
    assert [str(problem) for problem in load_home(tmp_path, {}).problems] == [
        f"config/workflows/a.yaml:1:{column}: core.emitted is not polled but raised inside, so '{key}' has no meaning: "
        "leave it out"
        for key, column in (("connection", 24), ("every", 44), ("settle", 57))
    ]


def test_a_fed_trigger_stands_as_ok_from_the_first_moment_also_after_its_file_was_broken(
    turn: Callable[..., Turned], tmp_path: Path
) -> None:
    turned = turn(b=watching("heard"))
    file = tmp_path / "config" / "workflows" / "b.yaml"
    good = file.read_text()
    broken = load_home(write_home(tmp_path, b={"trigger": 1, "steps": []}), {})
    turned.store.sync_triggers(trigger_records(broken, turned.clock.now()), turned.clock.now())
    assert turned.store.triggers(workflow="b")[0].state is TriggerState.UNAVAILABLE
    file.write_text(good)
    turned.daemon.reload()
    (record,) = turned.store.triggers()
    assert (record.state, record.next_due) == (TriggerState.OK, None)
    assert turned.store.forget(record.id, turned.clock.now()) == 0
    assert turned.store.triggers()[0].state is TriggerState.OK


def test_one_trigger_that_cannot_take_an_event_keeps_nothing_from_the_others(
    turn: Callable[..., Turned], tmp_path: Path
) -> None:
    (tmp_path / "triggers").mkdir()
    (tmp_path / "triggers" / "mine.yaml").write_text(
        """
type: core.mine
title: Mine
description: Something of my own.
source: internal
parameters: {path: {default: there}}
event_type: mine
payload: {got: "{{ item[parameters.path] }}"}
sample: {key: a, there: 1, missing: 2}
"""
    )
    flows = {
        name: {"trigger": {"type": "core.mine", "with": {"path": path}}, "steps": []}
        for name, path in (("bad", "missing"), ("good", "there"))
    }
    turned = turn(**flows)
    feeder = Feeder(lambda: turned.daemon.home, turned.store, turned.clock, lambda *_, **__: None)
    with pytest.raises(Exception, match="missing"):
        feeder.feed(Raised("core.mine", "1", {"key": "a", "there": 5}))
    assert [(e.workflow, e.payload) for e in turned.store.events()] == [("good", {"got": 5})]
    with pytest.raises(PollError, match="has no key"):
        feeder.feed(Raised("core.mine", "2", {"there": 5, "missing": 1}))


def test_a_chain_that_is_too_long_is_refused_whoever_raises_it(turn: Callable[..., Turned]) -> None:
    turned = turn(b=watching("heard"))
    feeder = Feeder(lambda: turned.daemon.home, turned.store, turned.clock, lambda *_, **__: None)
    item = {"name": "heard", "key": "k", "payload": {}}
    feeder.feed(Raised("core.emitted", "1", item, tuple("abcdefgh")))
    with pytest.raises(LoopError, match="would be number 9 in a row"):
        feeder.feed(Raised("core.emitted", "2", item, tuple("abcdefghi")))


def test_killed_at_every_write_an_event_is_raised_once(tmp_path: Path) -> None:
    template = write_home(
        tmp_path / "template",
        a=watching("go", emit("done", payload={"n": "{{ payload.n }}"}), {"use": "core.log", "with": {"message": "x"}}),
        b=watching("done", write("{{ payload.n }} {{ event.id }}")),
    )
    turned = Turned(template, ManualClock()).start()
    kick(turned, "go", {"n": 7})
    turned.close()
    points = killed(template, tmp_path / "homes", step=2)
    assert len(points) > 20
    for point, home in points.items():
        work(home)
        with Turned(home, ManualClock()).store as store:
            events, runs = store.events(), store.runs()
        assert [(e.workflow, e.event_type, e.hops) for e in events] == [("a", "go", 0), ("b", "done", 1)], point
        assert [(h.run.workflow, h.run.state) for h in runs] == [("a", RunState.SUCCEEDED), ("b", RunState.SUCCEEDED)]
        assert out(home) == [f"7 {events[1].id}"], point


@pytest.mark.parametrize(("kind", "name"), [(PauseKind.WORKFLOW, "late"), (PauseKind.TRIGGER, "late/trigger")])
def test_what_is_raised_while_its_trigger_is_paused_is_kept_and_runs_when_it_goes_on(
    turn: Callable[..., Turned], tmp_path: Path, kind: PauseKind, name: str
) -> None:
    turned = turn(late=watching("order", write("{{ payload.n }}")), other=watching("order", write("other")))
    turned.store.pause(PauseRecord(kind, name, PauseCause.PERSON, turned.clock.now(), "the move"), turned.clock.now())
    kick(turned, "order", {"n": 1}, {"n": 2})
    turned.turn()
    assert out(tmp_path) == ["other", "other"]
    assert [state for workflow, state, _ in states(turned) if workflow == "late"] == ["paused", "paused"]
    turned.store.lift(kind, name, turned.clock.now())
    turned.turn()
    assert sorted(out(tmp_path)) == ["1", "2", "other", "other"]
