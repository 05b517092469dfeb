"""What is asked of an API and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from urllib.parse import quote, urlencode

from changewire.errors import ApiError, FailureClass
from changewire.json_size import MOST_MEMORY, TooLargeError
from changewire.values import Json, loads_answer

BODYLESS = frozenset({204, 205, 304})
MAX_BYTES = 64 * 1024 * 1024  # of one request or answer, where nobody says otherwise


@dataclass(frozen=True)
class Request:
    """One request below a connection. Equal requests are the same question.

    >>> Request("GET", "/users/me/meetings", query=(("page_size", "300"),), label="MEDIUM").query_text
    'page_size=300'
    """

    method: str  # in capitals
    path: str  # below the connector's API prefix, already percent-encoded, begins with "/"; or an absolute URL
    query: tuple[tuple[str, str], ...] = ()  # plain text, encoded when sent; order is kept
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    label: str | None = None  # rate label such as "MEDIUM"; None: not counted
    ok_statuses: tuple[int, ...] = ()  # exactly these are no error; empty: 200 to 299
    named: str | None = None  # the origin that stands literally in the user's files; all but the connection's own and
    # this one are guarded, so local and private hosts are refused
    linked: bool = False  # True: the address comes from an answer, so only own origins get `headers` and `body`
    prefixed: bool = True  # False: the path is below the host itself, not below the connector's API prefix
    user: str | None = None  # whom it is done for, where daily limits per user exist; None: read from the path

    @property
    def query_text(self) -> str:
        """The query as it is sent, without the question mark."""
        return encode_query(self.query) if self.query else ""


def encode_query(pairs: tuple[tuple[str, str], ...]) -> str:
    """Pairs as a query string; a space becomes ``%20``, so that no server takes it for a plus sign."""
    return urlencode(pairs, quote_via=quote, safe=":,")


@dataclass
class Answer:
    """A good answer. `data` is decoded once and may be shared between threads: read it, never change it."""

    status: int
    headers: Mapping[str, str]  # names in any case
    body: bytes
    url: str  # where it came from in the end, after redirects
    asked_at: datetime  # just before the request was sent
    request: Request = field(repr=False)
    memory: int = MOST_MEMORY  # bytes that `data` may take, by an estimate

    @cached_property
    def data(self) -> Json:
        """The body as JSON, None where the status means that there is none. Raises ApiError (broken)."""
        if not self.body and self.status in BODYLESS:
            return None
        try:
            return loads_answer(self.body, self.memory)
        except TooLargeError as error:
            message = f"{self.url.split('?')[0]} answered too much: {error}; ask for less, or raise poll: bytes"
            raise ApiError(message, FailureClass.BROKEN, status=self.status) from error
        except ValueError as error:
            raise ApiError(self._not_json(), FailureClass.BROKEN, status=self.status) from error

    @cached_property
    def date(self) -> datetime | None:
        """The server's own clock from its Date header; None where it sent none that can be read."""
        try:
            moment = parsedate_to_datetime(self.headers.get("Date", ""))
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            return None

    def _not_json(self) -> str:
        kind = self.headers.get("Content-Type", "no content type").split(";")[0]
        what = f"{kind}, {len(self.body)} bytes" if self.body else "an empty body"
        place = self.url.split("?")[0]
        return f"{place} answered {self.status} with {what} instead of JSON: check the address, and what answers there"
