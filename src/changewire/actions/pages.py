"""A list answer read to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from changewire.connectors.definition import Paging
from changewire.connectors.paging import Pages, UnreadableLinkError, follow_link, merge_query
from changewire.errors import ApiError, DelayedError, FailureClass, PollError, ShutdownError, UsageError
from changewire.values import Json, dumps

if TYPE_CHECKING:
    from changewire.clock import Clock
    from changewire.connectors.client import Client
    from changewire.connectors.transport.messages import Answer, Request

MOST_PAGES = 200
PATIENCE_S = 90.0  # a page is waited for so long; some labels are counted by the minute
MOST_BYTES = 64 << 20  # of entries held at once
_TOKEN = Paging(kind="token")
_KINDS: Mapping[str, Paging] = {  # as the table of operations names them
    "token": _TOKEN,
    "unknown": _TOKEN,
    "page": Paging(kind="page_number"),
    "token_or_page": Paging(kind="token_or_page"),
    "camel": Paging(kind="token", token_field="nextPageToken", token_query="pageToken"),
    "start_index": Paging(kind="start_index"),
}
Progress: TypeAlias = Callable[[int, int | None], None]  # entries so far, and how many there are; None: nobody said


@dataclass(frozen=True)
class Reach:
    """How far a list is read."""

    pages: int = MOST_PAGES
    limit: int | None = None  # entries after which it ends; None: all
    progress: Progress | None = None  # told after each page


WHOLE = Reach()


@dataclass(frozen=True)
class Listing:
    """Where the list stands in an answer, and how it goes on."""

    name: str  # of the action, for messages
    field: str | None  # None: the only list in the answer
    paging: Paging
    clock: Clock


def listing(name: str, field: str | None, kind: str | None, client: Client, clock: Clock) -> Listing:
    """``kind`` is the paging of the table of operations; None: the connector's own."""
    return Listing(name, field, _KINDS.get(kind or "", client.connector.paging), clock)


def read_all_pages(which: Listing, request: Request, client: Client, deadline: float, reach: Reach = WHOLE) -> Json:
    """The first page with the list of all pages in it. An entry that slid onto a later page is there once.

    Raises ApiError, and UsageError where there is more than is read.
    """
    try:
        return _joined(which, request, client, deadline, reach)
    except ApiError as error:
        if error.reason != "dead_page_token":
            raise
    return _joined(which, request, client, deadline, reach)


def _joined(which: Listing, request: Request, client: Client, deadline: float, reach: Reach) -> Json:
    rows, first, field = _Rows(which.name), None, which.field
    for answer, name in _answers(which, request, client, deadline, reach.pages):
        if name is None:
            return answer.data
        page = answer.data
        first = page if first is None else first
        field = name
        rows.add(page[name], page.get("total_records", page.get("totalResults")))
        if reach.progress is not None:
            reach.progress(len(rows.once), rows.total)
        if reach.limit is not None and len(rows.once) >= reach.limit:
            break
        if rows.size > MOST_BYTES:
            raise UsageError(f"{which.name}: the list is longer than {MOST_BYTES >> 20} MiB; ask for less")
    assert first is not None
    assert field is not None
    token = which.paging.token_field
    ended = {token: ""} if token in first else {}
    return {**first, field: rows.entries()[: reach.limit], **ended}


def _content(name: str, entry: Json) -> bytes:
    """What an entry is recognised by. Raises ApiError (broken) if it is nested too deeply to be kept."""
    try:
        return dumps(entry)
    except TypeError:
        raise ApiError(f"{name}: an entry of the list is nested too deeply to be kept", FailureClass.BROKEN) from None


class _Rows:
    """The entries of all pages. Those of one page may be alike; one that is on a later page as well mostly slid there,
    and it did not where there are just as many as the API says.
    """

    def __init__(self, name: str) -> None:
        self._name = name  # of the action, for messages
        self.once: list[Json] = []
        self.total: int | None = None  # None: the API did not say
        self.size = 0  # bytes
        self._all: list[Json] = []
        self._pages: dict[bytes, int] = {}  # where each was first
        self._page = 0

    def add(self, entries: list[Json], total: Json) -> None:
        """One more page."""
        self.total = total if isinstance(total, int) else None
        self._page += 1
        for entry in entries:
            self.size += len(key := _content(self._name, entry))
            if self._pages.setdefault(key, self._page) == self._page:
                self.once.append(entry)
            self._all.append(entry)

    def entries(self) -> list[Json]:
        """In their order."""
        return self._all if len(self._all) == self.total else self.once


def _answers(
    which: Listing, request: Request, client: Client, deadline: float, most: int
) -> Iterator[tuple[Answer, str | None]]:
    """Page after page, with the field that holds its list; None where the answer is no list that comes in pages."""
    pages = Pages(which.paging)
    for _ in range(most):
        answer = _patiently(which, request, client, deadline)
        name = which.field or _only_list(answer.data)
        if name is None:
            yield answer, None
            return
        entries = _entries(which, answer.data, name)
        yield answer, name
        try:
            more = pages.next_query(answer.data, answer.body, answer.headers, len(entries))
            if more is None:
                return
            if isinstance(more, str):
                request = follow_link(request, answer.url, more)
            else:
                request = replace(request, query=merge_query(request.query, more))
        except PollError as error:
            words = str(error) if isinstance(error, UnreadableLinkError) else "the same page comes again and again"
            raise ApiError(f"{which.name}: {words}", FailureClass.BROKEN) from None
    raise UsageError(f"{which.name}: more than {most} pages; ask for less or set all_pages: false")


def _patiently(which: Listing, request: Request, client: Client, deadline: float) -> Answer:
    """The answer, also where the budget makes it wait: what was read so far would have to be read again."""
    while True:
        try:
            return client.send(request, deadline=deadline)
        except ShutdownError:
            raise
        except DelayedError as error:
            wait = max(0.1, (error.until - which.clock.now()).total_seconds())
            if wait > PATIENCE_S or which.clock.monotonic() + wait > deadline:
                raise
            client.wait(wait)


def _entries(which: Listing, data: Any, field: str) -> list[Json]:
    if not isinstance(data, dict) or not isinstance(data.get(field), list):
        raise ApiError(f"{which.name}: the answer has no list {field!r}", FailureClass.BROKEN)
    entries: list[Json] = data[field]
    return entries


def _only_list(data: Any) -> str | None:
    lists = [name for name, value in data.items() if isinstance(value, list)] if isinstance(data, dict) else []
    return lists[0] if len(lists) == 1 else None
