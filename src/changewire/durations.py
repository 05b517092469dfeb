"""Durations as people write them: ``30s``, ``5m``, ``1h30m``, ``2d``, ``1w``."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+")
_PART = re.compile(r"(?<!\d)(\d+(?:\.\d+)?)(ms|[smhdw])")


def parse_duration(value: object) -> timedelta:
    """The duration that ``value`` writes; a bare number means seconds. Raises ValueError with what is expected.

    >>> parse_duration("1h30m").total_seconds()
    5400.0
    >>> parse_duration(90).total_seconds()
    90.0
    """
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _positive(float(value), value)
    if isinstance(value, str) and _WHOLE.fullmatch(text := value.replace(" ", "")):
        total = sum(float(n) * _UNITS[u] for n, u in _PART.findall(text))
        return _positive(total, value)
    raise ValueError(f"{value!r} is not a duration: write 30s, 5m, 1h30m, 2d or a number of seconds")


def _positive(total: float, value: object) -> timedelta:
    if not 0 <= total <= 10 * 366 * 86400:
        raise ValueError(f"{value!r} is not a duration between 0 and ten years")
    return timedelta(seconds=total)


def format_duration(delta: timedelta) -> str:
    """The shortest way to write a duration: ``90 s`` becomes ``1m30s``."""
    left = delta.total_seconds()
    parts = []
    for unit in ("d", "h", "m"):
        count, left = divmod(left, _UNITS[unit])
        if count:
            parts.append(f"{int(count)}{unit}")
    if left or not parts:
        parts.append(f"{left:g}s")
    return "".join(parts)
