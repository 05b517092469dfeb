"""The state of the sandbox's Zoom account and what all its actions share."""

from __future__ import annotations

import copy
import heapq
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar, cast

from changewire.sandbox.clock import SandboxClock, iso
from changewire.sandbox.errors import JSON, ControlError
from changewire.sandbox.ids import IdMaker
from changewire.sandbox.switches import Switches
from changewire.sandbox.world.model import Event, Instance

F = TypeVar("F", bound=Callable[..., Any])


def action(method: F) -> F:
    """Mark a method as callable by control, run it alone, and hand out a copy of its result."""

    @wraps(method)
    def run(self: WorldBase, *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            self.settle()
            return copy.deepcopy(method(self, *args, **kwargs))

    run.__dict__["is_action"] = True
    return cast(F, run)


class WorldBase:
    """Users, meetings, sessions and reports in memory, guarded by ``lock``."""

    def __init__(self, clock: SandboxClock, switches: Switches, seed: int) -> None:
        self.clock = clock
        self.switches = switches
        self.lock = threading.RLock()
        self._seed = seed
        self.clear()

    def clear(self) -> None:
        """Forget everything, as if newly made."""
        self.ids = IdMaker(self._seed)
        self.owner_id = ""
        self.users: dict[str, JSON] = {}
        self.events: dict[int, Event] = {}
        self.sessions: dict[str, Instance] = {}
        self.reports: dict[str, dict[str, JSON]] = {}
        self.grown: dict[str, JSON] = {}
        # path of a list -> id -> record, and path of settings -> what they are
        self.records: dict[str, dict[str, JSON]] = {}
        self.documents: dict[str, JSON] = {}
        # paths of records that were removed: nothing more is known of a list that nobody fills
        self.gone: set[str] = set()
        self.past: list[JSON] = []
        # token -> (session UUID, end of life in clock seconds)
        self.download_tokens: dict[str, tuple[str, float]] = {}
        self.source = "control"
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        """Return the sandbox's time."""
        return self.clock.now()

    def stamp(self) -> str:
        """Return the sandbox's time as Zoom writes it."""
        return iso(self.now())

    def record(self, kind: str, **facts: Any) -> None:
        """Note a change in the history."""
        entry = {"time": self.stamp(), "kind": kind, "source": self.source, **facts}
        self.past.append(copy.deepcopy(entry))

    @contextmanager
    def acting(self, source: str) -> Iterator[None]:
        """Hold the lock and note changes made inside as done by ``source``."""
        with self.lock:
            before, self.source = self.source, source
            try:
                yield
            finally:
                self.source = before

    def later(self, delay_s: float, change: Callable[[], None]) -> None:
        """Do ``change`` once ``delay_s`` of sandbox time are over; at once if 0."""
        if delay_s <= 0:
            change()
        else:
            heapq.heappush(self._due, (self.clock.time() + delay_s, next(self._order), change))

    def settle(self) -> None:
        """Do all that has fallen due by the sandbox's time."""
        while self._due and self._due[0][0] <= self.clock.time():
            change = heapq.heappop(self._due)[2]
            with self.acting("time"):
                change()

    def find_user(self, ref: str) -> JSON | None:
        """Return the user by id, e-mail or ``me`` (the owner); None if there is none."""
        if ref == "me":
            return self.users.get(self.owner_id)
        if ref in self.users:
            return self.users[ref]
        wanted = ref.lower()
        return next((u for u in self.users.values() if u["email"].lower() == wanted), None)

    def find_session(self, ref: int | str, kind: str, ended: bool = False) -> Instance | None:
        """Return the session of a UUID, or a number's latest one (``ended``: latest ended)."""
        session = self.sessions.get(str(ref))
        if session is None and str(ref).isdigit():
            event = self.events.get(int(ref))
            known = [] if event is None else event.ended if ended else event.instances
            session = known[-1] if known else None
        if session is None or session.event.kind != kind or (ended and session.end is None):
            return None
        return session

    def need_user(self, ref: str) -> JSON:
        """Return the user or raise ControlError."""
        user = self.find_user(ref)
        if user is None:
            raise ControlError(f"no user {ref!r}", known=[u["email"] for u in self.users.values()])
        return user

    def need_event(self, ref: int | str, kind: str) -> Event:
        """Return the undeleted meeting or webinar of a number or raise ControlError."""
        event = self.events.get(int(ref)) if str(ref).isdigit() else None
        if event is None or event.kind != kind or event.deleted:
            known = [e.number for e in self.events.values() if e.kind == kind and not e.deleted]
            raise ControlError(f"no {kind} {ref!r}", known=known)
        return event

    def need_session(self, ref: int | str | None, uuid: str | None, kind: str = "meeting") -> Instance:
        """Return the session named by number or UUID or raise ControlError."""
        wanted = uuid if uuid is not None else ref
        session = None if wanted is None else self.find_session(wanted, kind)
        if session is None:
            raise ControlError(f"no session of a {kind} {wanted!r}")
        return session
