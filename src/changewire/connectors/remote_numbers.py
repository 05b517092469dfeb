"""Numbers that servers send, and the bounds within which they are believed: waits, lifetimes, sizes and counts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from changewire.durations import format_duration
from changewire.secret import masked_excerpt

LONGEST_WAIT = timedelta(hours=1)  # after a failure, whatever Retry-After says
LONGEST_RATE_WAIT = timedelta(days=1)  # after a rate error: an allowance may be of a day
LONGEST_TOKEN_S = 365 * 86400.0  # a token that ends earlier is renewed when it is refused
MOST_DIGITS = 18  # of a size or a count: more than any file has
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True)
class Wait:
    """How long a server wants to be left alone."""

    until: datetime
    capped: str | None = None  # what the server said and what is waited instead, in words; None: what it said


def bounded(value: object, otherwise: float, most: float, least: float = 0.0) -> float:
    """Return seconds that a server names, between ``least`` and ``most``; ``otherwise`` if it names no number."""
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return otherwise
    return otherwise if math.isnan(seconds) else min(max(seconds, least), most)


def whole_number(text: str) -> int | None:
    """Return a size or a count that a server names in digits; None if it is none, or larger than anything is."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else None


def retry_after(
    text: str | None,
    now: datetime,
    most: timedelta,
    *,
    offset: timedelta = timedelta(0),
    date: str | None = None,
) -> Wait | None:
    """Return until when a Retry-After header asks to wait, ``most`` at most and never before ``now``.

    It is a number of seconds, an HTTP date or an ISO instant; None: it is none of them. ``offset`` is what the wall
    clock shows less ``now``, ``date`` the Date header: an instant that is past, or more than a day ahead, is measured
    from it, since the wall clock here may be wrong.
    """
    text = (text or "").strip()
    if _NUMBER.fullmatch(text):
        asked = min(float(text[:MOST_DIGITS]), timedelta.max.total_seconds() / 2)
        return _wait(text, timedelta(seconds=asked), now, most)
    instant, sent_at = _instant(text), _instant(date or "")
    if instant is None:
        return None
    if sent_at is None or timedelta(0) <= instant - (now + offset) <= timedelta(days=1):
        sent_at = now + offset
    return _wait(text, instant - sent_at, now, most)


def _wait(text: str, asked: timedelta, now: datetime, most: timedelta) -> Wait:
    if asked <= most:
        return Wait(now + max(asked, timedelta(0)))
    words = f"it asked for a wait of {masked_excerpt(text, 40)!r}, which is cut to {format_duration(most)}"
    return Wait(now + most, f"{words}; `changewire resume` with the name of the trigger ends it")


def _instant(text: str) -> datetime | None:
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(text)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
    return None
