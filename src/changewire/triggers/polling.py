"""One poll: a complete reading of what a trigger watches, all pages or nothing.

Layers of one loop each: lookups around windows around pages around one request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from changewire.clock import Clock
from changewire.connectors.definition import Paging
from changewire.connectors.paging import Pages, follow_link, merge_query, next_link
from changewire.connectors.transport.messages import Answer, Request
from changewire.errors import ApiError, DelayedError, PollError, StoppedError
from changewire.paths import EACH, MISSING, get, parse_path
from changewire.triggers.asking import build_request, main_request
from changewire.triggers.binding import Reader
from changewire.triggers.comparing import Scope
from changewire.triggers.definition import FailureMatch, RequestSpec
from changewire.triggers.expressions import EXPRESSIONS
from changewire.triggers.set_aside import TOO_DEEP, is_storable
from changewire.triggers.windows import spans
from changewire.values import Json, digest

RESTARTS = 2  # how often a listing is begun anew after its page token died
DEAD_TOKEN = "dead_page_token"  # the reason that a connector gives such an error
_TOO_MUCH = (
    "the list does not end within the poll's allowance of {what}, so nothing was taken from it; "
    "watch less or raise `poll: {name}` in config/changewire.yaml"
)
_TOO_SLOW = (
    "the list takes more requests than the budget allows within the poll's time, so nothing was taken from it: {why}; "
    "raise `poll: {{time}}` in config/changewire.yaml, watch less, or poll less often"
)
SHORTEST_WAIT_S = 0.05
LONGEST_WAIT_S = 0.5  # between two looks whether the poll is interrupted
NEVER = -1.0  # an age that no shared answer has: ask anew
ONE_PAGE = Paging(kind="none")


class Source(Protocol):
    """What a poll needs of `changewire.connectors.client.Client`."""

    def send_shared(
        self, request: Request, *, fresh_s: float, deadline: float | None = None, max_bytes: int | None = None
    ) -> Answer:
        """Send a GET, or use the answer that an identical one got a moment ago."""


Interrupted = Callable[[], bool]
"""Whether a poll is to end: the process stops, or the poll lost its claim. Raises StateError."""


def uninterrupted() -> bool:
    """Never: the `Interrupted` of a poll by hand."""
    return False


@dataclass
class Allowance:
    """What one poll may use for everything that it does. A list that needs more is an error, never a shortened list."""

    deadline: float  # monotonic seconds
    clock: Clock
    pages: int = 200  # of one reading of the list
    items: int = 50_000  # of one reading of the list
    bytes: int = 64_000_000
    fresh_s: float = 0.0  # the answer to an identical request for a page may be this old
    answers: int = 0  # received so far
    interrupted: Interrupted = uninterrupted
    waited: DelayedError | None = None  # the budget made the poll wait

    @property
    def time_left(self) -> float:
        """Seconds until the deadline, negative after it."""
        return self.deadline - self.clock.monotonic()

    @property
    def used_up(self) -> bool:
        """Whether nothing more may be requested."""
        return self.time_left <= 0 or self.bytes <= 0 or self.interrupted()

    def wait(self, seconds: float) -> None:
        """Let time pass until the next request. Raises StoppedError soon after an interruption."""
        until = self.clock.monotonic() + seconds
        while (left := until - self.clock.monotonic()) > 0:
            self.go_on()
            self.clock.wait(min(left, LONGEST_WAIT_S))

    def go_on(self) -> None:
        """Called before each request. Raises StoppedError after an interruption."""
        if self.interrupted():
            raise StoppedError

    def spend(self, answer: Answer) -> None:
        """Count an answer about one item."""
        self.answers += 1
        self.bytes -= len(answer.body)

    def spend_page(self, answer: Answer) -> None:
        """Count one page. Raises PollError if it was one too many."""
        self.spend(answer)
        self.pages -= 1
        over = "pages" if self.pages < 0 else "bytes" if self.bytes < 0 else "time" if self.time_left < 0 else None
        if over == "time" and self.waited is not None:
            raise PollError(_TOO_SLOW.format(why=self.waited))
        if over:
            raise PollError(_TOO_MUCH.format(what=over, name=over))


@dataclass
class Reading:
    """What one poll read."""

    answers: list[list[tuple[Json, Scope]]] = field(default_factory=list)  # the items of each answer
    requests: int = 0
    pages: int = 0  # of the longest listing
    body_hash: str | None = None  # of the only answer; None when there were several
    unchanged: bool = False  # the only answer is, byte for byte, the one known before
    answered_at: datetime | None = None  # the source's own clock at the first answer; None: unchanged, or not told
    asked_at: datetime | None = None  # when the oldest answer was asked for, be it by another poll; None: no request

    @property
    def items(self) -> list[tuple[Json, Scope]]:
        """All items with their scopes; some may be there twice."""
        return [found for answer in self.answers for found in answer]

    def count(self, answer: Answer) -> None:
        """Count the request of an answer."""
        self.requests += 1
        self.asked_at = answer.asked_at if self.asked_at is None else min(self.asked_at, answer.asked_at)


def read(
    reader: Reader,
    source: Source,
    allowance: Allowance,
    now: datetime,
    *,
    last_ok: datetime | None = None,
    since: datetime | None = None,
    known_hash: str | None = None,
) -> Reading:
    """Read everything. Raises ApiError or PollError; then nothing was read, for a part is worth nothing.

    ``known_hash`` is the `Reading.body_hash` of the last good poll: an equal answer is not even decoded. ``last_ok``
    and ``since`` widen date windows, see `windows.spans`.
    """
    reading = Reading()
    windows = _windows(reader, now, last_ok, since)
    known_hash = known_hash if len(windows) == 1 else None
    with _may_be_empty(reader, reading):
        for scope in _lookups(reader, source, allowance, now, reading):
            with _may_be_empty(reader, reading):  # one session without a summary says nothing of the others
                for window in windows:
                    _read_listing(reader, source, allowance, scope, window, reading, known_hash)
    return reading


@contextmanager
def _may_be_empty(reader: Reader, reading: Reading) -> Iterator[None]:
    """Take an error that means "there is nothing" as such: what was read inside counts for nothing."""
    before = len(reading.answers)
    try:
        yield
    except ApiError as error:
        if not means(error, reader.kind.empty_when):
            raise
        del reading.answers[before:]
        reading.requests += 1
        reading.body_hash = None


def fetch_detail(reader: Reader, source: Source, allowance: Allowance, scope: Scope, item: Json) -> Json:
    """The answer to the follow-up request for one new item; the item itself where it is gone meanwhile."""
    detail = reader.kind.detail
    if detail is None:
        return None
    try:
        return fetch(detail, reader, source, allowance, scope, item)
    except ApiError as error:
        if error.failure == "gone":
            return item
        raise


def fetch(spec: RequestSpec, reader: Reader, source: Source, allowance: Allowance, scope: Scope, item: Json) -> Json:
    """The answer to a request about one item. Raises ApiError or PollError."""
    answer = _send(source, build_request(spec, reader, {**scope, "item": item}), allowance, fresh_s=0.0)
    allowance.spend(answer)
    _refuse_depth([answer.data])
    return answer.data


def _lookups(reader: Reader, source: Source, allowance: Allowance, now: datetime, reading: Reading) -> Iterator[Scope]:
    scope = reader.scope(now)
    lookup = reader.kind.lookup
    if lookup is None:
        yield scope
    elif not lookup.path or not EXPRESSIONS.condition(lookup.when, scope):
        for record in EXPRESSIONS.render(list(lookup.records), scope):
            yield {**scope, "lookup": record}
    else:
        answer = _send_page(source, build_request(lookup, reader, scope), allowance)
        reading.count(answer)
        records = _list_of(answer.data, lookup.items)
        _refuse_depth(records)
        if lookup.newest_by is not None:
            path = parse_path(lookup.newest_by)
            records = sorted(records, key=lambda record: str(get(record, path)), reverse=True)
        for record in records[: lookup.take]:
            yield {**scope, "lookup": record}


def _windows(
    reader: Reader, now: datetime, last_ok: datetime | None, since: datetime | None
) -> list[tuple[tuple[str, str], ...]]:
    if reader.kind.window is None:
        return [()]
    return [tuple(span) for span in spans(reader.kind.window, now, last_ok, since)]


def _read_listing(
    reader: Reader,
    source: Source,
    allowance: Allowance,
    scope: Scope,
    window: tuple[tuple[str, str], ...],
    reading: Reading,
    known_hash: str | None,
) -> None:
    request = main_request(reader, scope, window)
    before = len(reading.answers)
    for attempt in range(RESTARTS + 1):
        try:
            _read_pages(reader, source, allowance, scope, request, reading, known_hash)
            return
        except ApiError as error:
            if error.reason != DEAD_TOKEN or attempt == RESTARTS:
                raise
            del reading.answers[before:]  # from the first page again, with a new token
            allowance.fresh_s = NEVER


def _read_pages(
    reader: Reader,
    source: Source,
    allowance: Allowance,
    scope: Scope,
    request: Request,
    reading: Reading,
    known_hash: str | None,
) -> None:
    pages = Pages(reader.kind.paging or ONE_PAGE)
    following: Request | None = request
    while following is not None:
        answer = _send_page(source, following, allowance)
        reading.count(answer)
        reading.pages = max(reading.pages, pages.page)
        if not answer.body:
            raise PollError(f"the answer is empty (status {answer.status}), which says nothing; nothing was changed")
        reading.body_hash = digest(answer.body) if reading.requests == 1 else None
        if known_hash is not None and reading.body_hash == known_hash and not _goes_on(pages, answer):
            reading.unchanged = True
            return
        reading.answered_at = reading.answered_at or answer.date
        data = answer.data
        found, items = _items_of(data, reader.kind.items, scope)
        reading.answers.append(items)
        if sum(map(len, reading.answers)) > allowance.items:
            raise PollError(_TOO_MUCH.format(what=f"{allowance.items} items", name="items"))
        more = pages.next_query(data, answer.body, answer.headers, len(found))
        following = _following(request, answer, more)


def _goes_on(pages: Pages, answer: Answer) -> bool:
    """Whether a body that was the whole list before is its first page now: a link header stands outside the body."""
    return pages.paging.kind == "link" and next_link(answer.headers) is not None


def _refuse_depth(found: list[Json]) -> None:
    """Raise PollError on data nested so deep that they could not be compared or stored."""
    if not is_storable(found):
        raise PollError(f"the answer is {TOO_DEEP}; nothing was changed")


def _following(request: Request, answer: Answer, more: tuple[tuple[str, str], ...] | str | None) -> Request | None:
    if more is None:
        return None
    if isinstance(more, str):
        return follow_link(request, answer.url, more)
    return replace(request, query=merge_query(request.query, more))


def _send(source: Source, request: Request, allowance: Allowance, *, fresh_s: float) -> Answer:
    allowance.go_on()
    return source.send_shared(request, fresh_s=fresh_s, deadline=allowance.deadline, max_bytes=allowance.bytes)


def _send_page(source: Source, request: Request, allowance: Allowance) -> Answer:
    """One page of the list. In the middle of a list the poll waits for the request budget: giving up would throw away
    the pages before. Raises DelayedError if that takes longer than the poll may.
    """
    while True:
        try:
            answer = _send(source, request, allowance, fresh_s=allowance.fresh_s)
        except DelayedError as error:
            wait = max(SHORTEST_WAIT_S, (error.until - allowance.clock.now()).total_seconds())
            if allowance.answers == 0:
                raise
            if wait >= allowance.time_left:
                raise DelayedError(_TOO_SLOW.format(why=error), error.until) from error
            allowance.waited = error
            allowance.wait(wait)
            continue
        except ApiError as error:
            if allowance.waited is not None and allowance.time_left <= 0:
                raise PollError(_TOO_SLOW.format(why=allowance.waited)) from error
            raise
        allowance.spend_page(answer)
        return answer


def _items_of(data: Json, path: str, scope: Scope) -> tuple[list[Json], list[tuple[Json, Scope]]]:
    """The records in an answer, and the items with their scope: the records themselves, or those in a list in each."""
    outer, inside, inner = path.partition(f"{EACH}.")
    if not inside:
        found = _list_of(data, path)
        return found, [(item, scope) for item in found]
    found = _list_of(data, outer or EACH)
    return found, [(item, {**scope, "outer": record}) for record in found for item in _inner_list(record, inner)]


def _inner_list(record: Json, path: str) -> list[Json]:
    """The list inside a record: one that has none, or an empty one, holds no items."""
    found = get(record, parse_path(path))
    if found is MISSING or found is None:
        return []
    if not isinstance(found, list):
        raise PollError(f"{path!r} in a record is not a list; `items` names where the lists are")
    return found


def _list_of(data: Json, path: str) -> list[Json]:
    """The list at a path in an answer. A list that is missing is an error and never an empty list: else the next good
    poll would find everything new."""
    if not path:
        return [data]
    found = data if path == EACH else get(data, parse_path(path))
    if found is MISSING:
        raise PollError(f"the answer has no {path!r}, where the list should be; it has {_names(data)}")
    if not isinstance(found, list):
        raise PollError(f"{path!r} in the answer is not a list; `items` names where the list is")
    return found


def _names(data: Json) -> str:
    return ", ".join(list(data)[:8]) or "nothing" if isinstance(data, dict) else f"a {type(data).__name__}"


def means(error: ApiError, matches: tuple[FailureMatch, ...]) -> bool:
    """Whether an error answer is one of ``matches``."""
    return any(
        error.status == match.status
        and (match.code is None or error.code == str(match.code))
        and (match.message is None or match.message.lower() in str(error).lower())
        for match in matches
    )
