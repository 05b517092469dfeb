"""Date windows: which spans to ask for, so that nothing falls between them and none is longer than the API serves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from changewire.triggers.definition import Window

CATCH_UP = timedelta(days=3)
"""After a downtime, how far before the last good poll to look again: what began then may have been finished since."""


def spans(
    window: Window, now: datetime, last_ok: datetime | None, since: datetime | None = None
) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """The query parameters of each request, newest span first.

    Every poll looks back by the window's ``lookback``; further when the last good poll (None: there was none) or
    ``since`` lies before that; never beyond the API's ``reach``. Spans share a day, for nobody says whether ends count.
    """
    begin = now - window.lookback
    if last_ok is not None:
        begin = min(begin, last_ok - CATCH_UP)
    if since is not None:
        begin = min(begin, since)
    begin = max(begin, now - window.reach)
    end = now + timedelta(days=1) if window.format == "date" else now  # moments to come are refused by some
    found = []
    while True:
        start = max(begin, end - window.longest)
        found.append(((window.start, _text(start, window)), (window.end, _text(end, window))))
        if start <= begin:
            return found
        end = start + min(timedelta(days=1), window.longest / 2)


def _text(moment: datetime, window: Window) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d" if window.format == "date" else "%Y-%m-%dT%H:%M:%SZ")
