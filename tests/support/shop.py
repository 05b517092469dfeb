"""An API with a list and a request for each of its items, a home that watches it, and a server that takes its time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from changewire.values import dumps
from tests.support.json_api import JsonApi
from tests.support.processes import ask
from tests.support.watched_records import EVERY_S, WatchedRecords

PAGE = 25
TYPES: dict[str, dict[str, Any]] = {
    "new_thing": {"kind": "created", "detail": {"path": "/things/{item.id}"}},
    "thing_changed": {"kind": ["created", "updated"], "detail": {"path": "/things/{item.id}"}},
    "thing_gone": {
        "kind": ["created", "deleted"],
        "absences": 1,
        "evidence": {"path": "/things/{item.id}", "errors": [{"status": 410}]},
    },
    "new_ready": {"kind": "created", "ready": "{{ item.ready }}"},
    "new_name": {"kind": "created", "payload": {"first": "{{ item.name[0] }}"}},
}


class Shop(JsonApi):
    """Serves ``things`` in pages at ``/things`` and each at ``/things/ID``.

    ``status`` says how an item is answered, and the "list" (default: 200). ``per_minute``: how many requests are
    answered in one minute of ``moment``, the others with 429; None: all of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.things: list[dict[str, Any]] = []
        self.status: dict[str, int] = {}
        self.requests: list[str] = []
        self.per_minute: int | None = None
        self.moment: Callable[[], float] = lambda: 0.0
        self._minutes: Counter[int] = Counter()

    def answer(self, target: str) -> tuple[int, bytes, str]:
        """Status, body and how the answer ends."""
        url = urlsplit(target)
        path = url.path.removeprefix("/v2")
        self.requests.append(path)
        minute = int(self.moment() // 60)
        self._minutes[minute] += 1
        if self.per_minute is not None and self._minutes[minute] > self.per_minute:
            return 429, b'{"message": "slow down"}', "good"
        if path == "/things" and "list" in self.status:
            return self.status["list"], b'{"message": "sorry"}', "good"
        if path == "/things":
            start = int(parse_qs(url.query).get("cursor", ["0"])[0])
            more = start + PAGE < len(self.things)
            page = {"data": self.things[start : start + PAGE], "next": str(start + PAGE) if more else ""}
            return super().answer(target) if self.bad else (200, dumps(page), "good")
        key = path.removeprefix("/things/")
        status = self.status.get(key, 200)
        return status, dumps({"id": key, "detail": True, "message": f"status {status}"}), "good"

    def details(self) -> list[str]:
        """The ids of the items that were requested, in order."""
        return [path.removeprefix("/things/") for path in self.requests if path.startswith("/things/")]


class WatchedShop(WatchedRecords):
    """A home with trigger types for a shop, each with the requests that it makes about single items.

    ``limited``: the connection allows ten requests a minute.
    """

    def __init__(self, folder: Path, shop: Shop, *, limited: bool = False, **files: Any) -> None:
        self.shop, self._limited = shop, limited
        (folder / "home" / "triggers").mkdir(parents=True)
        for name, parts in TYPES.items():
            (folder / "home" / "triggers" / f"{name}.yaml").write_text(json.dumps(self._type(name, parts)))
        super().__init__(folder, shop, **files)
        shop.moment = self.clock.monotonic

    def connections(self, *names: str) -> str:
        """The file of connections."""
        if not self._limited:
            return super().connections(*names)
        auth = {"type": "bearer", "token": "only-for-tests"}
        return json.dumps({"shop": {"connector": "zoom", "plan": "free", "base_url": self.api.url, "auth": auth}})

    def watch(self, kind: str = "new_thing", name: str = "watch", **more: Any) -> None:
        """Watch the list with a workflow of this type; ``more`` of its trigger."""
        self.edit(**{name: self.flow(kind, **more)})

    @staticmethod
    def flow(kind: str = "new_thing", **more: Any) -> dict[str, Any]:
        """A workflow of one of the types."""
        trigger = {"type": f"shop.{kind}", "every": f"{EVERY_S}s", **more}
        return {"trigger": trigger, "steps": [{"use": "core.log", "with": {"message": "{{ event.key }}"}}]}

    def sell(self, *ids: int, **fields: Any) -> None:
        """From now on these are the things."""
        self.shop.things = [{"id": number, "name": f"thing {number}", "price": 0, **fields} for number in ids]

    def run(self, seconds: float) -> list[str]:
        """Let so many seconds pass, and work at each moment at which something is due; the keys of new events."""
        clock = self.turned.steady
        before, end = len(self.events()), clock.now() + timedelta(seconds=seconds)
        self.turned.turn()
        while (due := self.turned.store.next_due_after(clock.now())) is not None and due <= end:
            self.clock.advance((due - clock.now()).total_seconds())
            self.turned.turn()
        self.clock.advance(max(0.0, (end - clock.now()).total_seconds()))
        self.turned.turn()
        assert self.turned.dispatcher.failures == []
        return [key for _, key in self.events()[before:]]

    def waiting(self) -> list[tuple[str, int]]:
        """Key and tries of each pending change, in order."""
        return ask(self.home, "SELECT key, tries FROM pending_changes ORDER BY seq")

    def _type(self, name: str, parts: dict[str, Any]) -> dict[str, Any]:
        label = {"label": "RESOURCE-INTENSIVE"} if self._limited else {}
        known: dict[str, Any] = {
            "type": f"shop.{name}",
            "connector": "zoom" if self._limited else "http",
            "title": name,
            "description": name,
            "request": {"path": "/things", **label},
            "items": "data",
            "paging": {"kind": "token", "token_field": "next", "token_query": "cursor"},
            "key": "id",
            "sample": {"id": 1, "name": "thing 1", "ready": True},
        }
        about_one = {key: {**value, **label} for key, value in parts.items() if key in ("detail", "evidence")}
        return {**known, **parts, **about_one}
