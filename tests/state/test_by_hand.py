"""A person says that a step was done, where nobody else can know it."""

from __future__ import annotations

from typing import Any

import pytest

from changewire.errors import ChangewireError, StateError
from changewire.state.records import AttemptRecord, AttemptState, PauseCause, PauseKind, PauseRecord, RunState
from changewire.state.store import Store
from tests.state.samples import DAY, MINUTE, NOW, attempt, event, run, with_events

LATER = NOW + MINUTE
LOST: dict[str, Any] = {
    "use": "shop.order",
    "state": AttemptState.UNKNOWN,
    "error": "no answer",
    "error_class": "unknown",
    "evidence": {"input": {"a": 1}, "response": None, "effect": "unknown", "look": True},
}


def paused(store: Store, *attempts: AttemptRecord, reason: str | None = None, held_by: str | None = None) -> None:
    """The run ``r1`` with these attempts, paused because of the first."""
    with_events(store, [event()], [run()])
    claim = store.claim_runs(NOW, 1, DAY)[0].claim
    if held_by is not None:
        store.pause(PauseRecord(PauseKind.CONNECTION, "work", PauseCause.CREDENTIAL, NOW, "401"), NOW)
    end: dict[str, Any] = {"state": RunState.PAUSED, "reason": reason or attempts[0].failure, "held_by": held_by}
    waits_for = None if reason else attempts[0].address
    assert store.commit_step(claim, attempts[-1], before=attempts[:-1], waits_for=waits_for, **end)


def test_the_step_that_failed_is_done_and_the_run_goes_on(store: Store) -> None:
    paused(store, attempt("steps/1", **LOST), attempt("steps/0"))
    done = store.say_done("r1", LATER, by="ann", output={"id": 7})
    assert (done.address, done.attempt, done.state, done.output) == ("steps/1", 2, "succeeded", {"id": 7})
    assert done.evidence == {"input": {"a": 1}, "response": None, "effect": "told", "by": "ann"}
    found, _, attempts = store.load_run("r1")
    assert (found.state, found.reason, found.due_at) == ("pending", None, LATER)
    assert [(one.address, one.attempt) for one in attempts] == [("steps/0", 1), ("steps/1", 1), ("steps/1", 2)]
    assert attempts[-1] == done


def test_a_run_with_more_such_steps_stays_paused_for_the_next_of_them(store: Store) -> None:
    first, second = (attempt(f"steps/0[{n}]/do/0", **LOST) for n in (0, 1))
    paused(store, first, second, attempt("steps/0", use="for_each", state=AttemptState.RUNNING))
    assert store.say_done("r1", LATER, by="ann", address=second.address).address == second.address
    found = store.load_run("r1")[0]
    assert (found.state, found.reason, found.waits_for) == ("paused", first.failure, first.address)
    assert store.say_done("r1", LATER, by="ann").address == first.address
    found = store.load_run("r1")[0]
    assert (found.state, found.waits_for, found.resumes, found.resumed_by) == ("pending", None, 1, "ann")


def test_an_output_that_was_forgotten_can_be_given_after_all(store: Store) -> None:
    broken: dict[str, Any] = {"state": AttemptState.FAILED, "error": "None has no id", "error_class": "bad_input"}
    paused(store, attempt("steps/0", **LOST))
    store.say_done("r1", LATER, by="ann")
    claim = store.claim_runs(LATER, 1, DAY)[0].claim
    next_one = attempt("steps/1", **broken)
    assert store.commit_step(claim, next_one, state=RunState.PAUSED, reason=next_one.failure, waits_for="steps/1")
    assert store.say_done("r1", LATER, by="bob", output=7, address="steps/0").attempt == 3
    assert store.load_run("r1")[2][2].output == 7


WRONG: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = [
    ({"use": "for_each"}, {}, {}, "r1 is not paused because of an action that could be done: steps/0 (for_each): "),
    ({}, {"reason": "when: bad_input: no"}, {}, "r1 is not paused because of an action that could be done: when: bad_"),
    (
        {},
        {"held_by": "connection/work"},
        {},
        "r1 goes on by itself after the pause of connection/work: no step of it f",
    ),
    ({}, {}, {"address": "steps/9"}, "r1 has no action at 'steps/9' that failed; those that did: steps/0"),
    (
        {"retry_at": LATER},
        {},
        {"address": "steps/0"},
        "r1 has no action at 'steps/0' that failed; those that did: none",
    ),
    (
        {"address": "on_failure/0"},
        {"reason": "timeout"},
        {"address": "on_failure/0"},
        "r1 has no action at 'on_failure",
    ),
]


@pytest.mark.parametrize(("lost", "left", "given", "told"), WRONG)
def test_nothing_else_can_be_said_to_be_done(
    store: Store, lost: dict[str, Any], left: dict[str, Any], given: dict[str, Any], told: str
) -> None:
    before = attempt(**{"address": "steps/0", **LOST, **lost})
    paused(store, before, **left)
    with pytest.raises(ChangewireError) as error:
        store.say_done("r1", LATER, by="ann", **given)
    assert str(error.value).startswith(told)
    assert (store.load_run("r1")[0].state, store.load_run("r1")[2]) == ("paused", [before])


def test_only_of_a_paused_run(store: Store) -> None:
    with_events(store, [event()], [run()])
    with pytest.raises(ChangewireError, match="r1 is pending, and only a step of a paused run can be said to be done"):
        store.say_done("r1", NOW, by="ann")
    with pytest.raises(StateError, match="no run r9"):
        store.say_done("r9", NOW, by="ann")
