"""What the expressions of a step can see. Never a secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from changewire.clock import to_text
from changewire.secret import masked_excerpt
from changewire.templates import names_used, text_of
from changewire.values import Json, make_id

if TYPE_CHECKING:
    from changewire.state.records import AttemptRecord, EventRecord, RunRecord


class Outputs(dict[str, Json]):
    """Outputs of steps by id; ``steps[0]`` is the first step's of the workflow, whether it has an id or not."""

    def __init__(self, outer: Outputs | None = None) -> None:
        super().__init__(outer or {})
        self.by_number: dict[int, Json] = outer.by_number if outer is not None else {}

    def __missing__(self, key: object) -> Json:
        if isinstance(key, int) and key in self.by_number:
            return self.by_number[key]
        raise KeyError(key)


def step_key(run_id: str, address: str, failed: AttemptRecord | None = None) -> str:
    """The idempotency key of a step: the same for every attempt.

    ``failed``: for a step of ``on_failure`` what it is about; what is told of another failure is not done already.
    """
    about = () if failed is None else (failed.address, str(failed.attempt))
    return make_id("key", run_id, address, *about)


def build_scope(
    run: RunRecord,
    event: EventRecord,
    *,
    connection: str | None,
    steps: Outputs | None = None,
    address: str | None = None,
    failed: AttemptRecord | None = None,
    events: Sequence[EventRecord] = (),
) -> dict[str, Any]:
    """The scope of a workflow's ``when`` (without ``address``), of a step, or of an on_failure step.

    ``failed`` is what a step of ``on_failure`` is about.
    ``events`` are those of a batch, oldest first; none: ``event`` alone.
    """
    scope: dict[str, Any] = {
        "payload": event.payload,
        "event": _facts(event),
        "events": [{**_facts(one), "payload": one.payload} for one in events or (event,)],
        "steps": steps if steps is not None else Outputs(),
        "run": {"id": run.id, "workflow": run.workflow},
        "connection": {"name": connection},
    }
    if address is not None:
        scope["run"]["idempotency_key"] = step_key(run.id, address, failed)
    if failed is not None:
        scope["failure"] = failure_facts(failed)
    return scope


def _facts(event: EventRecord) -> dict[str, Json]:
    return {
        "id": event.id,
        "type": event.type,
        "event_type": event.event_type,
        "key": event.key,
        "detected_at": to_text(event.detected_at),
        "changes": event.changes,
        "backfill": event.backfill,
        "hops": event.hops,
    }


def failure_facts(attempt: AttemptRecord) -> dict[str, Json]:
    """What ``failure`` is in expressions."""
    facts = {"message": attempt.error, "class": attempt.error_class, "step": attempt.address}
    return {**facts, "use": attempt.use, "attempt": attempt.attempt}


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
    return masked_excerpt(text, 100, "...")
