"""Pages of lists and their short-lived tokens."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from changewire.sandbox.clock import SandboxClock
from changewire.sandbox.errors import JSON, dead_page_token, validation
from changewire.sandbox.ids import IdMaker
from changewire.sandbox.switches import Switches

DEFAULT_SIZE = 30
_KEPT = 20000


@dataclass(frozen=True)
class _Crawl:
    query: tuple[str, ...]
    offset: int
    size: int
    issued: float
    order: str


class Pager:
    """Cuts lists into pages; a token is bound to its query and dies after a while."""

    def __init__(self, clock: SandboxClock, switches: Switches, ids: IdMaker) -> None:
        self._clock = clock
        self._switches = switches
        self._ids = ids
        self._lock = threading.Lock()
        self._crawls: dict[str, _Crawl] = {}

    def page(
        self,
        path: str,
        query: dict[str, str],
        items: list[JSON],
        most: int = 300,
        shift: int = 0,
        key: Callable[[JSON], str] = repr,
        usual: int = DEFAULT_SIZE,
    ) -> tuple[list[JSON], JSON]:
        """Return one page and the paging fields that go with it.

        ``usual`` and ``most`` are the usual and the largest page size. ``shift`` moves a page that a
        token asks for, as when rows come or go meanwhile. ``key`` gives what a shuffled order is made from.
        """
        size = _number(query, "page_size", usual, most)
        bound = (path, *(f"{k}={v}" for k, v in sorted(query.items()) if k != "next_page_token"))
        with self._lock:
            crawl = self._begin(query, bound, size)
            if self._switches.shuffle_lists:
                items = sorted(items, key=lambda item: _rank(crawl.order, key(item)))
            start = max(0, crawl.offset + (shift if query.get("next_page_token") else 0))
            end = start + crawl.size
            following = self._issue(replace(crawl, offset=end), end < len(items))
        return items[start:end], {
            "page_count": -(-len(items) // crawl.size),
            "page_size": crawl.size,
            "total_records": len(items),
            "next_page_token": following,
        }

    def shuffled(self, items: list[JSON]) -> list[JSON]:
        """The rows of a list without pages, in an order of their own where lists are shuffled."""
        if not self._switches.shuffle_lists:
            return items
        order = self._ids.nonce(8)
        return sorted(items, key=lambda item: _rank(order, repr(item)))

    def _begin(self, query: dict[str, str], bound: tuple[str, ...], size: int) -> _Crawl:
        token = query.get("next_page_token", "")
        if token:
            crawl = self._open(token, bound)
            return replace(crawl, size=size) if "page_size" in query else crawl
        offset = (_number(query, "page_number", 1, 10**6) - 1) * size
        return _Crawl(bound, offset, size, 0.0, self._ids.nonce(8))

    def _open(self, token: str, bound: tuple[str, ...]) -> _Crawl:
        crawl = self._crawls.get(token)
        if crawl is None or crawl.issued + self._switches.page_token_life_s <= self._clock.time():
            raise dead_page_token()
        same = crawl.query == bound if self._switches.page_token_binding == "strict" else True
        if not same or crawl.query[0] != bound[0]:
            raise dead_page_token()
        return crawl

    def _issue(self, crawl: _Crawl, more: bool) -> str:
        if not more:
            return ""
        token = self._ids.nonce(33)
        self._crawls[token] = replace(crawl, issued=self._clock.time())
        if len(self._crawls) > _KEPT:
            del self._crawls[next(iter(self._crawls))]
        return token


def _number(query: dict[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise validation(name)
    return int(text)


def _rank(order: str, key: str) -> str:
    return hashlib.sha1(f"{order}{key}".encode(), usedforsecurity=False).hexdigest()
