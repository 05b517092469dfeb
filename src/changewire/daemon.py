"""The loop around the turn: what is due is claimed and handed out, again and again, until somebody says stop."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from changewire.actions.flow.pipeline import Runner
from changewire.actions.supervisor import Supervisor
from changewire.clock import Clock, to_text, wall
from changewire.connectors.client import Patience
from changewire.connectors.clients import Clients
from changewire.connectors.sign_in.token_store import TokenStore
from changewire.engine.alerts import Alerts
from changewire.engine.chores import Chores
from changewire.engine.clock_changes import ClockChanges
from changewire.engine.dispatcher import Dispatcher, Handlers, LocalDispatcher, ShortWay
from changewire.engine.feeding import Feeder
from changewire.engine.leases import LEASE, LeaseKeeper
from changewire.engine.mending import Mender
from changewire.engine.polling import Engine, Outcome
from changewire.engine.retention import Retention
from changewire.engine.steady_clock import SteadyClock
from changewire.engine.syncing import sync
from changewire.engine.watching import FileWatch
from changewire.engine.workload import Workload
from changewire.errors import ConfigError, PollError, StateError, described
from changewire.health.checkup import Checkup
from changewire.health.serving import Serving
from changewire.health.work import Progress
from changewire.home.definition import Home
from changewire.home.loading import load_home
from changewire.log import Log
from changewire.state.budgets import FILE, SqliteBudgetStore
from changewire.state.lock import LOCK, HomeLock
from changewire.state.protocol import Store
from changewire.state.records import Claim, Claimed, RunRecord
from changewire.state.store import SqliteStore

DATABASE = Path("state") / "changewire.db"
LONGEST_NAP = 0.5  # seconds between two looks at the store at most
SHORTEST_NAP = 0.01  # seconds; due triggers that lie closer together are claimed together
HEARTBEAT_S, MEND_S, REAPER_S, RETENTION_S = 5, 5, 30, 3600
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 30.0  # after a turn that failed; `/live` allows a minute without a turn
STOP_WITHIN_S = 8.0  # for what is under way; SIGTERM is to be answered within ten seconds
LEAST_JOIN_S = 0.2  # for a thread that ends just then


class Daemon:
    """Watches one home. Make it, `start` it, `loop` until `stop`; or take single `turn`s, as tests do."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        log: Log,
        *,
        store: Store | None = None,
        dispatcher: Dispatcher | None = None,
    ) -> None:
        self.path = path
        self.home: Home = load_home(path)
        steady = clock if isinstance(clock, SteadyClock) else SteadyClock(clock)
        self.store: Store = store or SqliteStore(path / DATABASE, clock=steady)
        self._clock = steady
        self._log = log
        self._lock = HomeLock(path / LOCK)
        workers = self.home.settings.workers
        self._dispatcher: Dispatcher = dispatcher or LocalDispatcher(workers.polls, workers.runs, steady)
        self._batch = max(1, workers.polls // 2)  # polls handed out at once while more are due than there is room for
        self._crowded = False
        self._budgets = SqliteBudgetStore(path / FILE, steady, lambda why: log("budget_not_shared", why))
        tokens = TokenStore.of_home(path, clock)
        self._stopping = threading.Event()
        patience = Patience(stopping=self._stopping)
        self._clients = Clients(self.home.connections, steady, self.home.settings, tokens, self._budgets, patience)
        self._leases = LeaseKeeper(self.store, steady, log)
        self._supervisor = Supervisor(log, workers.runs)
        self._chores = Chores(log)
        self._workload = Workload(steady, workers.polls, workers.runs)
        held, lost = self._leases.held_since, self._supervisor.lost
        progress = self._progress = Progress(self._workload, held, lost, self._chores.late, steady, log)
        refused, stalled = lambda: self._refused, progress.attention
        self._checkup = Checkup(lambda: self.home, self.store, steady, self._idle_s, refused, stalled)
        self._serving = Serving(self._checkup, self._clients, steady, log)
        self._mender = Mender(self.store, self._clients, steady, log)
        self._short_way = ShortWay(self._dispatcher, self._leases)
        self._engine = Engine(self.home, self.store, self._clients, steady, log, self._short_way)
        self._echoes = self._engine.echoes
        self._feeder = Feeder(lambda: self.home, self.store, steady, log)
        self._alerts = Alerts(self.store, self._feeder, log)
        self._runner = self._make_runner()
        self._wake = threading.Event()
        self._stop_by: float | None = None  # elapsed seconds; work under way at that moment is given up
        self._looped = threading.Event()  # set while `loop` does not run
        self._looped.set()
        self._reloading = threading.Lock()
        self._clock_changes = ClockChanges(lambda: self.home, self.store, steady, log)
        self._retention = Retention(self.store, steady, lambda: self.home.settings.retention)
        self._watcher: FileWatch | None = None
        self._started_at: datetime | None = None
        self._turned = clock.monotonic()  # when the last turn began
        self._refused: str | None = None  # why changed files could not be taken over
        self._outdated = False  # whether changed files are still to be taken over
        self._considered = self.home.connections  # those of which paused ones were tried since they changed
        self._renamed = 0  # how often something was renamed
        self.polls = 0

    # beginning and end

    def start(self, *, watch_files: bool = True) -> None:
        """Lock the home, open the store, take up what an earlier process left.

        Raises StateError, HomeLockedError, and CannotListen.
        """
        self._lock.acquire()
        try:
            self._serving.listen(self.home.settings.serve.listen)
            self.store.open()
            info = self.store.daemon_info() or {}
            before, gap = self._clock.resume_from(info)
            self._started_at = wall(self._clock)
            self._retention.begin(info.get("witnessed_s"), gap)
            self._sync(self.home)
            self._clock_changes.begin(before)
            self._mender.begin(self.home.connections)
            self._beat()  # before any work: a process that is killed at once still passes its timeline on
            self._chores.guarded(self._feeder.feed_kept)()
        except BaseException:
            self._serving.close()
            self._lock.release()
            raise
        self._dispatcher.start(Handlers(self._poll, self._run, self._worker_failed))
        self._leases.start()
        self._start_housekeeping()
        if watch_files:
            self._watcher = FileWatch(self.path, lambda: self.reload(), self._stopping, self._log)
            self._watcher.start()
        self._turned = self._clock.monotonic()
        self._serving.begin()
        count = len(self.home.triggers)
        self._log("daemon_started", f"watching {count} trigger{'s' * (count != 1)} in {self.path}", pid=os.getpid())

    def loop(self) -> None:
        """Take turns until `stop` is called. A turn that fails is repeated after a pause, whatever it failed of."""
        self._looped.clear()
        failures = 0
        try:
            while not self._stopping.is_set():
                try:
                    nap = self.turn(self._clock.now())
                except Exception as error:
                    self._progress.turned(error)
                    self._wait_after(error, failures)
                    failures += 1
                    continue
                self._progress.turned()
                failures = 0
                if self._clock.wait(nap, self._wake):
                    self._wake.clear()
        finally:
            self._looped.set()

    def _wait_after(self, error: Exception, failures: int) -> None:
        """Say that a turn failed, and wait before the next: longer each time, and no worker's end cuts it short."""
        pause = min(LONGEST_PAUSE_S, SHORTEST_PAUSE_S * 2 ** min(failures, 30))
        word = "state_failed" if isinstance(error, StateError) else "turn_failed"
        self._log(word, f"{described(error).rstrip('.')}; trying again in {pause:.0f} seconds")
        self._clock.wait(pause, self._stopping)

    def turn(self, now: datetime) -> float:
        """Claim what is due at ``now`` and hand it out; how many seconds there are until the next look."""
        self._turned = self._clock.monotonic()
        self._follow_wall_clock()
        free_polls, free_runs = self._dispatcher.free()
        runs = self.store.claim_runs(now, free_runs, LEASE) if free_runs else []
        for run in runs:
            self._leases.hold(run.claimed_as)
        for run in runs:
            self._dispatcher.submit_run(run)
        self._short_way.open = len(runs) < free_runs
        self._hand_out_polls(now, free_polls)
        self._alerts.tell()
        return self._nap(now)

    def _follow_wall_clock(self) -> None:
        """Where the wall clock was set, commands beside this daemon learn it at once."""
        if self._clock_changes.look():
            self._beat()

    def _idle_s(self) -> float:
        """Seconds since the last turn began."""
        return self._clock.monotonic() - self._turned

    def _hand_out_polls(self, now: datetime, free: int) -> None:
        """Where more is due than there is room for, it goes on in batches: a claim is a write to disk."""
        if self._crowded and free < self._batch:
            return
        polls = self.store.claim_due(now, free, LEASE) if free else []
        self._crowded = len(polls) == free
        for claimed in polls:
            self._leases.hold(claimed.claimed_as)
        for claimed in polls:
            self._dispatcher.submit_poll(claimed)

    def stop(self) -> None:
        """Ask the loop to end; safe in a signal handler. What is under way has eight seconds from now on."""
        if self._stop_by is None:
            self._stop_by = self._clock.monotonic() + STOP_WITHIN_S
        self._stopping.set()
        self._wake.set()

    def close(self) -> bool:
        """End everything in good order; False if some work did not end in time. It resumes at the next start.

        The home stays locked then until the process ends: a second daemon must not start while threads of this one may
        still have effects.
        """
        self.stop()
        self._chores.stop()
        self._serving.close()
        finished = self._looped.wait(self._time_left())
        finished &= self._dispatcher.stop(self._time_left())
        finished &= self._chores.join(self._time_left()) & self._no_reload(self._time_left())
        self._leases.stop()
        if self._watcher is not None:
            self._watcher.join(self._time_left())
        if self._started_at is not None:
            self._chores.guarded(self._beat)()
        self._clients.close()
        self._budgets.close()
        self.store.close()
        self._supervisor.close()  # last: work that was under way stays as it is stored
        if finished:
            self._lock.release()
        self._log("daemon_stopped", "stopped" if finished else "stopped; unfinished work resumes at the next start")
        return finished

    def _time_left(self) -> float:
        """Seconds that the work under way still has."""
        return max(LEAST_JOIN_S, (self._stop_by or 0.0) - self._clock.monotonic())

    def _no_reload(self, timeout_s: float) -> bool:
        """Wait until no files are being read again; False if that takes too long."""
        free = self._reloading.acquire(timeout=timeout_s)
        if free:
            self._reloading.release()
        return free

    # the config

    def reload(self) -> None:
        """Take over what changed in the files; what is broken stays as it was. Safe from several threads at once.

        If it fails although the files can be used, a chore repeats it until it has succeeded.
        """
        with self._reloading, self._progress.reading():  # one at a time: files that were read later stay
            if self._stopping.is_set():
                return
            refused, outdated = None, False
            try:
                self._reload()
            except ConfigError as error:
                refused = f"the files cannot be used, so nothing was taken over: {error}"
            except Exception as error:
                refused = f"the changed files are not taken over yet, which is tried again: {described(error)}"
                outdated = True
            if refused is not None and refused != self._refused:
                self._log("reload_failed", refused)
            self._refused, self._outdated = refused, outdated

    def _reload(self) -> None:
        """The store takes over the files first, as a whole or not at all, so the home is never ahead of it."""
        home = load_home(self.path, previous=self.home)
        self._sync(home)
        edited = self._clients.replace(home.connections)
        waiting = [trigger_id for trigger_id, each in home.triggers.items() if each.connection in edited]
        if waiting:
            self.store.poll_now(waiting, self._clock.now())
        self.home = self._engine.home = home
        self._runner = self._make_runner()
        self._serving.change(home.settings.serve.listen)
        self._mender.reconsider(self._considered, home.connections)
        self._considered = home.connections
        self.mend()
        self._chores.guarded(self._feeder.feed_kept)()
        for problem in home.problems:
            self._log("problem", str(problem), **problem.as_dict())
        count = len(home.triggers)
        words = f"took over the changed files: {count} trigger{'s' * (count != 1)}"
        self._log("reloaded", words, problems=len(home.problems))
        self._beat()
        self._wake.set()

    def _reload_again(self) -> None:
        if self._outdated:
            self.reload()

    def _sync(self, home: Home) -> None:
        synced = sync(home, self.store, self._clock.now(), self._log)
        self.store.alert_after = home.settings.alert_after
        if synced.plan.adopted or synced.workflows:
            self._echoes.rename({before.id: after.id for before, after in synced.plan.adopted})
            self._renamed += 1

    def _make_runner(self) -> Runner:
        return Runner(
            store=self.store,
            actions=self.home.catalog.actions,
            clients=self._clients,
            connections=self.home.connections,
            environment=self.home.environment,
            settings=self.home.settings,
            clock=self._clock,
            home=self.path,
            log=self._log,
            workflows=self.home.workflows,
            feed=self._feeder.feed,
            watch=self._echoes.watcher,
            tried=self._serving.tried,
            supervisor=self._supervisor,
            under_way=self._workload.step,
        )

    # the work

    def _poll(self, claimed: Claimed) -> None:
        try:
            self._do_poll(claimed)
        except Exception as error:
            reason = error  # the name above ends with this block
            self._leases.give_up(claimed.claimed_as, lambda: self._engine.give_up(claimed, reason))
            raise
        finally:
            self._leases.drop(claimed.claimed_as)

    def _do_poll(self, claimed: Claimed) -> None:
        began, record = self._clock.monotonic(), claimed.record
        readings = 2 if record.baseline_at is None else 1  # as `Finder.allowance` has it
        limit_s = readings * self.home.settings.poll.time.total_seconds()
        with self._workload.worker("poll", record.shown, record.workflow, limit_s):
            outcome = self._engine.poll(claimed, lambda: self._must_stop(claimed.claimed_as))
        self.polls += 1
        self._serving.polled(claimed, outcome, self._clock.monotonic() - began)
        if outcome is Outcome.STORED or (self._crowded and self._dispatcher.free()[0] >= self._batch):
            self._wake.set()

    def _run(self, run: RunRecord) -> None:
        began = self._clock.monotonic()
        try:
            renamed = self._renamed  # after a rename it begins again between two steps, to have its new names
            with self._workload.worker("run", run.id, run.workflow, None):
                state = self._runner.advance(
                    run.id, run.claim, lambda: self._renamed != renamed or self._must_stop(run.claimed_as)
                )
        except Exception as error:
            self._give_up_run(run, described(error))
            raise
        finally:
            self._leases.drop(run.claimed_as)
            self._wake.set()
        self._serving.ran(run, state, self._clock.monotonic() - began)

    def _must_stop(self, claim: Claim) -> bool:
        return self._stopping.is_set() or not self._leases.stands(claim)

    def _give_up_run(self, run: RunRecord, reason: str) -> None:
        """A fault stopped a run: it begins again, or waits for a person if that happens again and again."""

        def end() -> None:
            state = self.store.abandon_run(run.id, run.claim, self._clock.now(), reason)
            if state is not None:
                self._log("run_abandoned", f"run {run.id} is {state}: {reason}", run=run.id, workflow=run.workflow)

        self._leases.give_up(run.claimed_as, end)

    def _worker_failed(self, error: BaseException) -> None:
        self._log("worker_failed", described(error))

    def _nap(self, now: datetime) -> float:
        if self._crowded:  # a worker wakes us when there is room again; it may have looked just before we said so
            return SHORTEST_NAP if self._dispatcher.free()[0] >= self._batch else LONGEST_NAP
        moments = [m for m in (self.store.next_due_after(now), self.store.next_run_after(now)) if m is not None]
        until = min(moments) if moments else now + timedelta(seconds=LONGEST_NAP)
        return min(LONGEST_NAP, max(SHORTEST_NAP, (until - now).total_seconds()))

    # housekeeping

    def _start_housekeeping(self) -> None:
        self._chores.start(
            {self._beat: HEARTBEAT_S, self.mend: MEND_S},
            {self._reload_again: MEND_S, self._reap: REAPER_S, self._retention.prune: RETENTION_S},
        )

    def _beat(self) -> None:
        info = {
            "pid": os.getpid(),
            "started_at": to_text(self._started_at or wall(self._clock)),
            "polls": self.polls,
            "kept": dict(self.home.kept),
            "refused": self._refused,
            "listens": self._serving.url,
            "stopped": self._stopping.is_set(),
            "witnessed_s": self._retention.witnessed_s,
            "stalled": [each.view() for each in self._checkup.own()],
        }
        now = self._clock.now()
        self.store.heartbeat({**info, "steady": to_text(now)}, now + self._clock.offset())

    def mend(self) -> None:
        """Try paused connections whose time has come; a chore of its own thread, and safe beside it."""
        if self._mender.look(self._clock.now()):
            self._wake.set()

    def _reap(self) -> None:
        """Look for work that would sleep for ever. What fails keeps none of the rest back."""
        work = (self._align, self._free_claims, self._feeder.feed_kept, self._wake_sleepers)
        for part in (*work, self._look_for_stalled, self._progress.report):
            self._chores.guarded(part)()

    def _align(self) -> None:
        self._follow_wall_clock()
        if self._clock_changes.align():
            self._wake.set()

    def _free_claims(self) -> None:
        polls, runs = self.store.stale_claims(self._clock.now(), self._leases.held())
        lost = PollError("the poll came to no end, and no worker has it any more")
        ends: list[Callable[[], object]] = [partial(self._engine.give_up, claimed, lost) for claimed in polls]
        ends += [partial(self._give_up_run, run, "no worker has it any more") for run in runs]
        for end in ends:
            self._chores.guarded(end)()
        if ends:
            words = f"{len(polls)} polls and {len(runs)} runs came to no end and begin again"
            self._log("claims_freed", words)
            self._wake.set()

    def _wake_sleepers(self) -> None:
        now = self._clock.now()
        if woken := self.store.wake_sleepers(now):
            self._log("runs_woken", f"{len(woken)} runs waited for nothing and continue: {', '.join(woken[:10])}")
            self._wake.set()
        if asleep := self.store.repair_due(now):
            words = f"{len(asleep)} triggers had no due moment and are polled now: {', '.join(asleep[:10])}"
            self._log("triggers_woken", words)
            self._wake.set()

    def _look_for_stalled(self) -> None:
        self._alerts.look_for_stalled(self._clock.now(), self._clock.offset())
