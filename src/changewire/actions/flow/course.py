"""What the kinds of steps ask of the walk that they are part of, and the walk of its runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from changewire.clock import Clock
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.actions.context import ActionContext, Origin
    from changewire.actions.definition import ActionType
    from changewire.actions.flow.frame import Frame
    from changewire.config.steps import ActionStep, Step
    from changewire.config.workflows import Workflow
    from changewire.errors import CredentialError
    from changewire.state.protocol import Store
    from changewire.state.records import AttemptRecord, EventRecord, PauseKind, PauseRecord


class Supplies(Protocol):
    """Everything from outside that a run needs."""

    store: Store
    clock: Clock

    def workflow(self, version: str, name: str) -> Workflow:
        """The workflow ``name`` as it was in a version. Raises ConfigError, StateError."""

    def pin(self, name: str) -> str:
        """The present version of a workflow, stored so that it can be gone on with. Raises UsageError."""

    def action(self, use: str) -> ActionType:
        """The action type of that name. Raises UsageError with the nearest one."""

    def usual_connection(self, workflow: Workflow, event: EventRecord) -> str | None:
        """The connection of the trigger that an event came from; None where it cannot be told any more."""

    def timeout(self, step: ActionStep) -> timedelta:
        """How long one attempt of a step may take. Raises UsageError."""

    def prepare(
        self,
        step: ActionStep,
        key: str,
        scope: Mapping[str, Any],
        usual: str | None,
        allowed: timedelta,
        *,
        origin: Origin,
        look_first: bool = True,
    ) -> tuple[ActionType, dict[str, Json], ActionContext]:
        """Everything that one attempt of a step needs. Raises ChangewireError or ValueError where it cannot be had.

        ``key`` is its idempotency key, ``usual`` the connection where it names none, ``allowed`` its time.
        ``look_first``: an earlier attempt may have done it.
        """

    def under_way(self, attempt: AttemptRecord, workflow: str, allowed: timedelta) -> AbstractContextManager[None]:
        """Note that an attempt is under way, as long as this lasts."""

    def tried(self, attempt: AttemptRecord) -> None:
        """An attempt to do something came to its end; it is not stored yet."""

    def pause_of(self, kind: PauseKind, name: str) -> PauseRecord | None:
        """What is paused of that name; None: it is not."""

    def refused(self, error: CredentialError, run_id: str) -> PauseRecord:
        """Pause a connection that a step of the run found refused."""

    def mended(self, connection: str) -> None:
        """A paused connection answered the run that was let through as a trial: what waited for it goes on."""


class Course(Protocol):
    """The walk through one run."""

    runner: Supplies
    clock: Clock

    def block(self, steps: Sequence[Step], place: str, frame: Frame) -> Json:
        """Do steps one after the other; the output of the last one, None where there is none. Raises Ended."""

    def check_halt(self, frame: Frame) -> None:
        """Raises Interrupted if the process is to stop, or a step ended the run."""

    def go_on(self, frame: Frame) -> None:
        """Called before anything new is done. Raises Interrupted, or Failed where the run's time is over."""

    def time_left(self, wanted: timedelta, frame: Frame) -> timedelta:
        """How long an attempt may take that may take ``wanted`` by itself."""
