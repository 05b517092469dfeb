"""A wait is a row with a due time: restarts and edits in between change nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from changewire.state.records import RunState
from changewire.testing import ManualClock
from tests.actions.rig import Rig, connection
from tests.actions.table import Recorder, workflow_file, write_actions
from tests.state.samples import DAY, NOW

RESTARTS, EDITED_AT = 50, (17, 34)
WAIT = timedelta(weeks=3)
MAIN = """
trigger: {type: zoom.x}
steps:
  - {use: http.hit, with: {path: before}}
  - {call: sub}
  - {use: http.hit, with: {path: after-OLD}}
"""
SUB = "trigger: {type: zoom.x}\nsteps: [{wait: 3w}, {use: http.hit, with: {path: called-OLD}}]\n"


def restarted(home: Path, url: str, clock: ManualClock, edits: int) -> Rig:
    """The next process, with files that were edited so often."""
    rig = Rig(home, connection("site", url, "http", allow_private=True), clock=clock)
    text = SUB.replace("OLD", f"edit-{edits}") if edits else SUB
    rig.workflows["sub"] = workflow_file("sub", text)
    return rig.open()


def test_three_weeks_fifty_restarts_and_two_edits(tmp_path: Path) -> None:
    write_actions(tmp_path)
    server, clock = Recorder(), ManualClock()
    rig = restarted(tmp_path, server.url, clock, 0)
    rig.start(MAIN)
    assert rig.go() is RunState.WAITING
    edits = 0
    for number in range(RESTARTS):
        rig.close()
        clock.advance((WAIT / (RESTARTS + 1)).total_seconds())
        edits += number in EDITED_AT
        rig = restarted(tmp_path, server.url, clock, edits)
        if number in EDITED_AT:
            rig.store.save_version(f"v{edits + 1}", MAIN.replace("OLD", f"edit-{edits}"))
        assert rig.store.claim_runs(clock.now(), 1, DAY) == []
        assert rig.store.next_run_after(clock.now()) == NOW + WAIT
    clock.advance((NOW + WAIT - clock.now()).total_seconds() - 0.001)
    assert rig.store.claim_runs(clock.now(), 1, DAY) == []
    clock.advance(0.001)
    assert rig.go() is RunState.SUCCEEDED
    assert server.calls == ["before", "called-OLD", "after-OLD"]
    run = rig.store.load_run("r1")[0]
    assert (run.finished_at, run.version) == (NOW + WAIT, "v1")
    rig.close()
    server.close()
