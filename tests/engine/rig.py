"""One home on a real sandbox with a real store, polled by hand under a clock that the test turns."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from changewire.connectors.clients import Clients
from changewire.daemon import DATABASE
from changewire.engine.finding import FRESH_MOST
from changewire.engine.polling import Engine, Outcome
from changewire.engine.syncing import trigger_records
from changewire.home.definition import Home
from changewire.home.loading import load_home
from changewire.sandbox import ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET, Sandbox
from changewire.state.records import EventRecord, TriggerRecord
from changewire.state.store import SqliteStore
from changewire.testing import ManualClock

USER = "dana.host@example.com"
CONNECTION = """
{name}:
  connector: zoom
  plan: business
  base_url: {url}
  auth: {{type: server_to_server, account_id: {account}, client_id: {client}, client_secret: {secret}}}
"""


def connection(url: str, name: str = "work", secret: str = CLIENT_SECRET) -> str:
    """A connection to a sandbox, as it stands in connections.yaml."""
    return CONNECTION.format(name=name, url=url, account=ACCOUNT_ID, client=CLIENT_ID, secret=secret)


def workflow(name: str, kind: str, parameters: str = "{}", extra: str = "") -> str:
    """A workflow that logs, with more lines for its trigger in ``extra``."""
    lines = "".join(f"  {line}\n" for line in extra.splitlines())
    return (
        f"name: {name}\ntrigger:\n  type: {kind}\n  every: 60s\n  with: {parameters}\n{lines}"
        'steps: [{use: core.log, with: {message: "{{ event.key }}"}}]\n'
    )


def write_home(path: Path, connections: str, **workflows: str) -> Path:
    """The files of a home, one workflow for each keyword."""
    folder = path / "config" / "workflows"
    folder.mkdir(parents=True, exist_ok=True)
    (path / "config" / "connections.yaml").write_text(connections)
    for name, text in workflows.items():
        (folder / f"{name}.yaml").write_text(text)
    return path


@dataclass
class Rig:
    """What the tests turn by hand."""

    path: Path
    clock: ManualClock
    logged: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = SqliteStore(self.path / DATABASE, clock=self.clock)
        self.store.open()
        self.load()

    def load(self) -> None:
        """Read the home again, as a restart does."""
        self.home: Home = load_home(self.path, {})
        self.clients = Clients(self.home.connections, self.clock, self.home.settings)
        self.engine = Engine(self.home, self.store, self.clients, self.clock, self._log)
        records = trigger_records(self.home, self.clock.now())
        for record in records:
            record.next_due = self.clock.now()
        for file in self.home.workflows.values():
            self.store.save_version(file.version, file.text)
        self.store.sync_triggers(records, self.clock.now())

    def _log(self, event: str, message: str, /, **facts: Any) -> None:
        self.logged.append((event, message))

    def poll(self, times: int = 1) -> list[Outcome]:
        """Go on to the next due time and poll what is due then, so often."""
        outcomes = []
        for _ in range(times):
            due = self.store.next_due_after(self.clock.now())
            if due is not None and not self.store.due(self.clock.now(), 1):
                # answers are shared for some seconds; a poll that comes sooner would be served by the last one
                self.clock.advance(max(FRESH_MOST + 1, (due - self.clock.now()).total_seconds()))
            claims = self.store.claim_due(self.clock.now(), 100, timedelta(minutes=5))
            outcomes += [self.engine.poll(claim) for claim in claims]
        return outcomes

    @property
    def events(self) -> list[EventRecord]:
        """All events so far."""
        return self.store.events()

    @property
    def trigger(self) -> TriggerRecord:
        """The only trigger."""
        (record,) = self.store.triggers()
        return record

    def close(self) -> None:
        """End clients and store."""
        self.clients.close()
        self.store.close()


def sandbox_clock(sandbox: Sandbox) -> ManualClock:
    """A clock that begins at the sandbox's present moment."""
    return ManualClock(sandbox.clock.now())
