"""From one page to the next."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

from changewire.connectors.definition import Paging
from changewire.errors import PollError
from changewire.paths import MISSING, get, parse_path
from changewire.values import Json


@dataclass
class Pages:
    """Where a listing stands. One object reads one listing once; a restart makes a new one."""

    paging: Paging
    page: int = 1
    seen: set[str] = field(default_factory=set)  # all tokens so far: some servers go round in circles

    def next_query(self, data: Json, headers: Any, count: int) -> tuple[tuple[str, str], ...] | str | None:
        """What the next request must send besides its own query, or its whole URL; None after the last page.

        ``data`` and ``headers`` are the answer's, ``count`` how many items it held. Raises PollError on a token that
        was there before.
        """
        token = self._token(data)
        if self.paging.kind in ("token", "token_or_page") and token:
            self._once(token)
            return ((self.paging.token_query, token),)
        if self.paging.kind in ("page_number", "token_or_page"):
            return self._next_number(data, count)
        if self.paging.kind == "link":
            return self._next_link(headers)
        return None

    def _token(self, data: Json) -> str:
        found = get(data, parse_path(self.paging.token_field))
        return "" if found in (MISSING, None) else str(found)

    def _next_number(self, data: Json, count: int) -> tuple[tuple[str, str], ...] | None:
        total = get(data, parse_path(self.paging.count_field))
        last = self.page >= int(total) if str(total).isdigit() else count == 0
        self.page += 1
        return None if last else ((self.paging.page_query, str(self.page)),)

    def _next_link(self, headers: Any) -> str | None:
        """https://www.rfc-editor.org/rfc/rfc8288: the target whose relation is "next"."""
        for part in re.split(r",\s*(?=<)", headers.get("Link") or headers.get("link") or ""):
            target = re.match(r"\s*<([^>]*)>(.*)", part)
            if target and re.search(r';\s*rel\s*=\s*"?([^";]*\s)?next(\s[^";]*)?"?', target[2], re.IGNORECASE):
                self._once(target[1])
                return target[1]
        return None

    def _once(self, token: str) -> None:
        if token in self.seen:
            raise PollError(
                "the source repeats a page that it gave before, so its list has no end; nothing was changed"
            )
        self.seen.add(token)


def merge_query(query: tuple[tuple[str, str], ...], more: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """``query`` with the names in ``more`` set to their new values."""
    names = {name for name, _ in more}
    return (*((name, value) for name, value in query if name not in names), *more)


def resolve_link(url: str, target: str) -> str:
    """The absolute URL of a next page. Raises PollError where it leads to another server: credentials go along."""
    absolute = urllib.parse.urljoin(url, target)
    ours, theirs = urllib.parse.urlsplit(url), urllib.parse.urlsplit(absolute)
    if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
        raise PollError(f"the next page is at {theirs.scheme}://{theirs.netloc}, not at {ours.netloc}: refused")
    return absolute
