"""What needs a person: decided once, for `status` and for ``/health``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from changewire.errors import Problem
from changewire.health.attention import attention, judged
from changewire.home.definition import Broken
from changewire.state.records import PauseCause, PauseKind, PauseRecord, TriggerRecord, TriggerState
from changewire.testing import START


def trigger(state: TriggerState = TriggerState.OK, late_s: float = 0.0, **more: Any) -> TriggerRecord:
    """One that is polled every minute, and was due so long ago."""
    due = START - timedelta(seconds=late_s)
    given: dict[str, Any] = {"connection": "work", "next_due": due, "interval_s": 60.0, **more}
    return TriggerRecord("trg_1", "New", "trigger", "http.new_item", fingerprint="", state=state, **given)


def refused(name: str = "work", cause: PauseCause = PauseCause.CREDENTIAL) -> PauseRecord:
    return PauseRecord(PauseKind.CONNECTION, name, cause, START, "the secret is wrong", "put in the right one")


BAD = Broken("Bad", "config/workflows/bad.yaml", (Problem("config/workflows/bad.yaml", 2, 3, "wrong", "it is wrong"),))


@pytest.mark.parametrize(
    ("record", "state"),
    [
        (trigger(late_s=180), "ok"),
        (trigger(late_s=181), "stalled"),
        (trigger(TriggerState.FAILING, late_s=181), "stalled"),
        (trigger(TriggerState.SUSPENDED, late_s=10_000), "suspended"),
        (trigger(TriggerState.UNAVAILABLE, late_s=10_000), "unavailable"),
        (trigger(TriggerState.PAUSED, late_s=10_000, paused=True), "paused"),
        (trigger(late_s=-60, late_since=START - timedelta(seconds=181)), "stalled"),  # put off again and again
        (trigger(next_due=None), "ok"),  # fed by what happens inside
    ],
)
def test_late_by_three_intervals_is_stalled(record: TriggerRecord, state: str) -> None:
    assert judged(record, START).state == state


def told(*records: TriggerRecord, broken: tuple[Broken, ...] = (), **more: Any) -> list[tuple[str, str, str, str]]:
    given = {"kept": {}, "pauses": (), "runs": {}, "sleepers": {}} | more
    found = attention([judged(record, START) for record in records], broken, **given)
    return [(each.kind, each.name, each.state, each.message) for each in found]


def test_what_is_well_or_mends_itself_needs_nobody() -> None:
    well = [trigger(), trigger(TriggerState.FAILING), trigger(TriggerState.BASELINE_PENDING)]
    assert told(*well, trigger(TriggerState.PAUSED, paused=True), pauses=[refused(cause=PauseCause.PERSON)]) == []


def test_what_is_late_says_so_with_the_error_of_the_last_poll() -> None:
    words = "late by more than 3 intervals"
    assert told(trigger(late_s=200)) == [("trigger", "New/trigger", "stalled", words)]
    late = trigger(TriggerState.FAILING, late_s=200, error="status 500")
    assert told(late) == [("trigger", "New/trigger", "stalled", f"{words}: status 500")]


def test_a_suspended_trigger_says_why() -> None:
    gone = trigger(TriggerState.SUSPENDED, error="the meeting is gone")
    assert told(gone) == [("trigger", "New/trigger", "suspended", "the meeting is gone")]


def test_a_refused_connection_is_told_once_with_what_to_do() -> None:
    waiting = [trigger(TriggerState.SUSPENDED, paused=True, error="x"), trigger(TriggerState.SUSPENDED, error="x")]
    assert told(*waiting, pauses=[refused()]) == [("connection", "work", "paused", "the secret is wrong")]
    (found,) = attention(waiting, (), {}, [refused()], {}, {})
    assert found.next == "put in the right one, then `changewire resume --connection work`"


def test_other_triggers_are_told_beside_a_refused_connection() -> None:
    found = told(trigger(TriggerState.SUSPENDED, connection="other", error="gone"), pauses=[refused()])
    assert [kind for kind, *_ in found] == ["connection", "trigger"]


def test_a_broken_workflow_says_where_and_whether_the_last_good_version_goes_on() -> None:
    words = "config/workflows/bad.yaml:2:3: it is wrong"
    gone = trigger(TriggerState.UNAVAILABLE)
    assert told(gone, broken=(BAD,)) == [("workflow", "Bad", "unavailable", words)]
    on = told(broken=(BAD,), kept={BAD.file: "Bad"})
    assert on == [("workflow", "Bad", "unavailable", f"{words}; the last good version is still polled")]


def test_runs_that_wait_for_nothing_are_counted_by_workflow() -> None:
    words = "1 run held by nothing that exists; a daemon wakes them within a minute"
    assert told(sleepers={"A": 1}) == [("workflow", "A", "asleep", words)]


def test_runs_that_wait_for_a_person_are_counted_by_workflow() -> None:
    assert told(runs={"B": 1, "A": 2}) == [
        ("workflow", "A", "paused", "2 runs paused, waiting for a person"),
        ("workflow", "B", "paused", "1 run paused, waiting for a person"),
    ]
