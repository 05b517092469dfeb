"""A home that watches the list of a `JsonApi`, and the daemon on it, turned by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from changewire.state.records import TriggerRecord
from changewire.testing import ManualClock
from tests.support.homes import make_home
from tests.support.json_api import JsonApi
from tests.support.processes import ask
from tests.support.turning import Turned

EVERY_S = 60


ROWS = {"path": "/rows", "items": "data"}


def flow(
    name: str | None = None, /, kind: str = "new_item", parameters: Mapping[str, Any] = ROWS, **more: Any
) -> dict[str, Any]:
    """A workflow that watches the records. ``more`` of its trigger; ``name`` None: that of its file."""
    trigger = {"type": f"http.{kind}", "every": f"{EVERY_S}s", "with": dict(parameters), **more}
    steps = [{"use": "core.log", "with": {"message": "{{ event.key }}"}}]
    return {**({"name": name} if name else {}), "trigger": trigger, "steps": steps}


class WatchedRecords:
    """Records that workflows of one home watch."""

    def __init__(self, folder: Path, api: JsonApi, **files: Any) -> None:
        self.api, self.clock = api, ManualClock()
        self.logged: list[tuple[str, str]] = []
        self.home = make_home(folder / "home", self.connections(), {})
        self.write(**files)
        self.on_write: Callable[[str], None] = lambda point: None
        self.turned = self._open()

    def connections(self, *names: str) -> str:
        """The file of connections: one for each name, all to the same account."""
        entry = {"connector": "http", "base_url": self.api.url}
        return json.dumps(dict.fromkeys(names or ("shop",), entry))

    def write(self, **files: Any) -> None:
        """Write workflow files: the data of each, its text, or None: it is deleted."""
        for name, content in files.items():
            path = self.home / "config" / "workflows" / f"{name}.yaml"
            if content is None:
                path.unlink()
            else:
                path.write_text(content if isinstance(content, str) else json.dumps(content))

    def edit(self, **files: Any) -> None:
        """Write files, and take them over while the daemon works."""
        self.write(**files)
        self.turned.daemon.reload()

    def restart(self, **files: Any) -> None:
        """Write files while nothing runs."""
        self.turned.close()
        self.write(**files)
        self.turned = self._open()

    def close(self) -> None:
        """End the daemon."""
        self.turned.close()

    def serve(self, *ids: int, **fields: Any) -> None:
        """From now on these are the records."""
        self.api.rows = [{"id": number, **fields} for number in ids]

    def poll(self, seconds: float = EVERY_S + 1) -> list[tuple[str, str]]:
        """Poll all that is due after so many seconds: workflow and key of each event that is new."""
        before = len(self.events())
        self.turned.on(seconds)
        assert self.turned.dispatcher.failures == []
        return self.events()[before:]

    def events(self) -> list[tuple[str, str]]:
        """Workflow and key of each event, in the order in which they were stored."""
        return ask(self.home, "SELECT workflow, key FROM events ORDER BY seq")

    def trigger(self, workflow: str) -> TriggerRecord:
        """The only trigger of a workflow that is watched now."""
        (record,) = self.turned.store.triggers(workflow=workflow)
        return record

    def said(self, *actions: str) -> list[str]:
        """What was logged under these words."""
        return [message for action, message in self.logged if action in actions]

    def _log(self, action: str, message: str, /, **_: Any) -> None:
        self.logged.append((action, message))

    def _open(self) -> Turned:
        return Turned(self.home, self.clock, log=self._log, on_write=lambda point: self.on_write(point)).start()
