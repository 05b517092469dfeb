"""A run that waits again and again: what its last iterations cost, compared with its first."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

from bench.stored import fill
from bench.workers import Figures
from changewire.daemon import DATABASE, Daemon
from changewire.engine.dispatcher import Handlers
from changewire.log import silent
from changewire.state.records import Claimed, RunRecord, RunState
from changewire.state.store import SqliteStore
from changewire.testing import ManualClock

LOOPS = {
    "repeat": "repeat: {{times: {times}}}",
    "for_each": 'for_each: "{{{{ range({times}) | list }}}}"',
    "parallel": 'for_each: "{{{{ range({times}) | list }}}}"\n    max_parallel: 4',
}
_WORKFLOW = """trigger: {{type: http.document_changed, every: 1h, with: {{path: /any}}}}
steps:
  - {loop}
    do:
      - wait: 1m
      - use: core.log
        with: {{message: "{{{{ loop.index }}}}"}}
"""


def make_loop_home(home: Path, kind: str, times: int) -> None:
    """A home with one workflow, a loop whose iterations wait."""
    folder = home / "config" / "workflows"
    folder.mkdir(parents=True)
    loop = LOOPS[kind].format(times=times)
    (folder / "loop.yaml").write_text(_WORKFLOW.format(loop=loop), encoding="utf-8")


def loop(home: str) -> Figures:
    """Processor time of a whole run, and of each of its wake-ups at its beginning and at its end."""
    path, clock = Path(home), ManualClock()
    fill(home, 1, due=True)
    daemon = Daemon(path, clock, silent, dispatcher=Inline(), store=SqliteStore(path / DATABASE, clock=clock))
    daemon.start(watch_files=False)
    began, wall, ends = time.process_time(), time.monotonic(), [0.0]
    due: datetime | None = clock.now()
    while due is not None:
        clock.advance((due - clock.now()).total_seconds())
        daemon.turn(clock.now())
        ends.append(time.process_time() - began)
        due = daemon.store.next_run_after(clock.now())
    state = daemon.store.runs()[0].run.state
    daemon.close()
    if state is not RunState.SUCCEEDED:
        raise SystemExit(f"the run is {state}")
    tenth = len(ends) // 10
    first, last = ends[tenth + 10] - ends[10], ends[-1] - ends[-1 - tenth]
    return {
        "wakes": len(ends) - 1,
        "seconds": time.monotonic() - wall,
        "cpu_s": ends[-1],
        "first_ms": first / tenth * 1000,
        "last_ms": last / tenth * 1000,
    }


class Inline:
    """Does each run in the turn that claims it."""

    def start(self, handlers: Handlers) -> None:
        """Begin to work."""
        self._handlers = handlers

    def submit_poll(self, claimed: Claimed) -> None:
        """Leave it: the clock stands still, so the same poll is not due again."""

    def submit_run(self, run: RunRecord) -> None:
        """Carry the run on."""
        self._handlers.run(run)

    def free(self) -> tuple[int, int]:
        """There is room for a run."""
        return 0, 1

    def reserve_runs(self, most: int) -> int:
        """None: there are no polls."""
        return 0

    def give_back(self, places: int) -> None:
        """None were reserved."""

    def stop(self, timeout_s: float) -> bool:
        """Nothing is under way."""
        return True
