"""A Zoom account over HTTP and the whole engine on it, turned by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from changewire.sandbox import Sandbox
from changewire.state.records import EventRecord
from changewire.values import dumps_text
from tests.engine.rig import USER, Rig, connection, sandbox_clock, workflow, write_home

__all__ = ["USER", "Account"]
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


@dataclass
class Account:
    """One sandbox, one home. `watch` begins, `poll` gives what is new since."""

    sandbox: Sandbox
    path: Path
    rig: Rig | None = None
    told: int = 0

    def do(self, action: str, /, **arguments: Any) -> dict[str, Any]:
        """A control call."""
        found: dict[str, Any] = self.sandbox.control(action, **arguments)
        return found

    def meeting(self, **fields: Any) -> int:
        """The number of a new meeting."""
        return int(self.do("create_meeting", **{"user_id": USER, "topic": "Talk", **fields})["meeting_id"])

    def webinar(self, **fields: Any) -> int:
        """The number of a new webinar."""
        return int(self.do("create_webinar", **{"user_id": USER, "topic": "Show", **fields})["webinar_id"])

    def watch(self, kind: str, extra: str = "", **parameters: Any) -> Account:
        """Begin with one trigger of this type and take its baseline."""
        return self.watch_all(**{kind: (parameters, extra)})

    def watch_all(self, **kinds: tuple[dict[str, Any], str]) -> Account:
        """Begin with one trigger for each keyword and take the baselines."""
        texts = {kind: workflow(kind, f"zoom.{kind}", dumps_text(p), extra) for kind, (p, extra) in kinds.items()}
        write_home(self.path, connection(self.sandbox.url), **texts)
        self.rig = Rig(self.path, sandbox_clock(self.sandbox))
        assert not self.rig.home.problems, self.rig.home.problems
        self.poll()
        return self

    def after(self, seconds: float) -> Account:
        """Let time pass, there and here."""
        self.do("clock", advance_s=seconds)
        if self.rig is not None:
            self.rig.clock.advance(seconds)
        return self

    @property
    def running(self) -> Rig:
        """The engine's side, once it was begun."""
        assert self.rig is not None
        return self.rig

    def poll(self) -> list[EventRecord]:
        """Poll all triggers a minute later; the events that this brought."""
        self.after(MINUTE)
        self.running.poll()
        failed = [trigger.error for trigger in self.running.store.triggers() if trigger.error]
        assert not failed, failed
        new = self.running.events[self.told :]
        self.told += len(new)
        return new

    def failing(self) -> str:
        """Poll, and what it says when that does not come to a good end."""
        self.after(MINUTE)
        self.running.poll()
        assert len(self.running.events) == self.told
        return self.running.trigger.error or ""

    def types(self) -> list[str]:
        """Poll; the event types that this brought."""
        return [event.event_type for event in self.poll()]

    def requests(self, path: str) -> list[dict[str, Any]]:
        """The latest requests whose path holds this text."""
        return [entry for entry in self.sandbox.control("requests") if path in entry["path"]]
