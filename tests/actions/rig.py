"""A home with a real store and real clients, and one run of a workflow in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from changewire.actions.context import ActionContext
from changewire.actions.definition import ActionType
from changewire.actions.flow.pipeline import Runner
from changewire.actions.loading import load_actions
from changewire.clock import Clock
from changewire.config.connections import Connection
from changewire.config.environment import Environment
from changewire.config.settings import HttpSettings, Settings
from changewire.config.workflows import WorkflowFile
from changewire.connectors.clients import Clients
from changewire.state.records import AttemptState, RunState
from changewire.state.store import SqliteStore
from changewire.testing import ManualClock
from tests.state.samples import DAY, event, run, with_events

BUILT_IN = Path(__file__).parents[2] / "actions"
TRIGGER = "trigger: {type: zoom.x}\n"


def connection(name: str, base_url: str | None = None, connector: str = "zoom", **fields: Any) -> Connection:
    auth = {"type": "bearer", "token": "the-very-token"} if connector == "zoom" else {"type": "none"}
    given = {"name": name, "connector": connector, "base_url": base_url, "auth": auth, **fields}
    return Connection.model_validate(given)


class Rig:
    """Everything that a run needs, below ``home``."""

    def __init__(
        self,
        home: Path,
        *connections: Connection,
        clock: Clock | None = None,
        on_write: Callable[[str], None] | None = None,
        allow_private: bool = False,
        **variables: str,
    ) -> None:
        self.home, self.clock = home, clock or ManualClock()
        self.store = SqliteStore(home / "state" / "changewire.db", clock=self.clock, on_write=on_write)
        self.settings = Settings(http=HttpSettings(allow_private=allow_private))
        self.connections = {one.name: one for one in connections}
        self.clients = Clients(self.connections, self.clock, self.settings)
        self.environment = Environment(variables, home)
        self.actions, self.problems = load_actions([home / "actions", BUILT_IN])
        self.workflows: dict[str, WorkflowFile] = {}  # that may be called
        self.told: list[tuple[str, str, dict[str, Any]]] = []

    def log(self, event: str, message: str, /, **facts: Any) -> None:
        self.told.append((event, message, facts))

    def open(self) -> Rig:
        self.store.open()
        return self

    def close(self) -> None:
        self.store.close()
        self.clients.close()

    def runner(self) -> Runner:
        return Runner(
            store=self.store,
            actions=self.actions,
            clients=self.clients,
            connections=self.connections,
            environment=self.environment,
            settings=self.settings,
            clock=self.clock,
            home=self.home,
            log=self.log,
            workflows=self.workflows,
        )

    def start(self, workflow: str, payload: Any = None) -> None:
        """Store a workflow, an event, and the run ``r1`` that it starts."""
        self.store.save_version("v1", workflow if "trigger:" in workflow else TRIGGER + workflow)
        payload = {"a": 1} if payload is None else payload
        with_events(self.store, [event(payload=payload, trigger="w/trigger")], [run()])

    def go(self, stopping: Callable[[], bool] = lambda: False) -> RunState | None:
        """Claim the run, which must be due, and carry it on."""
        claimed = self.store.claim_runs(self.clock.now(), 1, DAY)[0]
        return self.runner().advance(claimed.id, claimed.claim, stopping)

    def resume(self) -> None:
        """What ``changewire resume`` does: the paused run is due again."""
        assert self.store.resume(self.clock.now(), run_id="r1", by="ann") == ["r1"]

    @property
    def reason(self) -> str | None:
        return self.store.load_run("r1")[0].reason

    @property
    def attempts(self) -> list[tuple[str, int, AttemptState]]:
        return [(a.address, a.attempt, a.state) for a in self.store.load_run("r1")[2]]

    def output(self, address: str) -> Any:
        return [a for a in self.store.load_run("r1")[2] if a.address == address][-1].output

    def context(self, name: str | None = None, **changes: Any) -> ActionContext:
        given: dict[str, Any] = {
            "home": self.home,
            "client": None if name is None else self.clients.get(name),
            "clients": self.clients,
            "clock": self.clock,
            "deadline": self.clock.monotonic() + 60,
            "idempotency_key": "key_1",
            "log": self.log,
            "settings": self.settings,
        }
        return ActionContext(**given | changes)

    def action(self, name: str) -> ActionType:
        return self.actions[name]
