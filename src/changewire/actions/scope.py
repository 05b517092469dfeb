"""What the expressions of a step can see. Never a secret."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from changewire.clock import to_text
from changewire.templates import names_used, text_of
from changewire.values import Json, make_id

if TYPE_CHECKING:
    from changewire.config.workflows import Step
    from changewire.state.records import AttemptRecord, EventRecord, RunRecord


class Outputs(dict[str, Json]):
    """Outputs of steps by id; ``steps[0]`` is the first step's, whether it has an id or not."""

    def __init__(self) -> None:
        super().__init__()
        self.by_number: dict[int, Json] = {}

    def __missing__(self, key: object) -> Json:
        if isinstance(key, int) and key in self.by_number:
            return self.by_number[key]
        raise KeyError(key)


def step_key(run_id: str, address: str) -> str:
    """The idempotency key of a step: the same for every attempt."""
    return make_id("key", run_id, address)


def outputs(steps: Iterable[Step], latest: Callable[[str], AttemptRecord | None]) -> Outputs:
    """What the steps gave so far; None for one that was skipped or failed. ``latest`` knows the attempts."""
    found = Outputs()
    for number, step in enumerate(steps):
        attempt = latest(f"steps/{number}")
        if attempt is None:
            continue
        found.by_number[number] = attempt.output
        if step.id is not None:
            found[step.id] = attempt.output
    return found


def build_scope(
    run: RunRecord,
    event: EventRecord,
    *,
    connection: str | None,
    steps: Outputs | None = None,
    address: str | None = None,
    failure: Mapping[str, Json] | None = None,
) -> dict[str, Any]:
    """The scope of a workflow's ``when`` (without ``address``), of a step, or of an on_failure step."""
    scope: dict[str, Any] = {
        "payload": event.payload,
        "event": {
            "id": event.id,
            "type": event.type,
            "event_type": event.event_type,
            "key": event.key,
            "detected_at": to_text(event.detected_at),
            "changes": event.changes,
            "backfill": event.backfill,
        },
        "steps": steps if steps is not None else Outputs(),
        "run": {"id": run.id, "workflow": run.workflow},
        "connection": {"name": connection},
    }
    if address is not None:
        scope["run"]["idempotency_key"] = step_key(run.id, address)
    if failure is not None:
        scope["failure"] = dict(failure)
    return scope


def explain_when(when: str, scope: Mapping[str, Any]) -> str:
    """Why a ``when`` said no: itself, and the values that it looked at."""
    seen = [f"{name} is {_value(name, scope)}" for name in sorted(names_used(when))[:8]]
    return f"when: {' '.join(when.split())} is false" + (f"; {', '.join(seen)}" if seen else "")


def _value(name: str, scope: Mapping[str, Any]) -> str:
    found: Any = scope
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return "not there"
        found = found[part]
    text = repr(found) if isinstance(found, str) else text_of(found) or "null"
    return text if len(text) <= 100 else f"{text[:97]}..."
