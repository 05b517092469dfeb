"""Field types of steps: mostly something as it is, or an expression that gives it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainValidator, WithJsonSchema

from changewire.clock import from_text
from changewire.config.fields import DURATION_SCHEMA, Identifier, Text, refused
from changewire.durations import parse_duration
from changewire.templates import has_expression

RESERVED = ("payload", "event", "events", "steps", "run", "connection", "loop", "failure")
"""Names in scope that nobody may take for a value of their own."""
MOST_ITERATIONS = 10_000
_WORDS = ("true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if", "else")  # of Jinja


def _condition(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and not has_expression(value) and value.strip().lower() not in {"true", "false"}:
        text = value.strip()
        message = f"{text!r} is no expression, so it would always be true: write it between {{{{ and }}}}"
        raise refused(message, suggestion=f"{{{{ {text} }}}}") if text else refused("it must not be empty")
    return value


def _items(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, str) and has_expression(value):
        return value
    near = f"{{{{ {value} }}}}" if isinstance(value, str) else None
    raise refused("a list is wanted, or an expression that gives one", code="wrong_type", suggestion=near)


def _duration(value: Any) -> timedelta | str:
    return value if isinstance(value, str) and has_expression(value) else parse_duration(value)


def _moment(value: Any) -> str:
    if isinstance(value, str) and (has_expression(value) or _is_moment(value)):
        return value
    raise refused(f"{value!r} is not a moment: write 2026-12-24, 2026-12-24T18:00:00Z or an expression")


def _is_moment(text: str) -> bool:
    try:
        from_text(text)
    except ValueError:
        return False
    return True


def _times(value: Any) -> int | str:
    if isinstance(value, str) and has_expression(value):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise refused("a whole number is wanted, or an expression that gives one", code="wrong_type")
    if not 0 <= value <= MOST_ITERATIONS:
        raise refused(f"{value} is out of range: 0 to {MOST_ITERATIONS}", code="out_of_range")
    return value


def why_reserved(name: str) -> str | None:
    """Why ``name`` cannot be a name of the workflow's own; None: it can."""
    if name in RESERVED:
        return f"{name!r} is there already, with a meaning of its own: choose another name"
    if name in _WORDS:
        return f"expressions read {name!r} as a word of theirs: choose another name"
    return None


def _own_name(value: str) -> str:
    if (why := why_reserved(value)) is not None:
        raise refused(why, code="reserved")
    return value


_TEXT = {"type": "string"}
_CONDITION = {"type": ["string", "boolean"], "pattern": r"\{[{%]|\$\{|^ *([Tt]rue|[Ff]alse) *$"}
Condition = Annotated[Text, BeforeValidator(_condition), WithJsonSchema(_CONDITION)]
Items = Annotated[str | list[Any], PlainValidator(_items), WithJsonSchema({"type": ["string", "array"]})]
Pause = Annotated[timedelta | str, PlainValidator(_duration), WithJsonSchema(DURATION_SCHEMA)]
Until = Annotated[str, PlainValidator(_moment), WithJsonSchema(_TEXT)]
Times = Annotated[int | str, PlainValidator(_times), WithJsonSchema({"type": ["integer", "string"]})]
OwnName = Annotated[Identifier, AfterValidator(_own_name)]
