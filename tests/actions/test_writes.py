"""How many writes to disk a run costs, and what may wait for the next one."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from changewire.actions.flow.frame import Frame
from changewire.actions.flow.ledger import LONGEST_HELD_S
from changewire.state.records import AttemptState, RunState
from tests.actions.flow.test_pipeline import lines, note
from tests.actions.rig import Rig, connection
from tests.connectors.server import Reply, Server

LOG = '{use: core.log, with: {message: "x"}}'
OK = AttemptState.SUCCEEDED


def writes(rig: Rig) -> float:
    """Units that were written so far."""
    return rig.store.stats()["units"]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (f"[{LOG}, {LOG}, {LOG}]", 1),
        (f"[{note('a')}]", 2),
        (f"[{note('a')}, {note('b')}, {note('c')}]", 4),
        (f"[{LOG}, {note('a')}, {LOG}, {{set: {{x: 1}}}}, {note('b')}, {LOG}]", 3),
    ],
    ids=["only thinks", "one thing done", "three things done", "both"],
)
def test_a_step_is_stored_before_something_is_done_and_with_what_comes_next(
    rig: Rig, steps: str, expected: int
) -> None:
    rig.start(f"steps: {steps}")
    before = writes(rig)
    assert rig.go() is RunState.SUCCEEDED
    assert writes(rig) - before == expected + 1, "and one in which the run was claimed"
    assert {state for _, _, state in rig.attempts} == {OK}


def test_what_was_done_does_not_wait_for_long(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start(f"steps: [{note('a')}, {LOG}, {{set: {{x: 1}}}}, {note('b')}]")
    log = rig.log

    def slow(event: str, message: str, /, **facts: object) -> None:
        rig.clock.advance(LONGEST_HELD_S * 1.5)  # type: ignore[attr-defined]
        log(event, message, **facts)

    monkeypatch.setattr(rig, "log", slow)
    before = writes(rig)
    assert rig.go() is RunState.SUCCEEDED
    assert writes(rig) - before == 5, "the claim, two beginnings, the end of the first once it was late, and the run"


def test_a_fault_of_the_engine_itself_takes_nothing_of_what_was_done(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start(f"steps: [{note('a')}, {{set: {{x: 1}}}}, {note('b')}]")

    def broken(*_: object) -> None:
        raise RuntimeError("a fault")

    with monkeypatch.context() as patched:
        patched.setattr("changewire.actions.flow.frame.Frame.note", _from_call(2, Frame.note, broken))
        with pytest.raises(RuntimeError, match="a fault"):
            rig.go()
    assert rig.attempts == [("steps/0", 1, OK), ("steps/1", 1, OK)]
    rig.store.close()
    rig.store.open()
    assert rig.go() is RunState.SUCCEEDED
    assert lines(rig) == ["a", "b"]


def test_a_message_that_comes_twice_does_nothing(rig: Rig) -> None:
    rig.start(f"steps: [{LOG}]")
    claimed = rig.store.claim_runs(rig.clock.now(), 1, rig.settings.retention.runs)[0]
    assert rig.runner().advance(claimed.id, claimed.claim) is RunState.SUCCEEDED
    said = len(rig.told)
    assert rig.runner().advance(claimed.id, claimed.claim) is None
    assert [event for event, _, _ in rig.told[said:]] == ["run_fenced"]


def test_a_run_that_was_cancelled_meanwhile_is_said_to_be(rig: Rig) -> None:
    rig.start(f"steps: [{note('a')}]")
    claimed = rig.store.claim_runs(rig.clock.now(), 1, rig.settings.retention.runs)[0]
    assert rig.store.cancel(claimed.id, rig.clock.now(), "cancelled by a person")
    assert rig.runner().advance(claimed.id, claimed.claim) is None
    assert [(event, message) for event, message, _ in rig.told if event == "run_fenced"] == [
        ("run_fenced", "run r1 was cancelled; what it did stays done")
    ]


def _from_call(number: int, real: Callable[..., Any], then: Callable[..., Any]) -> Callable[..., Any]:
    """``real`` as it is, and ``then`` from its call of this number on."""
    calls = itertools.count(1)
    return lambda *given, **named: then() if next(calls) >= number else real(*given, **named)


LOOK = """
connector: http
actions:
  look:
    title: Look
    description: Changes nothing.
    parameters: {connection: {required: true}}
    request: {method: GET, path: /slow}
    idempotency: pure
"""
SLOW = "use: http.request, with: {url: /slow, method: POST, connection: site}"


@pytest.mark.parametrize(
    "then",
    [
        f"{{for_each: [1, 2], max_parallel: 2, do: [{{{SLOW}}}]}}",
        f"{{for_each: [1, 2], do: [{{for_each: [1, 2], max_parallel: 2, do: [{{{SLOW}}}]}}]}}",
        "{use: http.look, with: {connection: site}}",
    ],
    ids=["parallel", "parallel inside", "pure"],
)
def test_the_end_of_a_step_is_on_disk_while_those_after_it_take_their_time(
    make_rig: Callable[..., Rig], server: Server, tmp_path: Path, then: str
) -> None:
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions" / "http.yaml").write_text(LOOK)
    rig = make_rig(connection("site", server.url, "http"))
    seen: list[AttemptState] = []

    def look(_: Any) -> Reply:
        seen.append(rig.store.load_run("r1")[2][0].state)
        return Reply(200, {})

    server.on("/slow", look)
    rig.start(f"steps: [{note('a')}, {then}]")
    assert rig.go() is RunState.SUCCEEDED
    assert set(seen) == {OK}
