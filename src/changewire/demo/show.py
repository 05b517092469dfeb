"""Plays the story to a real daemon with a home of its own, tells each event as it happens, and judges at the end."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from changewire.clock import Clock, SystemClock
from changewire.daemon import Daemon
from changewire.demo.story import STORY, Change, Control, Scene, judge
from changewire.demo.telling import JsonTeller, Summary, Teller, TextTeller
from changewire.sandbox import Sandbox
from changewire.state.records import RunHistory, RunState
from changewire.values import Json

HOME = Path(__file__).parent / "home"
AT_MOST = 12.0  # seconds for a scene; it takes about one where nothing is wrong
LOOK_EVERY = 0.05  # seconds
LOOKS = 3  # polls of every trigger until a scene that fires nothing is over; one was under way, one may fail


def run_demo(json_output: bool = False) -> int:
    """Play the demo on stdout: the exit code is 0 where everything was noticed exactly once and nothing else fired.

    With ``json_output`` one JSON object for each event, then one with the summary. Takes about fifteen seconds.
    """
    teller: Teller = JsonTeller(sys.stdout) if json_output else TextTeller(sys.stdout)
    clock = SystemClock()
    with Sandbox() as sandbox, TemporaryDirectory(prefix="changewire-demo-") as folder:
        home = make_home(Path(folder), sandbox.url)
        log = _Failures()
        with _watching(home, clock, log) as daemon:
            return Show(sandbox.control, daemon, clock, teller, log).play(sandbox.url)


def make_home(folder: Path, url: str) -> Path:
    """A home in ``folder`` whose eleven workflows watch the stand-in at ``url``."""
    shutil.copytree(HOME, folder, dirs_exist_ok=True)
    (folder / "config" / ".env").write_text(f"SANDBOX_URL={url}\n")
    return folder


class _Failures:
    """A log that keeps what went wrong, and nothing else."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, event: str, message: str, /, **facts: Json) -> None:
        if event in {"poll_failed", "worker_failed", "state_failed", "trigger_failing"}:
            self.lines.append(message)


@contextmanager
def _watching(home: Path, clock: Clock, log: _Failures) -> Iterator[Daemon]:
    daemon = Daemon(home, clock, log)
    daemon.start(watch_files=False)
    loop = threading.Thread(target=daemon.loop, name="changewire-demo")
    loop.start()
    try:
        yield daemon
    finally:
        daemon.stop()
        loop.join()
        daemon.close()


class Show:
    """One performance."""

    def __init__(self, control: Control, daemon: Daemon, clock: Clock, teller: Teller, log: _Failures) -> None:
        self._control = control
        self._daemon = daemon
        self._store = daemon.store
        self._clock = clock
        self._teller = teller
        self._log = log
        self._truth: list[Change] = []
        self._told: set[str] = set()  # ids of events

    def play(self, url: str) -> int:
        """Play all scenes; the exit code."""
        began = self._clock.monotonic()
        triggers = self._daemon.home.triggers
        self._teller.begin(url, len(triggers))
        self._await_looks(1)
        for scene in STORY:
            self._play(scene)
        summary = self._summary(self._clock.monotonic() - began)
        self._teller.end(summary)
        return 0 if summary.well else 1

    def _play(self, scene: Scene) -> None:
        failures = len(self._log.lines)
        polls = self._daemon.polls
        self._teller.scene(scene.title)
        changes = scene.play(self._control)
        self._truth += changes
        if changes:
            self._until(lambda: self._tell_events() >= len(self._truth))
        else:
            told = len(self._told)
            self._await_looks(LOOKS)
            fired = self._tell_events() - told
            self._teller.quiet(self._daemon.polls - polls, fired, self._log.lines[failures:])

    def _await_looks(self, looks: int) -> None:
        """Wait until every trigger was polled ``looks`` more times, and well in the end."""
        before = {record.id: record.polls for record in self._store.triggers()}
        self._until(
            lambda: all(
                record.polls >= before[record.id] + looks and record.last_ok is not None and not record.failures
                for record in self._store.triggers()
            )
        )

    def _until(self, condition: Callable[[], bool]) -> None:
        """Wait for ``condition``, but not for ever: what has not happened by then is found at the end."""
        latest = self._clock.monotonic() + AT_MOST
        while not condition() and self._clock.monotonic() < latest:
            self._clock.wait(LOOK_EVERY)

    def _tell_events(self) -> int:
        """Tell the events whose runs have come to an end since the last call; how many were told in all."""
        runs = {history.run.event_id: history for history in self._store.runs()}
        for event in self._store.events():
            history = runs.get(event.id)
            if event.id not in self._told and history is not None and _over(history):
                self._told.add(event.id)
                self._teller.event(event, history)
        return len(self._told)

    def _summary(self, seconds: float) -> Summary:
        events, runs = self._store.events(), self._store.runs()
        verdict = judge(self._truth, events)
        return Summary(
            polls=self._daemon.polls,
            events=len(events),
            runs=len(runs),
            unfinished=sum(history.run.state is not RunState.SUCCEEDED for history in runs) + len(events) - len(runs),
            requests=self._control("stats")["requests"],
            lost=len(verdict.lost),
            doubled=len(verdict.doubled),
            noise=len(verdict.noise),
            seconds=round(seconds, 1),
            complaints=(
                *(f"lost: {each.type} {each.event_type} {each.key}" for each in verdict.lost),
                *(f"twice: {each.type} {each.event_type} {each.key}" for each in verdict.doubled),
                *(f"from noise: {each.type} {each.event_type} {each.key}" for each in verdict.noise),
                *(f"run of {h.run.workflow} {h.run.state}: {h.run.reason}" for h in runs if not _well(h)),
            ),
        )


def _over(history: RunHistory) -> bool:
    return history.run.state.finished or history.run.state is RunState.PAUSED


def _well(history: RunHistory) -> bool:
    return history.run.state is RunState.SUCCEEDED
