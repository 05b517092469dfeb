"""A run that wakes up in a loop goes on as if it had been read from its first step on."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from changewire.actions.flow import sleeping as asleep
from changewire.actions.flow.pipeline import Runner
from changewire.actions.flow.progress import Progress
from changewire.actions.flow.sleeping import Asleep
from changewire.state.records import AttemptRecord, AttemptState, RunState
from tests.actions.rig import Rig, connection
from tests.state.samples import DAY, run

LOOPS = {
    "in turn": """
steps:
  - {set: {sum: 0}}
  - id: all
    for_each: "{{ range(6) | list }}"
    do:
      - {set: {sum: "{{ sum + item }}"}}
      - {wait: 1m}
      - {use: core.log, with: {message: "{{ loop.index }} {{ sum }}"}}
  - {set: {all: "{{ steps.all.results | map(attribute='message') | join }}"}}
  - {use: core.log, with: {message: "{{ sum }} {{ steps.all.count }} {{ all }}"}}
""",
    "while": """
steps:
  - {set: {left: 5}}
  - id: all
    repeat: {while: "{{ left > 0 }}"}
    do:
      - {set: {left: "{{ left - 1 }}"}}
      - {wait: 1m}
      - {id: said, use: core.log, with: {message: "{{ left }}"}}
  - {set: {all: "{{ steps.all.results | map(attribute='message') | join }}"}}
  - {use: core.log, with: {message: "{{ all }} {{ steps.all.exhausted }}"}}
""",
    "until, by what the last iteration said": """
steps:
  - id: all
    repeat: {until: "{{ steps.said.message == '3' }}", max: 9}
    do:
      - {wait: 1m}
      - {id: said, use: core.log, with: {message: "{{ loop.index }}"}}
      - {wait: 1m}
  - {use: core.log, with: {message: "{{ steps.all.count }}"}}
""",
    "inside each other": """
steps:
  - {set: {seen: []}}
  - id: all
    for_each: [a, b, c]
    as: outer
    do:
      - id: inner
        repeat: {times: 3}
        do:
          - {wait: 1m}
          - {set: {seen: "{{ seen + [outer ~ loop.index] }}"}}
      - if: "{{ outer == 'b' }}"
        then: [{wait: 1m}, {use: core.log, with: {message: "{{ steps.inner.count }}"}}]
  - {use: core.log, with: {message: "{{ seen | join }} {{ steps.all.results | length }}"}}
""",
    "several at once": """
steps:
  - id: all
    for_each: "{{ range(7) | list }}"
    max_parallel: 3
    do:
      - {wait: "{{ item % 3 + 1 }}m"}
      - {for_each: [x, y], do: [{wait: 1m}, {use: core.log, with: {message: "{{ item }}"}}]}
  - {use: core.log, with: {message: "{{ steps.all.results | map(attribute='count') | sum }}"}}
""",
    "in on_failure": """
steps:
  - {use: core.log, with: {nothing: 1}}
on_failure:
  - {repeat: {times: 4}, do: [{wait: 1m}, {use: core.log, with: {message: "{{ loop.index }}"}}]}
""",
}


def finish(rig: Rig, runner: Callable[[], Runner]) -> RunState:
    """Carry the run on whenever it is due, each time by what ``runner`` gives."""
    state: RunState | None = RunState.WAITING
    while state is RunState.WAITING:
        due = rig.store.next_run_after(rig.clock.now())
        if due is not None:
            rig.clock.advance((due - rig.clock.now()).total_seconds())  # type: ignore[attr-defined]
        claimed = rig.store.claim_runs(rig.clock.now(), 1, DAY)[0]
        state = runner().advance(claimed.id, claimed.claim)
    assert state is not None
    return state


@pytest.mark.parametrize("loop", LOOPS)
def test_it_makes_no_difference_whether_a_run_is_known_or_read(tmp_path: Path, loop: str) -> None:
    known = _done(tmp_path / "known", loop, lambda runners: runners[0])
    assert known[0] is (RunState.PAUSED if loop == "in on_failure" else RunState.SUCCEEDED)
    assert known == _done(tmp_path / "read", loop, lambda runners: None)
    turns = cycle((0, 0, 1, 0))
    by_turns = _done(tmp_path / "by turns", loop, lambda runners: runners[next(turns)])
    assert known == by_turns, "what another had meanwhile is read again"


def _done(home: Path, loop: str, choose: Callable[[list[Runner]], Runner | None]) -> Any:
    """How the run ended and what was stored, each wake-up being the work of the one of two runners, or of a new one."""
    rig = Rig(home, connection("work")).open()
    rig.start(LOOPS[loop])
    runners = [rig.runner(), rig.runner()]
    end = finish(rig, lambda: choose(runners) or rig.runner())
    record, _, attempts = rig.store.load_run("r1")
    rig.close()
    return end, record, [(each.address, each.attempt, each.state, each.output, each.started_at) for each in attempts]


def test_waking_up_in_a_loop_reads_none_of_what_was_done(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start(LOOPS["in turn"])
    load, wanted = rig.store.load_run, list[bool]()

    def noting(run_id: str, *, attempts: bool = True) -> Any:
        wanted.append(attempts)
        return load(run_id, attempts=attempts)

    runner = rig.runner()
    with monkeypatch.context() as patched:
        patched.setattr(rig.store, "load_run", noting)
        assert finish(rig, lambda: runner) is RunState.SUCCEEDED
    assert wanted == [True] + [False] * 6


def told(size: int) -> Progress:
    """What is known of a run in a loop that gave so many bytes."""
    output = "x" * size
    progress = Progress([AttemptRecord("r", "steps/0[0]/do/0", 1, "core.log", AttemptState.SUCCEEDED, output)])
    progress.pass_over("steps/0", 0, output)
    return progress


def test_what_was_used_last_is_kept_as_long_as_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asleep, "MOST_BYTES", 5_000)
    monkeypatch.setattr(asleep, "MOST_OF_ONE", 4_000)
    kept = Asleep()
    for name, size in (("r1", 2_000), ("r2", 2_000), ("r3", 2_000), ("large", 4_100)):
        kept.keep(run(name, claims=3), told(size))
    assert kept.take("r1") is None
    known = kept.take("r2")
    assert known is not None
    assert (known.claims, known.progress.loop("steps/0").results) == (3, {0: "x" * 2_000})
    assert kept.take("r2") is None, "it is handed out once"
    assert kept.take("large") is None
    kept.keep(run("r3"), told(2_500))
    kept.keep(run("r4"), told(2_300))
    assert [kept.take(name) is None for name in ("r3", "r4")] == [False, False], "the first r3 takes no room any more"


def test_a_run_that_is_quickly_read_is_not_kept() -> None:
    kept = Asleep()
    kept.keep(run("r1"), Progress([AttemptRecord("r1", "steps/0", 1, "wait", AttemptState.RUNNING)]))
    assert kept.take("r1") is None


def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asleep, "MOST_RUNS", 2)
    kept = Asleep()
    for name in ("r1", "r2", "r3"):
        kept.keep(run(name), told(1))
    assert [kept.take(name) is None for name in ("r1", "r2", "r3")] == [True, False, False]
