"""The runner: what every run needs to go on, and the way into it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from changewire.actions.calling import check_inputs, choose_connection
from changewire.actions.context import ActionContext, Feed, Log, Origin, WatchWrites
from changewire.actions.definition import encoded_names
from changewire.actions.flow.ledger import Ledger
from changewire.actions.flow.progress import Progress
from changewire.actions.flow.sleeping import Asleep
from changewire.actions.flow.walk import Walk
from changewire.actions.inputs import resolve, revealed
from changewire.clock import Clock, wall
from changewire.config.workflows import workflow_from_text
from changewire.errors import ConfigError, FencedError, UsageError, nearest
from changewire.state import pauses
from changewire.state.records import (
    AttemptRecord,
    EventRecord,
    PauseCause,
    Paused,
    PauseKind,
    PauseRecord,
    RunRecord,
    RunState,
)
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.actions.definition import ActionType
    from changewire.actions.supervisor import Supervisor
    from changewire.actions.whole import Actions
    from changewire.config.connections import Connection
    from changewire.config.environment import Environment
    from changewire.config.settings import Settings
    from changewire.config.steps import ActionStep
    from changewire.config.workflows import Workflow, WorkflowFile
    from changewire.connectors.client import Client
    from changewire.connectors.clients import Clients
    from changewire.errors import CredentialError
    from changewire.state.protocol import Store


UnderWay = Callable[[str, str, str, float], AbstractContextManager[None]]
"""Notes a step: id of the run, workflow, step in words, seconds that it may take."""


class Runner:
    """Carries runs on. Thread-safe; never changed: a changed configuration gets a new one.

    ``workflows`` are those that steps may call, by name; None: there are none. ``feed`` takes what steps raise; None:
    nobody watches for it. ``watch`` says who is told of what steps write; None: nobody. ``tried`` is told of each
    attempt that came to its end; None: nobody is. ``supervisor`` runs the code of actions; None: it runs in the thread
    of the run, without a limit that holds. ``under_way`` notes each attempt as long as it lasts; None: nothing does.
    """

    def __init__(
        self,
        *,
        store: Store,
        actions: Actions,
        clients: Clients,
        connections: Mapping[str, Connection],
        environment: Environment,
        settings: Settings,
        clock: Clock,
        home: Path,
        log: Log,
        workflows: Mapping[str, WorkflowFile] | None = None,
        feed: Feed | None = None,
        watch: WatchWrites | None = None,
        tried: Callable[[AttemptRecord], None] | None = None,
        supervisor: Supervisor | None = None,
        under_way: UnderWay | None = None,
    ) -> None:
        self.store, self.clock, self.log = store, clock, log
        self._actions, self._connections, self._clients = actions, connections, clients
        self._environment, self._settings, self._home = environment, settings, home
        self._workflows, self._feed, self._watch = workflows or {}, feed, watch
        self._tried, self._supervisor, self._under_way = tried, supervisor, under_way
        self._asleep = Asleep()
        self._read = functools.lru_cache(256)(self._read_workflow)

    def advance(self, run_id: str, claim: int, stopping: Callable[[], bool] = lambda: False) -> RunState | None:
        """Carry a claimed run on until it is done, waits, or ``stopping`` says so between two steps.

        Returns the state it was left in; None where the claim no longer stood, and then nothing more was stored. Raises
        StateError when the store fails; the run goes on once its lease has passed.
        """
        run, event, progress = self._load(run_id)
        try:
            if run.claim != claim:
                raise FencedError
            events = self.store.run_events(run_id) if run.batch_max is not None else ()
            if damaged := _damage(run, (event, *events), progress):
                advice = f"restore a backup, or `changewire cancel {run_id}`"
                reason = f"what is stored of it is damaged ({damaged}): {advice}"
                return Ledger(self.store, self.clock, run_id, claim, progress).leave(RunState.PAUSED, reason)
            try:
                workflow = self.workflow(run.version, run.workflow)
            except ConfigError as error:
                reason = f"the workflow as it was stored cannot be used: {error}"
                return Ledger(self.store, self.clock, run_id, claim, progress).leave(RunState.PAUSED, reason)
            walk = Walk(self, run, event, progress, workflow, claim, events)
            state = walk.go(stopping)
            if state is RunState.WAITING:
                self._asleep.keep(run, progress)
        except FencedError:
            cancelled = self.store.load_run(run_id)[0].state is RunState.CANCELLED
            what = "was cancelled; what it did stays done" if cancelled else "was taken over in the meantime"
            self.log("run_fenced", f"run {run_id} {what}", run=run_id)
            return None
        told = f"run {run_id} is {state}" + (f": {walk.advice}" if walk.advice else "")
        self.log("run_left", told, run=run_id, workflow=run.workflow, state=str(state))
        return state

    def _load(self, run_id: str) -> tuple[RunRecord, EventRecord, Progress]:
        if (known := self._asleep.take(run_id)) is not None:
            run, event, _ = self.store.load_run(run_id, attempts=False)
            if known.claims == run.claims - 1:  # else somebody else had the run since it was left here
                return run, event, known.progress
        run, event, attempts = self.store.load_run(run_id)
        return run, event, Progress(attempts, run.resumes)

    def workflow(self, version: str, name: str) -> Workflow:
        """The workflow ``name`` as it was in a version. Raises ConfigError, StateError."""
        return self._read(version, name)

    def _read_workflow(self, version: str, name: str) -> Workflow:
        return workflow_from_text(self.store.load_version(version), self._environment, name)

    def pin(self, name: str) -> str:
        """The present version of a workflow, stored so that it can be gone on with. Raises UsageError."""
        if name not in self._workflows:
            hint = f"; did you mean {near!r}?" if (near := nearest(name, self._workflows)) else ""
            raise UsageError(f"call: there is no workflow {name!r} that can be used{hint}")
        file = self._workflows[name]
        self.store.save_version(file.version, file.text)
        return file.version

    def action(self, use: str) -> ActionType:
        """The action type of that name. Raises UsageError with the nearest one."""
        if use not in self._actions:
            hint = f"; did you mean {near!r}?" if (near := self._actions.near(use)) else ""
            raise UsageError(f"there is no action {use!r}{hint}")
        return self._actions[use]

    def usual_connection(self, workflow: Workflow, event: EventRecord) -> str | None:
        """The connection of the trigger that an event came from; None where it cannot be told any more."""
        name = event.trigger.rpartition("/")[2]
        connector = event.type.partition(".")[0]
        for trigger in workflow.triggers:
            if trigger.name == name and trigger.connection is not None:
                return trigger.connection
        fitting = [one for one, made in self._connections.items() if made.connector == connector]
        return fitting[0] if len(fitting) == 1 else None

    def prepare(
        self,
        step: ActionStep,
        key: str,
        scope: Mapping[str, Any],
        usual: str | None,
        allowed: timedelta,
        *,
        origin: Origin | None = None,
        look_first: bool = True,
    ) -> tuple[ActionType, dict[str, Json], ActionContext]:
        """Everything that one attempt of a step needs. Raises ChangewireError or ValueError where it cannot be had.

        ``key`` is its idempotency key, ``usual`` the connection where it names none, ``allowed`` its time, ``origin``
        where it stands.
        ``look_first`` is what `changewire.actions.flow.effects.must_look` says of the step's earlier attempts.
        """
        action = self.action(step.use)
        addresses = encoded_names(action, step.parameters)
        values = check_inputs(action, resolve(step.parameters, scope, self._environment, addresses))
        named = revealed(values.get("connection"))
        name = choose_connection(action, named, usual, self._connections)
        context = ActionContext(
            home=self._home,
            client=None if name is None else self._client(name, origin),
            clients=self._clients,
            clock=self.clock,
            deadline=self.clock.monotonic() + allowed.total_seconds(),
            idempotency_key=key,
            log=self.log,
            settings=self._settings,
            written=step.parameters,
            environment=self._environment,
            origin=origin,
            feed=self._feed,
            look_first=look_first,
            supervisor=self._supervisor,
        )
        return action, values, context

    def _client(self, name: str, origin: Origin | None) -> Client:
        client = self._clients.get(name)
        watcher = None if origin is None or self._watch is None else self._watch(origin, name)
        return client if watcher is None else client.watched(watcher)

    def tried(self, attempt: AttemptRecord) -> None:
        """An attempt to do something came to its end; it is not stored yet."""
        if self._tried is not None:
            self._tried(attempt)

    def under_way(self, attempt: AttemptRecord, workflow: str, allowed: timedelta) -> AbstractContextManager[None]:
        """Note that an attempt is under way, as long as this lasts."""
        if self._under_way is None:
            return nullcontext()
        step = f"{attempt.address} ({attempt.use})"
        return self._under_way(attempt.run_id, workflow, step, allowed.total_seconds())

    def pause_of(self, kind: PauseKind, name: str) -> PauseRecord | None:
        """What is paused of that name; None: it is not."""
        return next((one for one in self.store.pauses() if (one.kind, one.name) == (kind, name)), None)

    def refused(self, error: CredentialError, run_id: str) -> PauseRecord:
        """Pause a connection that a step of the run found refused."""
        now = self.clock.now()
        record = pauses.refusal(error, wall(self.clock), trial=run_id)
        if self.store.pause(record, now) is Paused.NEW:
            self.log("connection_paused", pauses.told(record), connection=record.name, next=record.advice)
        return record

    def mended(self, connection: str) -> None:
        """A paused connection answered the run that was let through as a trial: what waited for it goes on."""
        self.store.lift(PauseKind.CONNECTION, connection, self.clock.now(), cause=PauseCause.CREDENTIAL)
        words = f"connection {connection!r} is accepted again: what waited for it goes on"
        self.log("connection_mended", words, connection=connection)

    def timeout(self, step: ActionStep) -> timedelta:
        """How long one attempt of a step may take: what it says, else what its action says."""
        return step.timeout or self.action(step.use).spec.timeout


def _damage(run: RunRecord, events: Sequence[EventRecord], progress: Progress) -> str:
    """Name what is stored of a run, cannot be read, and decides how the run continues; empty: nothing."""
    found = [f"run: {name}" for name in run.damaged if name in ("lane", "state")]
    found += [f"event {event.id}: {name}" for event in events for name in event.damaged if name != "detected_at"]
    found += [f"{row.address}: {name}" for row in progress.damaged for name in row.damaged]
    return ", ".join(dict.fromkeys(found))
