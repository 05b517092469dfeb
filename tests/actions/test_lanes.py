"""``mode``, ``max`` and ``order_by``, from the workflow's text to what was done: real store, real runner, no daemon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from changewire.actions.flow.beginning import in_lane
from changewire.config.workflows import workflow_from_text
from changewire.state.records import RunState
from tests.actions.rig import TRIGGER, Rig
from tests.state.samples import DAY, NOW, event, poll, run, trigger

STEPS = """
steps:
  - use: core.write_file
    with: {path: out.txt, content: "{{ event.id }} begins\\n"}
  - use: http.request
    with: {url: "http://127.0.0.1:1/"}
    when: "{{ payload.bad | default(false) and run.id not in payload.mended | default([]) }}"
    retry: {attempts: 2, delay: 1m, backoff: constant}
  - use: core.write_file
    with: {path: out.txt, content: "{{ event.id }} ends\\n"}
"""


@dataclass
class Flow:
    """One workflow whose events are stored by hand, and whose runs are worked on in turns."""

    rig: Rig
    text: str
    stored: int = 0

    def notice(self, *payloads: dict[str, object]) -> None:
        """One poll that noticed so many events: e1, e2, … with runs r1, r2, …"""
        workflow = workflow_from_text(self.text, self.rig.environment, "w")
        self.rig.store.save_version("v1", self.text)
        numbers = range(self.stored + 1, self.stored + len(payloads) + 1)
        events = [
            event(f"e{n}", payload=payload, trigger="w/trigger") for n, payload in zip(numbers, payloads, strict=True)
        ]
        runs = [
            in_lane(run(f"r{n}", one.id, self.now()), one, workflow, None)
            for n, one in zip(numbers, events, strict=True)
        ]
        if not self.stored:
            self.rig.store.sync_triggers([trigger(next_due=self.now())], self.now())
        claimed = self.rig.store.claim_due(self.now() + DAY, 1, DAY)[0]
        assert self.rig.store.commit_poll(poll(claimed, events=events, runs=runs))
        self.stored += len(payloads)

    def now(self) -> datetime:
        return self.rig.clock.now()

    def turn(self, limit: int = 9) -> list[str]:
        """Claim what may be claimed, then carry each on as far as it goes."""
        claimed = self.rig.store.claim_runs(self.now(), limit, DAY)
        runner = self.rig.runner()
        return [f"{one.id} {runner.advance(one.id, one.claim)}" for one in claimed]

    def all(self) -> list[str]:
        done: list[str] = []
        while turned := self.turn():
            done += turned
        return done

    def restart(self) -> None:
        """Everything ends, and begins anew on the same file."""
        self.rig.store.close()
        self.rig.store.open()

    @property
    def states(self) -> dict[str, str]:
        return {h.run.id: str(h.run.state) for h in self.rig.store.runs()}

    @property
    def written(self) -> list[str]:
        path = self.rig.home / "state" / "files" / "out.txt"
        return path.read_text().splitlines() if path.exists() else []


Make = Callable[..., Flow]
BAD: dict[str, object] = {"bad": True}


@pytest.fixture
def flow(make_rig: Callable[..., Rig]) -> Make:
    def make(keys: str = "", steps: str = STEPS) -> Flow:
        return Flow(make_rig(allow_private=True), TRIGGER + keys + steps)

    return make


TABLE = [  # keys, then what three events at once come to in single turns, the second of which has to be tried again
    ("", [["r1 succeeded", "r2 waiting", "r3 succeeded"], []]),
    ("mode: queued", [["r1 succeeded"], ["r2 waiting"], []]),
    ("max: 1", [["r1 succeeded"], ["r2 waiting"], []]),
    ("max: 2", [["r1 succeeded", "r2 waiting"], ["r3 succeeded"], []]),
    ("mode: single", [["r1 succeeded"], []]),
    ("mode: restart", [["r3 succeeded"], []]),
    ('order_by: "{{ payload.of }}"', [["r1 succeeded", "r2 waiting"], []]),
]


@pytest.mark.parametrize("restarted", [False, True], ids=["at one go", "restarted in between"])
@pytest.mark.parametrize(("keys", "turns"), TABLE, ids=[keys or "nothing" for keys, _ in TABLE])
def test_three_events_at_once(keys: str, turns: list[list[str]], restarted: bool, flow: Make) -> None:
    one = flow(keys)
    one.notice({"of": "a"}, {**BAD, "of": "b"}, {"of": "b"})
    for turn in turns:
        assert one.turn() == turn
        if restarted:
            one.restart()


@pytest.mark.parametrize("restarted", [False, True], ids=["at one go", "restarted in between"])
def test_a_queue_goes_past_a_run_that_is_paused(restarted: bool, flow: Make) -> None:
    one = flow("mode: queued")
    one.notice(BAD, {}, {})
    assert one.all() == ["r1 waiting"]
    if restarted:
        one.restart()
    one.rig.clock.wait(61)
    assert one.all() == ["r1 paused", "r2 succeeded", "r3 succeeded"]
    assert one.written == ["e1 begins", "e2 begins", "e2 ends", "e3 begins", "e3 ends"]


@pytest.mark.parametrize("restarted", [False, True], ids=["at one go", "restarted in between"])
def test_a_paused_run_holds_up_its_value_until_it_is_resumed_or_cancelled(restarted: bool, flow: Make) -> None:
    one = flow('mode: queued\norder_by: "{{ payload.of }}"')
    one.notice({**BAD, "of": 1}, {"of": 1}, {"of": 2})
    one.all()
    one.rig.clock.wait(61)
    assert one.all() == ["r1 paused", "r3 succeeded"]
    if restarted:
        one.restart()
    assert one.all() == []
    assert one.rig.store.resume(one.now(), run_id="r1", by="ann") == ["r1"]
    assert one.all() == ["r1 waiting"]
    assert one.rig.store.cancel("r1", one.now(), "cancelled by a person")
    assert one.all() == ["r2 succeeded"]


def test_a_run_that_is_under_way_is_cancelled_by_a_newer_one_and_does_nothing_more(flow: Make) -> None:
    one = flow("mode: restart")
    one.notice(BAD)
    assert one.all() == ["r1 waiting"]
    one.notice({})
    assert one.all() == ["r2 succeeded"]
    one.rig.clock.wait(3600)
    assert one.all() == []
    assert one.states == {"r1": "cancelled", "r2": "succeeded"}
    assert one.rig.store.load_run("r1")[0].reason == "mode: restart: r2 began"
    assert one.written == ["e1 begins", "e2 begins", "e2 ends"]


def test_a_single_run_that_is_done_lets_the_next_event_begin(flow: Make) -> None:
    one = flow("mode: single")
    one.notice(BAD)
    assert one.all() == ["r1 waiting"]
    one.notice({})
    assert one.all() == []
    assert one.rig.store.load_run("r2")[0].reason == "mode: single: r1 of this workflow was not finished"
    one.rig.clock.wait(61)
    assert one.all() == ["r1 paused"]
    one.notice({})
    assert one.all() == ["r3 succeeded"], "a paused run does not keep events away"


WRONG = [
    ("{{ payload.off }}", "order_by: bad_input: {{ payload.off }}: there is no field 'off' (did you mean 'of'?)"),
    ("{{ payload.of.x }}", "order_by: bad_input: "),
]


@pytest.mark.parametrize(("expression", "words"), WRONG)
def test_an_order_that_cannot_be_worked_out_pauses_the_run_in_words(expression: str, words: str, flow: Make) -> None:
    one = flow(f'order_by: "{expression}"')
    one.notice({"of": 1})
    record = one.rig.store.load_run("r1")[0]
    assert (record.state, (record.reason or "").startswith(words)) == (RunState.PAUSED, True), record.reason
    assert (record.reason or "").endswith(" (resumed, it runs without an order)")
    assert one.all() == []
    assert one.rig.store.resume(NOW + timedelta(days=1), by="ann") == ["r1"]
    one.rig.clock.wait(2 * 86400)
    assert one.all() == ["r1 succeeded"]


def test_a_replay_takes_its_place_at_the_end(flow: Make) -> None:
    one = flow("mode: queued")
    one.notice({}, {})
    workflow = workflow_from_text(one.text, one.rig.environment, "w")
    again = in_lane(run("", "e1", one.now()), event("e1"), workflow, None)
    (made,) = one.rig.store.replay([again])
    assert one.all() == ["r1 succeeded", "r2 succeeded", f"{made.id} succeeded"]
