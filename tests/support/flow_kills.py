"""The long workflow of `tests.actions.long_flow`, killed and compared with the same one left alone."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from changewire.actions.flow.scope import step_key
from changewire.state.records import AttemptRecord, AttemptState, RunState
from tests.actions.long_flow import make, prepare
from tests.actions.table import Recorder
from tests.connectors.server import Handler, Reply, Seen
from tests.support.processes import ROOT

PARALLEL = 3  # iterations at once in the workflow's parallel loop
SIDE = "steps/7["  # its addresses


class FlakyRecorder(Recorder):
    """Refuses the first request to each path that begins with ``flaky``."""

    def __init__(self) -> None:
        super().__init__()
        self._refused: set[str] = set()
        self._lock = threading.Lock()

    def route(self, path: str) -> Handler | None:
        """What answers a path."""
        with self._lock:
            if path.startswith("/flaky") and path not in self._refused:
                self._refused.add(path)
                return _refuse
        return super().route(path)


def _refuse(seen: Seen) -> Reply:
    return Reply(503, {"message": "later"})


@dataclass(frozen=True)
class Outcome:
    """What came of one run."""

    state: RunState
    done: dict[str, object]  # outputs by address, of what came to its end
    calls: Counter[str]  # by path
    keys: Counter[str]  # calls by idempotency key
    attempts: list[AttemptRecord]
    killed: list[str]  # the write point of each kill, empty for a random moment


def run(home: Path, how: str = "random", seed: int = 0, kills: int = 0, items: int = 50) -> Outcome:
    """Let the workflow run to its end, killed at most so often. ``how``: at ``random`` moments or at ``writes``."""
    server = FlakyRecorder()
    try:
        prepare(home, server.url, items)
        command = [sys.executable, "-m", "tests.actions.long_flow", str(home), server.url, how, str(seed), str(kills)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        rig = make(home, server.url)
        record, _, attempts = rig.store.load_run("r1")
        rig.close()
        ended = {AttemptState.SUCCEEDED, AttemptState.SKIPPED}
        outputs = {a.address: a.output for a in attempts if a.state in ended and "until" not in (a.output or {})}
        keys = Counter(key for _, key in server.keys)
        return Outcome(record.state, outputs, Counter(server.calls), keys, attempts, done.stdout.splitlines())
    finally:
        server.close()


def check(found: Outcome, alone: Outcome) -> None:
    """The run ended as the one left alone; each step was done once, but for what a kill caught in flight."""
    assert found.state is alone.state, found.attempts[-1]
    assert found.done == alone.done
    assert found.calls.keys() == alone.calls.keys()
    unknown = Counter(a.address for a in found.attempts if a.state is AttemptState.UNKNOWN)
    most = len(found.killed)
    assert sum(n for address, n in unknown.items() if not address.startswith(SIDE)) <= most
    assert unknown.total() <= PARALLEL * most
    for address in {a.address for a in found.attempts if a.use == "http.hit"}:
        key = step_key("r1", address)
        assert alone.keys[key] <= found.keys[key] <= alone.keys[key] + unknown[address], address
    assert found.keys.keys() == alone.keys.keys(), "every attempt of a step has the same key"
