"""One history: a home, the API that it watches, and the process that works in it, which may end at any moment."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from changewire.catalog import Catalog, load_catalog
from changewire.daemon import DATABASE, Daemon
from changewire.engine.steady_clock import SteadyClock
from changewire.errors import StateError
from changewire.state.records import Claimed, PauseCause, PauseKind, PauseRecord, RunState
from changewire.state.store import SqliteStore
from changewire.testing import START, ManualClock
from changewire.values import Json
from tests.support.model import layout
from tests.support.model.shop import URLS, Frame, Killed, Shop
from tests.support.model.truth import Watched
from tests.support.model.workers import Iterations, Queue, TurnedChores, TurnedLeases, UnsharedAnswers, Work

SLICE_S = 20.0  # between two looks at the chores while work is under way
TURNS = 60  # one after the other at most, before what is due at one moment counts as endless
DEEPEST = 4  # pieces of work inside each other
MEMORY = Path("/dev/shm")


@cache
def _catalog() -> Catalog:
    """The types and actions of every home, read once."""
    with tempfile.TemporaryDirectory() as folder:
        return load_catalog(layout.write(Path(folder) / "home"))


class World:
    """A home and all around it. Each method may end the process; then `alive` is False."""

    def __init__(self, watched: list[Watched]) -> None:
        memory = str(MEMORY) if MEMORY.is_dir() else None
        self.folder = Path(tempfile.mkdtemp(prefix="changewire-model-", dir=memory))
        self.path = layout.write(self.folder / "home")
        self.watched = watched
        self.clock = ManualClock(START)
        self._clocks = [self.clock]  # kept, for a clock's name is unique only while it exists
        self.shop = Shop(self.clock, self.pass_time)
        self.daemon: Daemon | None = None
        self.fuse: int | None = None  # write points until the process is killed; None: it is not
        self.jam = 0  # transactions that find the database locked
        self.iterations = Iterations()
        self.faults: list[str] = []  # of ours, as the log tells them
        self.logged: deque[str] = deque(maxlen=40)
        self.stale = False  # files changed since the process took them over
        self.moved: list[float] = []  # true seconds at which the clock was set, or a process began with another
        self.jammed = False  # the database was locked at some time
        self.paused_connections: set[str] = set()  # connections that are paused by hand
        self._polls: dict[str, int] = {}
        self._seq = 0
        self._patches = ExitStack()
        self._patch()
        for one in watched:
            self.write(one)

    def _patch(self) -> None:
        catalog = _catalog()
        for target, double in {
            "changewire.connectors.client.Fetcher": self.shop.fetcher,
            "changewire.connectors.client.SharedAnswers": UnsharedAnswers,
            "changewire.daemon.Chores": lambda log: TurnedChores(log, lambda: self.clock.monotonic()),
            "changewire.daemon.LeaseKeeper": TurnedLeases,
            "changewire.home.loading.load_catalog": lambda _: catalog,
            "changewire.actions.flow.loops.threading": self.iterations,
            "changewire.actions.flow.loops.wait_for": self.iterations.wait,
        }.items():
            self._patches.enter_context(patch(target, double))

    # the process

    @property
    def alive(self) -> bool:
        """Whether a process works in the home."""
        return self.daemon is not None

    def start(self, wall: float = 0.0, *, rebooted: bool = False) -> None:
        """Begin a process, after the wall clock was set forward by ``wall`` seconds, and after a reboot or none."""
        if wall:
            self.set_wall(wall)
        if rebooted:
            self.shop.began = self.shop.now
            self._clocks.append(ManualClock(self.clock.now()))
            self.clock = self.shop.clock = self._clocks[-1]
        self.shop.dead = False
        self.queue = Queue(self._around)
        self.steady = SteadyClock(self.clock)
        self.store = SqliteStore(self.path / DATABASE, clock=self.steady, on_write=self._on_write)
        daemon = Daemon(self.path, self.steady, self._log, store=self.store, dispatcher=self.queue)
        try:
            daemon.start(watch_files=False)
        except (Killed, StateError) as error:
            self._bury(daemon)
            self.shop.dead = isinstance(error, Killed)
            return
        self.daemon, self.stale = daemon, False

    def ensure(self) -> bool:
        """Begin a process if there is none; False where that could not be."""
        if self.daemon is None:
            self.start()
        return self.daemon is not None

    def stop(self) -> None:
        """End the process in good order."""
        if self.daemon is not None:
            daemon, self.daemon = self.daemon, None
            try:
                daemon.close()
            except Killed:
                self._bury(daemon)

    def kill(self) -> None:
        """End it at once."""
        self.shop.dead = True
        daemon, self.daemon = self.daemon, None
        if daemon is not None:
            self._bury(daemon)

    def _bury(self, daemon: Daemon) -> None:
        self.shop.dead = True
        self.queue.waiting.clear()
        self.iterations.waiting.clear()
        self.shop.frames.clear()
        self.store.close()
        daemon._clients.close()
        daemon._budgets.close()
        daemon._lock.release()

    def do(self, what: Callable[[], object]) -> None:
        """Let the process do something, in which it may end."""
        try:
            what()
        except Killed:
            self.kill()

    def _on_write(self, point: str) -> None:
        """Called in the thread that writes, while the one that waits for it stands still."""
        if self.shop.dead:
            raise Killed
        if self.jam and point == "begin:before":
            self.jam -= 1
            self.clock.advance(30)
            raise sqlite3.OperationalError("database is locked")
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                self.fuse = None
                self.shop.kill()

    def _log(self, event: str, message: str, /, **facts: Json) -> None:
        self.logged.append(f"{event}: {message}")
        if "a fault in Changewire itself" in message:
            self.faults.append(message)

    # time

    def pass_time(self, seconds: float, words: tuple[str, ...] = ()) -> None:
        """Let time pass, with chores; in between happens what ``words`` say."""
        for word in words:
            self._elapse(seconds / (len(words) + 1))
            self.meanwhile(word)
        self._elapse(seconds / (len(words) + 1))

    def _elapse(self, seconds: float) -> None:
        while seconds > 0:
            slow = bool(self.shop.frames) or (self.daemon is not None and bool(self.queue.waiting))
            part = min(seconds, SLICE_S) if slow else seconds
            self.clock.advance(part)
            seconds -= part
            if self.daemon is not None:
                self._do_chores(self.daemon)
        if self.shop.dead:
            raise Killed

    def _do_chores(self, daemon: Daemon) -> None:
        assert isinstance(daemon._leases, TurnedLeases)
        assert isinstance(daemon._chores, TurnedChores)
        daemon._leases.renew_due()
        daemon._chores.do_due()

    def set_wall(self, seconds: float) -> None:
        """Somebody sets the clock on the wall."""
        self.moved.append(self.shop.now)
        self.clock.set_wall(seconds)

    # work

    def turn(self) -> None:
        """One turn of the daemon's loop."""
        if self.daemon is None:
            return
        try:
            self.daemon.turn(self.steady.now())
        except StateError:
            self.clock.advance(5)

    def work(self, index: int = 0) -> None:
        """Do one piece of the work that waits, if there is one."""
        if self.daemon is not None and self.queue.waiting and len(self.shop.frames) < DEEPEST:
            self.queue.perform(index)

    def drain(self) -> None:
        """Do all that is due at this moment, and what follows from it at once."""
        for _ in range(TURNS):
            self.turn()
            if self.daemon is None or not self.queue.waiting:
                return
            while self.queue.waiting:
                self.work()
        raise AssertionError(f"after {TURNS} turns there is more that is due at this moment")

    def _around(self, work: Work, handle: Callable[[], None]) -> None:
        frame = Frame(work)
        if isinstance(work, Claimed):
            self._polls[work.trigger_id] = self._row_of(work.trigger_id)[0]
        else:
            frame.idle = any(one.paused for one in self.watched if one.name == work.workflow)
        self.shop.frames.append(frame)
        try:
            handle()
        except StateError:
            frame.broken = True
        except Killed:
            frame.broken = True
            raise
        finally:
            if self.shop.frames and self.shop.frames[-1] is frame:
                self.shop.frames.pop()
            self.observe(frame)

    # what came of it

    def ask(self, query: str, *given: Any) -> list[tuple[Any, ...]]:
        """Rows of the database."""
        return self._reader.execute(query, given).fetchall()

    @property
    def _reader(self) -> sqlite3.Connection:
        if not hasattr(self, "_reading"):
            self._reading = sqlite3.connect(self.path / DATABASE, isolation_level=None, check_same_thread=False)
            self._patches.callback(self._reading.close)
        return self._reading

    def _row_of(self, trigger_id: str) -> tuple[int, int]:
        found = self.ask("SELECT polls, failures FROM triggers WHERE id = ?", trigger_id)
        return found[0] if found else (-1, 0)

    def observe(self, frame: Frame) -> None:
        """Hold what a piece of work stored against the model."""
        if not isinstance(frame.work, Claimed):
            return
        record = frame.work.record
        watched = next((one for one in self.watched if one.name == record.workflow), None)
        if watched is None:  # it was renamed meanwhile
            return
        for state in frame.reads:
            watched.served(state)
        polls, failures = self._row_of(record.id)
        stored = polls != self._polls[record.id]
        self._polls[record.id] = polls
        if stored:
            assert not watched.paused, f"{watched.name} was polled while it was paused"
            assert "shop" not in self.paused_connections, "a trigger of a connection was polled while that was paused"
        if stored and not failures:
            watched.good_poll(frame.reads or [self.shop.served[f"/{watched.kind}"]])
        self._take_events()
        if stored and not failures:
            watched.check_stored()

    def _take_events(self) -> None:
        query = "SELECT seq, id, workflow, key, payload FROM events WHERE seq > ? ORDER BY seq"
        for seq, event_id, name, key, payload in self.ask(query, self._seq):
            self._seq = seq
            watched = next(one for one in self.watched if one.name == name)
            watched.fired(event_id, key, json.loads(payload))

    def close(self) -> None:
        """Remove everything."""
        with suppress(Killed):
            self.kill()
        self._patches.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # files

    def write(self, watched: Watched) -> None:
        """Write the file of a workflow as it is to be."""
        path = self.path / "config" / "workflows" / f"{watched.stem}.yaml"
        text = layout.workflow(watched.name, watched.kind, watched.mode, backfill=watched.backfill)
        if watched.file == "out":
            path.unlink(missing_ok=True)
        else:
            path.write_text(text if watched.file == "good" else text[:-9])
        self.stale = True

    def reload(self) -> None:
        """Take over the changed files."""
        if self.daemon is not None:
            self.daemon.reload()
            self.stale = False

    def take_over(self) -> bool:
        """Have every change of files so far taken over, for the next to be told from them; False where that failed."""
        self.fuse, self.jam = None, 0
        if self.ensure():
            self.do(self.reload)
        return self.alive

    def alike(self, watched: Watched) -> list[Watched]:
        """The workflows that watch the same, this one included: it takes a moment's order to tell them apart."""
        return [one for one in self.watched if one.kind == watched.kind]

    # people, whose commands are not killed

    def by_hand(self, what: Callable[[], object]) -> bool:
        """Let a person do something; False where the store refused it, or nothing runs."""
        if not self.ensure():
            return False
        fuse, self.fuse = self.fuse, None
        try:
            what()
        except StateError:
            assert self.jammed, "the store failed by itself"
            return False
        finally:
            self.fuse = fuse
        return True

    def pause(self, watched: Watched) -> None:
        """Pause a workflow."""
        watched.paused = self.by_hand(lambda: self._pause(PauseKind.WORKFLOW, watched.name)) or watched.paused

    def pause_connection(self, name: str) -> None:
        """Pause a connection."""
        if self.by_hand(lambda: self._pause(PauseKind.CONNECTION, name)):
            self.paused_connections.add(name)

    def _pause(self, kind: PauseKind, name: str) -> None:
        now = self.steady.now()
        self.store.pause(PauseRecord(kind, name, PauseCause.PERSON, now, "by a person"), now)

    def end_pauses(self) -> None:
        """End every pause, whoever made it."""
        for pause in self.store.pauses():
            if self.by_hand(lambda pause=pause: self.store.lift(pause.kind, pause.name, self.steady.now())):  # type: ignore[misc]
                self.paused_connections -= {pause.name}
                for one in self.watched:
                    one.paused = one.paused and one.name != pause.name

    def reset(self, watched: Watched) -> None:
        """Forget what a workflow has seen."""
        for (trigger_id,) in self.ask("SELECT id FROM triggers WHERE workflow = ?", watched.name):
            if self.by_hand(lambda trigger_id=trigger_id: self.store.forget(trigger_id, self.steady.now())):  # type: ignore[misc]
                watched.reset()

    def help_runs(self) -> None:
        """A person looks at each run that waits for one: what was done counts as done, the rest is tried again."""
        for found in self.store.runs(states=[RunState.PAUSED]):
            if found.run.held_by is None:
                self.by_hand(lambda run_id=found.run.id: self._help(run_id))  # type: ignore[misc]

    def _help(self, run_id: str) -> None:
        latest = {one.address: one for one in self.store.load_run(run_id)[2]}
        for address, one in latest.items():
            ended = one.state in ("failed", "unknown") and one.retry_at is None and address.startswith("steps")
            if not ended or "." not in one.use:
                continue
            subject = f"/{one.evidence['input']['path']}"
            if self.shop.did(subject) and self.store.load_run(run_id)[0].state is RunState.PAUSED:
                self.store.say_done(run_id, self.steady.now(), by="ann", address=address)
        self.store.resume(self.steady.now(), by="ann", run_id=run_id)

    # in the middle of an answer

    def meanwhile(self, word: str) -> None:
        """Something that happens while an answer is awaited."""
        happenings: dict[str, Callable[[], object]] = {
            "turn": self.turn,
            "work": self.work,
            "iterate": self.iterations.begin_one,
            "help": self.help_runs,
            "pause": lambda: self.pause(self.watched[0]),
            "lift": self.end_pauses,
            "reload": self.reload,
            "order": lambda: self.put_order(50),
            "reprice": lambda: setattr(self.shop, "price", self.shop.price + 1),
            "refuse": lambda: self.shop.accepts.update(dict.fromkeys(URLS, False)),
            "accept": lambda: self.shop.accepts.update(dict.fromkeys(URLS, True)),
            "ahead": lambda: self.set_wall(300),
            "behind": lambda: self.set_wall(-300),
        }
        happenings[word]()

    def put_order(self, key: int) -> None:
        """The shop has an order of that number."""
        self.shop.orders[key] = {"id": key}
