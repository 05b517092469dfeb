"""The kinds of values that parameters have."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any, Literal

from changewire.secret import Secret
from changewire.values import Json

Kind = Literal["string", "integer", "number", "boolean", "object", "list", "any", "date", "date-time"]

_GROUPED = re.compile(r"\d{3}([ \u00a0-])\d{3,4}\1\d{3,4}")  # as Zoom shows meeting numbers

WANTED = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "list": "a list",
    "date": "a date such as 2026-11-01",
    "date-time": "a moment such as 2026-11-01T08:00:00Z",
}
"""What is asked for, in words; ``any`` is everything, so nothing else is ever asked for."""


def convert(kind: Kind, value: Json) -> Json | None:
    """The value as ``kind``; None where it cannot be one."""
    if kind == "any":
        return value
    if kind == "object":
        return value if isinstance(value, dict) else None
    if kind == "list":
        return value if isinstance(value, list) else None
    if kind == "string":
        return _as_text(value)
    if kind in ("date", "date-time"):
        return _as_moment(value, with_time=kind == "date-time")
    plain = value.reveal() if isinstance(value, Secret) else value
    if kind == "boolean":
        return _as_boolean(plain)
    return _as_number(plain, whole=kind == "integer")


def ungrouped(text: str) -> str:
    """A number in groups, as Zoom shows those of meetings, without what is between them; anything else as it is.

    >>> ungrouped("855 1234 0001"), ungrouped("555-123-4567"), ungrouped("12 34")
    ('85512340001', '5551234567', '12 34')
    """
    found = _GROUPED.fullmatch(text.strip())
    return text.strip().replace(found[1], "") if found else text


def _as_text(value: Json) -> Any:
    if isinstance(value, str | Secret):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def _as_moment(value: Json, *, with_time: bool) -> Json | None:
    """A date, or a moment in UTC as APIs write it; a moment without a time zone stays as it is."""
    text = value.reveal() if isinstance(value, Secret) else value
    try:
        moment = datetime.fromisoformat(text.strip()) if isinstance(text, str) else None
    except ValueError:
        moment = None
    if moment is None:
        return "" if text == "" else None
    if not with_time:
        return (moment.astimezone(UTC) if moment.tzinfo else moment).strftime("%Y-%m-%d")
    if moment.tzinfo is None and len(text.strip()) > 10:
        return text.strip()
    return (moment.astimezone(UTC) if moment.tzinfo else moment).strftime("%Y-%m-%dT%H:%M:%SZ")


def _as_boolean(value: Json) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def _as_number(value: Json, *, whole: bool) -> int | float | None:
    if isinstance(value, str):
        value = ungrouped(value) if whole else value
        try:
            value = int(value) if whole or value.strip().lstrip("+-").isdigit() else float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    if whole and isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value
