"""``error_when`` of a connection: good answers that say inside that something went wrong."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator

from changewire.config.fields import Strict, Text, refused
from changewire.templates import Templates, has_expression

_TEMPLATES = Templates()
ErrorClass: TypeAlias = Literal[
    "transient", "rate", "credential", "scope", "plan", "gone", "not_yet", "bad_input", "broken"
]


def _expression(value: str) -> str:
    if not has_expression(value):
        raise refused("an expression on `answer` is wanted: write \"{{ answer.status != 'ok' }}\"")
    for _, message, _ in _TEMPLATES.expression_problems(value):
        raise refused(message)
    return value


def _message(value: str) -> str:
    for _, message, _ in _TEMPLATES.expression_problems(value):
        raise refused(message)
    return value


def _listed(value: Any) -> Any:
    entries = value if isinstance(value, list | tuple) else [value]
    return tuple({"when": one} if isinstance(one, str) else one for one in entries)


class ErrorRule(Strict):
    """When an answer is an error although its status is a good one."""

    when: Annotated[Text, AfterValidator(_expression)]  # sees `answer`, the JSON as it came
    message: Annotated[Text, AfterValidator(_message)] | None = None  # what the API said; may hold expressions
    failure: ErrorClass = "transient"  # which kind of failure it is


ErrorRules: TypeAlias = Annotated[tuple[ErrorRule, ...], BeforeValidator(_listed)]
