"""What the code of an action gets beside its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from changewire.actions.pages import WHOLE, Reach
from changewire.clock import Clock
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.config.settings import Settings
    from changewire.connectors.client import Client, Clients


class Log(Protocol):
    """Where something worth knowing is told: a stable word for it, a sentence, and facts by name."""

    def __call__(self, event: str, message: str, /, **facts: Any) -> None:
        """Tell it."""


@dataclass(frozen=True)
class ActionContext:
    """The surroundings of one attempt."""

    home: Path
    client: Client | None  # of the connection that the step works on; None where it has none
    clients: Clients
    clock: Clock
    deadline: float  # moment of `clock.monotonic` at which the attempt's time is over
    idempotency_key: str  # the same for every attempt of this step
    log: Log
    settings: Settings
    written: Mapping[str, Json] = field(default_factory=dict)  # the parameters before expressions were worked out
    reach: Reach = WHOLE  # how far lists are read that come in pages
    look_first: bool = True  # an action with a probe looks whether it was done; False: this is certainly the first try
