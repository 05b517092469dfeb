"""Why a walk through the steps of a run ends before their last one. Raised from wherever it is found out."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from changewire.state.records import AttemptRecord, PauseRecord, RunState

if TYPE_CHECKING:
    from changewire.clock import Clock


class Ended(Exception):
    """The walk goes no further for now."""


class Interrupted(Ended):
    """Somebody wants the process to stop, or a parallel iteration ended the run; nothing is wrong with the step."""


class Waits(Ended):
    """A step continues at ``until``, or when the wall clock shows ``moment``."""

    def __init__(self, until: datetime, reason: str, address: str, moment: datetime | None = None) -> None:
        super().__init__(reason)
        self.reason, self.address = reason, address
        self._until, self._moment = until, moment

    def due(self, clock: Clock) -> datetime:
        """When the step continues, as ``clock`` counts: later or earlier than before if the wall clock was set."""
        return self._until if self._moment is None else self._moment - clock.offset()


class Failed(Ended):
    """A step, or the run's time, came to an end that a person must look at."""

    def __init__(self, attempt: AttemptRecord) -> None:
        self.attempt = attempt
        self.reason = attempt.failure
        super().__init__(self.reason)


class Held(Failed):
    """A step needs a connection that is paused. The run goes on from it by itself once that is mended."""

    def __init__(self, attempt: AttemptRecord, pause: PauseRecord) -> None:
        super().__init__(attempt)
        self.pause = pause
        self.reason = f"{attempt.address} ({attempt.use}): connection {pause.name!r} is paused: {pause.reason}"


class Stopped(Ended):
    """A `stop` was reached."""

    def __init__(self, decision: AttemptRecord) -> None:
        self.decision = decision
        self.state = RunState(decision.output["state"])
        self.reason: str = decision.output["reason"] or f"{decision.address} (stop)"
        super().__init__(self.reason)
