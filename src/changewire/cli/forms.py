"""What ``--json`` prints, as models: fields may be added, none is taken away or changes its meaning."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class _Form(BaseModel):
    model_config = ConfigDict(extra="allow")


class ChangeForm(_Form):
    """What changed in one place; null where there was or is nothing."""

    path: str
    old: Any
    new: Any


class EventForm(_Form):
    """One line of ``events --json``."""

    v: int
    id: str
    trigger: str
    type: str
    event_type: str
    key: str
    detected_at: str
    payload: Any
    changes: list[ChangeForm]
    backfill: bool
    hops: int
    cause: str | None


class StepForm(_Form):
    """One step of a run."""

    address: str
    use: str
    state: str
    attempts: int
    output: Any
    error: str | None
    effect: str | None
    input: Any
    response: dict[str, Any] | None
    next: str | None


class RunForm(_Form):
    """One line of ``runs --json``."""

    v: int
    id: str
    workflow: str
    event: str
    replay: int
    state: str
    reason: str | None
    waits_for: str | None
    created_at: str
    finished_at: str | None
    steps: list[StepForm]


class TriggerForm(_Form):
    """One trigger of ``status --json``."""

    name: str
    type: str
    state: str
    next_due: str | None
    last_ok: str | None
    last_event: str | None
    lag_p99_ms: float | None
    error: str | None
    pending: int


class PauseForm(_Form):
    """One pause of ``status --json``."""

    kind: str
    name: str
    cause: str
    since: str
    reason: str
    next: str
    try_at: str | None
    runs: int


class StatusForm(_Form):
    """What ``status --json`` prints."""

    v: int
    triggers: list[TriggerForm]
    pauses: list[PauseForm]
    daemon: dict[str, Any]


class ProblemForm(_Form):
    """One line of ``validate --json``."""

    v: int
    file: str
    line: int
    column: int
    code: str
    message: str
    suggestion: str | None


FORMS: dict[str, type[BaseModel]] = {
    "event": EventForm,
    "run": RunForm,
    "status": StatusForm,
    "problem": ProblemForm,
}
