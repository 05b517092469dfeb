"""A small API in the place of the network: what a home watches, and what its runs do to it.

It acts when a request arrives and answers later. What happens in between is scripted, so that a history can hold a poll
or a step for as long as it likes, and can be repeated to the letter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, NoReturn
from urllib.parse import urlsplit

from changewire.clock import Clock
from changewire.connectors.transport.fetcher import Outgoing, Reply
from changewire.errors import ApiError, FailureClass
from changewire.testing import START, ManualClock
from changewire.values import dumps

URLS = {"shop": "http://shop.test", "bank": "http://bank.test"}
"""Connections by name: triggers watch the shop, steps act on the bank."""


class Killed(BaseException):
    """The process ends here, as by SIGKILL."""


@dataclass(frozen=True)
class Behaviour:
    """How one request is answered."""

    kind: str = "good"
    seconds: float = 0.0  # until the answer, on the clock of the process
    meanwhile: tuple[str, ...] = ()  # what happens in that time, words of `World.meanwhile`


GOOD = Behaviour()
STATUSES = {"503": 503, "429": 429, "403": 403}


@dataclass
class Frame:
    """A piece of work that is under way in the process."""

    work: object
    reads: list[Any] = field(default_factory=list)  # the states that it was served
    broken: bool = False  # it ended by an error or with its process
    idle: bool = False  # its workflow was paused before it began


@dataclass
class Done:
    """One time that something was done."""

    subject: str
    key: str  # of idempotency; empty: the request had none
    at: float  # true seconds since the history began
    frame: Frame  # what did it
    answered: bool = False  # whether the process got the answer


@dataclass
class Shop:
    """The API. ``pass_time`` lets seconds pass while an answer is awaited, with what happens meanwhile."""

    clock: ManualClock  # of the process
    pass_time: Callable[[float, tuple[str, ...]], None]
    dead: bool = False  # the process was killed: nothing of it gets out any more
    began: float = 0.0  # true seconds from the beginning of the history to that of the process
    frames: list[Frame] = field(default_factory=list)  # the innermost last
    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    tickets: dict[int, str] = field(default_factory=dict)
    price: int = 1
    accepts: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(URLS, True))
    coming: deque[Behaviour] = field(default_factory=deque)  # how the next requests are answered
    done: list[Done] = field(default_factory=list)
    served: dict[str, Any] = field(default_factory=dict)  # by path: what the latest good answer held

    @property
    def now(self) -> float:
        """True seconds since the history began."""
        return self.began + self.clock.monotonic()

    def fetcher(self, clock: Clock, **_: Any) -> Shop:
        """Stand in for the class `Fetcher`."""
        return self

    def close(self) -> None:
        """Close nothing."""

    def kill(self) -> NoReturn:
        """End the process. Raises Killed."""
        self.dead = True
        raise Killed

    def send(self, outgoing: Outgoing, *, deadline: float | None, max_bytes: int) -> Reply:
        """Answer a request. Raises ApiError, and Killed where the process ends in it."""
        behaviour = self.coming.popleft() if self.coming else GOOD
        asked_at = self.clock.now()
        if self.dead or behaviour.kind == "kill before":
            self.kill()
        url = urlsplit(outgoing.origin + outgoing.target)
        if not self.accepts[url.netloc.partition(".")[0]]:
            return self._reply(401, {"code": 124, "message": "Invalid access token."}, outgoing, asked_at)
        if behaviour.kind in STATUSES:
            message = {"code": 9, "message": behaviour.kind}
            return self._reply(STATUSES[behaviour.kind], message, outgoing, asked_at)
        status, body = self._act(outgoing.method, url.path.removeprefix("/v2"), outgoing.headers, behaviour.kind)
        mine = self.done[-1] if outgoing.method == "POST" else None
        if behaviour.seconds or behaviour.meanwhile:
            self.pass_time(behaviour.seconds, behaviour.meanwhile)
        if self.dead or behaviour.kind == "kill after":
            self.kill()
        late = deadline is not None and self.clock.monotonic() > deadline and behaviour.kind != "overrun"
        if behaviour.kind == "lost" or late:
            raise ApiError("the answer never came", FailureClass.TRANSIENT)
        if mine is not None:
            mine.answered = True
        return self._reply(status, body, outgoing, asked_at)

    def _reply(self, status: int, data: Any, outgoing: Outgoing, asked_at: datetime) -> Reply:
        date = format_datetime(START + timedelta(seconds=self.now), usegmt=True)
        headers = {"Content-Type": "application/json", "Date": date}
        if status == 429:
            headers["Retry-After"] = "20"
        return Reply(status, headers, dumps(data), outgoing.origin + outgoing.target, asked_at)

    def _act(self, method: str, path: str, headers: Mapping[str, str], kind: str) -> tuple[int, Any]:
        if method == "POST":
            key = headers.get("Idempotency-Key", "")
            self.done.append(Done(path, key, self.now, self.frames[-1]))
            return 200, {"did": path}
        if path.startswith("/orders/"):
            order = self.orders.get(int(path.rpartition("/")[2]))
            return (404, {"code": 1001, "message": "no such order"}) if order is None else (200, {"detail": order})
        if path not in ("/orders", "/tickets", "/price"):
            return 200, {"looked": path}
        return 200, self._list(path, omits=kind == "omit")

    def _list(self, path: str, *, omits: bool) -> dict[str, Any]:
        if path == "/price":
            self._serve(path, self.price)
            return {"price": self.price}
        found = self.orders if path == "/orders" else {k: {"id": k, "state": v} for k, v in self.tickets.items()}
        keys = sorted(found)[1:] if omits else sorted(found)
        self._serve(path, {key: deepcopy(found[key]) for key in keys})
        return {"data": [found[key] for key in keys]}

    def _serve(self, path: str, state: Any) -> None:
        self.served[path] = state
        self.frames[-1].reads.append(state)

    def did(self, subject: str) -> list[Done]:
        """Each time that ``subject`` was done."""
        return [one for one in self.done if one.subject == subject]
