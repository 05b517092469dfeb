"""From one page to the next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

from changewire.connectors.definition import Paging
from changewire.connectors.remote_numbers import whole_number
from changewire.connectors.transport.addresses import join_url, same_place, split_url
from changewire.connectors.transport.messages import Request
from changewire.errors import ApiError, PollError
from changewire.paths import MISSING, get, parse_path
from changewire.values import Json, digest, scalar_text

Headers: TypeAlias = Mapping[str, str]
N = TypeVar("N")
_RELATION = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))', re.IGNORECASE)


class UnreadableLinkError(PollError):
    """The address of the next page is none."""


@dataclass
class Pages:
    """Where a listing stands. One object reads one listing once; a restart makes a new one."""

    paging: Paging
    page: int = 1  # the number of the page that is being read
    count: int = 0  # how many items were read
    seen: set[str] = field(default_factory=set)  # all tokens so far: some servers go round in circles
    by_token: bool = False  # a token was there, so the page after which there is none is the last

    def next_query(
        self, data: Json, body: bytes, headers: Headers, count: int
    ) -> tuple[tuple[str, str], ...] | str | None:
        """What the next request must send besides its own query, or its whole URL; None after the last page.

        ``data``, ``body`` and ``headers`` are the answer's, ``count`` how many items it held. Raises PollError on a
        page that was there before.
        """
        more = self._next(data, body, headers, count)
        self.page += more is not None
        return more

    def _next(self, data: Json, body: bytes, headers: Headers, count: int) -> tuple[tuple[str, str], ...] | str | None:
        kind = self.paging.kind
        if kind == "link":
            target = next_link(headers)
            return None if target is None else self._once(target)
        if kind in ("token", "token_or_page"):
            token = self._token(data)
            if token:
                self.by_token = True
                return ((self.paging.token_query, self._once(token)),)
            if kind == "token" or self.by_token:
                return None
        if kind == "next_url":
            target = self._token(data)
            return self._once(target) if target else None
        if kind == "offset":
            return self._next_offset(data, body, count)
        if kind == "start_index":
            return self._next_start(data, count)
        return self._next_number(data, body, count) if kind in ("page_number", "token_or_page") else None

    def _token(self, data: Json) -> str:
        found = get(data, parse_path(self.paging.token_field))
        if not found or found is MISSING:
            return ""  # null, false and 0 are how an end is told
        token = scalar_text(found)
        if token is None:
            name = self.paging.token_field
            raise PollError(f"{name!r} in the answer is neither text nor a number, so the next page is unknown")
        return token

    def _next_number(self, data: Json, body: bytes, count: int) -> tuple[tuple[str, str], ...] | None:
        total = _number(get(data, parse_path(self.paging.count_field)), None)
        if count == 0 if total is None else self.page >= total:
            return None
        self._once(digest(body))  # a server that does not know the parameter gives its first page for ever
        return ((self.paging.page_query, str(self.page + 1)),)

    def _next_offset(self, data: Json, body: bytes, count: int) -> tuple[tuple[str, str], ...] | None:
        self.count += count
        if count == 0 or self.count >= _number(get(data, parse_path(self.paging.count_field)), self.count + 1):
            return None
        self._once(digest(body))
        return ((self.paging.page_query, str(self.count)),)

    def _next_start(self, data: Json, count: int) -> tuple[tuple[str, str], ...] | None:
        """https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.4: the number of the first entry, from 1."""
        start, total = (get(data, parse_path(name)) for name in ("startIndex", "totalResults"))
        after = (start if isinstance(start, int) else 1) + count
        if count == 0 or not isinstance(total, int) or after > total:
            return None
        return (("startIndex", self._once(str(after))),)

    def _once(self, token: str) -> str:
        if token in self.seen:
            raise PollError(
                "the source repeats a page that it gave before, so its list has no end; nothing was changed"
            )
        self.seen.add(token)
        return token


def _number(told: Json, otherwise: N) -> int | N:
    """A count that an answer tells, as a number or as text; ``otherwise`` where it tells none."""
    if isinstance(told, str) and (number := whole_number(told)) is not None:
        return number
    return told if isinstance(told, int) else otherwise


def next_link(headers: Headers) -> str | None:
    """https://www.rfc-editor.org/rfc/rfc8288: the target whose relation is "next"; None where there is none."""
    for part in re.split(r",\s*(?=<)", headers.get("Link") or headers.get("link") or ""):
        target = re.match(r"\s*<([^>]*)>(.*)", part)
        relation = _RELATION.search(target[2]) if target else None
        if target and relation and "next" in (relation[1] or relation[2]).lower().split():
            return target[1]
    return None


def merge_query(query: tuple[tuple[str, str], ...], more: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """``query`` with the names in ``more`` set to their new values."""
    names = {name for name, _ in more}
    return (*((name, value) for name, value in query if name not in names), *more)


def follow_link(request: Request, url: str, target: str) -> Request:
    """Return the request for the next page that the answer from ``url`` names. Raises UnreadableLinkError.

    Another origin than the connection's gets neither credentials nor headers. A server behind a proxy often takes
    itself for one without TLS; it is asked as before.
    """
    try:
        origin, place = split_url(join_url(url, target))
    except ApiError as error:
        raise UnreadableLinkError(
            f"the address of the next page cannot be read: {error}; nothing was changed"
        ) from None
    if origin.startswith("http://") and same_place(origin, split_url(url)[0]):
        origin = split_url(url)[0]
    return replace(request, path=origin + place, query=(), linked=True)
