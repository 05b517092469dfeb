"""Whatever is nested in whatever: the run ends as the plainest interpreter says, also with restarts in between."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from changewire.state.records import RunState
from tests.actions.naive import Naive, Step, steps, uses
from tests.actions.rig import TRIGGER, Rig
from tests.state.samples import DAY, claim, event, poll, run, trigger

ACTIONS = """
connector: core
actions:
  note: {title: N, description: N., parameters: {text: {required: true}}, code: note, idempotency: natural}
  fail: {title: F, description: F., code: fail, idempotency: natural}
"""
CODE = """
from changewire.errors import UsageError

notes, deaths = [], []


class Killed(BaseException):
    pass


def note(context, values):
    if deaths and deaths.pop():
        raise Killed
    notes.append(values["text"])
    return {"text": values["text"]}


def fail(context, values):
    raise UsageError("no")
"""
NUMBERS = count()
MANY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    home = tmp_path_factory.mktemp("naive")
    (home / "actions").mkdir()
    (home / "actions" / "core.yaml").write_text(ACTIONS)
    (home / "actions" / "core.py").write_text(CODE)
    one = Rig(home).open()
    one.store.sync_triggers([trigger()], one.clock.now())
    yield one
    one.close()


def code(rig: Rig) -> Any:
    """The module of the two actions."""
    place = rig.actions["core.note"].place
    assert place is not None
    return place.load().__globals__


def begin(rig: Rig, written: list[Step], n: int) -> str:
    """Store the workflow and a run of it; the run's id."""
    number = next(NUMBERS)
    body = [{"set": {"x": 0}}, *written]
    rig.store.save_version(f"v{number}", f"{TRIGGER}steps: {json.dumps(body)}\n")
    rig.clock.advance(120)  # type: ignore[attr-defined]
    noticed = event(f"e{number}", payload={"n": n}, trigger="w/trigger")
    started = run(f"r{number}", f"e{number}", rig.clock.now(), version=f"v{number}")
    now = rig.clock.now()
    assert rig.store.commit_poll(poll(claim(rig.store, now), now, events=[noticed], runs=[started]))
    return f"r{number}"


def carry_on(rig: Rig, run_id: str, stops: list[int]) -> RunState:
    """Advance the run until it is over. Each number of ``stops`` is how many steps a process lasts."""
    left = iter(stops)
    for _ in range(500):
        record = rig.store.load_run(run_id)[0]
        if record.due_at is not None and record.due_at > rig.clock.now():
            rig.clock.advance((record.due_at - rig.clock.now()).total_seconds())  # type: ignore[attr-defined]
        claimed = [r for r in rig.store.claim_runs(rig.clock.now(), 9, DAY) if r.id == run_id]
        if not claimed:
            return record.state
        try:
            rig.runner().advance(run_id, claimed[0].claim, after(next(left, None)))
        except BaseException as death:
            if type(death).__name__ != "Killed":
                raise
            rig.store.close()
            rig.store.open()
    raise AssertionError("the run never ends")


def after(most: int | None) -> Callable[[], bool]:
    """Says stop after it was asked so often; None: never."""
    looks = count()
    return lambda: most is not None and next(looks) > most


def compare(rig: Rig, written: list[Step], n: int, stops: list[int], deaths: list[bool]) -> None:
    naive, inside = Naive(), code(rig)
    state = naive.run(written, n)
    inside["notes"].clear()
    inside["deaths"][:] = deaths
    found = carry_on(rig, begin(rig, written, n), stops)
    inside["deaths"].clear()
    if not uses(written, "max_parallel"):
        assert (found, inside["notes"]) == (state, naive.notes)
    elif not uses(written, "stop") and state == "succeeded":  # else it depends on which iteration is quicker
        assert (found, Counter(inside["notes"])) == (state, Counter(naive.notes))


@MANY
@given(written=steps(), n=st.integers(0, 6))
def test_a_random_workflow_ends_as_the_plain_interpreter_says(rig: Rig, written: list[Step], n: int) -> None:
    compare(rig, written, n, [], [])


@MANY
@given(
    written=steps(),
    n=st.integers(0, 6),
    stops=st.lists(st.integers(0, 4), max_size=20),
    deaths=st.lists(st.booleans(), max_size=2),
)
def test_restarts_and_deaths_change_nothing(
    rig: Rig, written: list[Step], n: int, stops: list[int], deaths: list[bool]
) -> None:
    compare(rig, written, n, stops, deaths)
