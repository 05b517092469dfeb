"""Curated actions tried on a stand-in for Zoom: by hand as `call` does it, and as a step of a workflow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from changewire.actions.calling import check_inputs, perform
from changewire.actions.context import ActionContext
from changewire.actions.definition import ActionType
from changewire.actions.flow.pipeline import Runner
from changewire.config.yaml_files import read_yaml
from changewire.connectors.clients import Clients
from changewire.connectors.operations import Operation, operations
from changewire.home.loading import load_home
from changewire.log import silent
from changewire.sandbox import ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET, Sandbox
from changewire.state.records import AttemptRecord, RunRecord
from changewire.state.store import SqliteStore
from changewire.testing import ManualClock
from changewire.values import digest
from tests.actions.zoom.account import Names, furnish
from tests.cli.rig import changewire
from tests.state.samples import DAY, NOW, claim, event, poll, run, trigger

HERE = Path(__file__).parent
BUILT_IN = HERE.parents[2] / "actions"
GOOD: dict[str, dict[str, Any]] = read_yaml(HERE / "good.yaml").data
CONNECTION = {
    "connector": "zoom",
    "plan": "business",
    "auth": {
        "type": "server_to_server",
        "account_id": ACCOUNT_ID,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    },
}
ASKED_BY_CODE = {
    "zoom.download_recordings": "recordingGet",
    "zoom.download_transcript": "recordingGet",
    "zoom.download_summary": "getameetingsummary",
}
"""What actions that are code ask Zoom for; `download_recording` and `graphql` use no operation."""


class Bench:
    """One stand-in, one home, one store; ``fresh`` makes the account as it was."""

    def __init__(self, path: Path) -> None:
        self.sandbox = Sandbox(enforce_limits=False, new_urls=False)
        self.sandbox.start()
        (path / "config").mkdir()
        shown = {"work": {**CONNECTION, "base_url": self.sandbox.url}}
        (path / "config" / "connections.yaml").write_text(json.dumps(shown))
        self.home = load_home(path, {})
        self.actions = self.home.catalog.actions
        self.clock, self._count = ManualClock(), count(1)
        self.store = SqliteStore(path / "state" / "changewire.db", clock=self.clock)
        self.store.open()
        self.names: Names = {}

    def close(self) -> None:
        self.store.close()
        self.sandbox.close()

    def fresh(self) -> None:
        """Everything that happened to the account is undone."""
        self.names = furnish(self.sandbox)
        files = self._ask("zoom.get_meeting_recordings", {"meetingId": self.names["session"]})["recording_files"]
        self.names["download_url"] = files[0]["download_url"]

    def good(self, name: str) -> dict[str, Any]:
        """What an action is called with to do well."""
        given = self._named(GOOD[name])
        assert isinstance(given, dict)
        return given

    def _named(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._named(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._named(inner) for inner in value]
        return self.names[value[1:]] if isinstance(value, str) and value.startswith("$") else value

    def call(self, name: str, given: Mapping[str, Any]) -> Result:
        """``changewire call NAME …`` in this process; the home is not read again for each call."""
        words = [f"{key}:={json.dumps(value)}" for key, value in given.items()]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("changewire.cli.performing.load_home", lambda _: self.home)
            return changewire("call", name, *words, "--json", "--home", self.home.path)

    def step(self, name: str, given: Mapping[str, Any]) -> tuple[RunRecord, AttemptRecord]:
        """A run of a workflow with this one step, carried on once: how it was left, and its only attempt."""
        n = next(self._count)
        text = json.dumps({"name": "w", "trigger": {"type": "zoom.x"}, "steps": [{"use": name, "with": given}]})
        version = digest(text.encode())
        self.store.save_version(version, text)
        self.store.sync_triggers([trigger(f"t{n}")], NOW)
        happened, begun = event(f"e{n}", f"t{n}"), run(f"r{n}", f"e{n}", version=version)
        assert self.store.commit_poll(poll(claim(self.store), events=[happened], runs=[begun]))
        claimed = self.store.claim_runs(self.clock.now(), 1, DAY)[0]
        with self._clients() as clients:
            self._runner(clients).advance(claimed.id, claimed.claim)
        left, _, attempts = self.store.load_run(claimed.id)
        return left, attempts[-1]

    def _runner(self, clients: Clients) -> Runner:
        home = self.home
        return Runner(
            store=self.store,
            actions=home.catalog.actions,
            clients=clients,
            connections=home.connections,
            environment=home.environment,
            settings=home.settings,
            clock=self.clock,
            home=home.path,
            log=silent,
        )

    @contextmanager
    def _clients(self) -> Iterator[Clients]:
        with closing(Clients(self.home.connections, self.clock, self.home.settings)) as clients:
            yield clients

    @contextmanager
    def trying(self, name: str) -> Iterator[Any]:
        """A function without parameters that does the action once with good input; its budget is full."""
        action, values = self.actions[name], check_inputs(self.actions[name], self.good(name))
        with self._clients() as clients:
            context = ActionContext(
                home=self.home.path,
                client=clients.get("work"),
                clients=clients,
                clock=self.clock,
                deadline=self.clock.monotonic() + 600,
                idempotency_key="key_1",
                log=silent,
                settings=self.home.settings,
                look_first=False,
            )
            yield lambda: perform(action, values, context)

    def _ask(self, name: str, given: Mapping[str, Any]) -> Any:
        return json.loads(self.call(name, given).stdout)["output"]

    @contextmanager
    def refusing(self, pattern: str, **fault: Any) -> Iterator[None]:
        """Requests that match are answered as the fault says."""
        self.sandbox.control("faults", match=pattern, **fault)
        try:
            yield
        finally:
            self.sandbox.control("clear_faults")

    def asked(self, since: int = 0) -> list[dict[str, Any]]:
        """The requests to the API, without those to sign in."""
        log: list[dict[str, Any]] = self.sandbox.control("requests")
        return [one for one in log[since:] if not one["path"].startswith("/oauth")]


def operation_of(action: ActionType) -> Operation | None:
    """What an action asks the API for; None: nothing of the table."""
    if action.operation is not None:
        return action.operation
    name = ASKED_BY_CODE.get(action.name)
    return None if name is None else operations("zoom")[name]


def requests_of(action: ActionType) -> str:
    """A regular expression for the requests that an action sends."""
    operation = operation_of(action)
    if operation is None:
        return "graphql" if action.name == "zoom.graphql" else "^GET /rec/download"
    path = re.sub(r"\\\{\w+\\\}|\{\w+\}", "[^/?]+", operation.path)
    return rf"^{operation.method} /v2{path}(\?|$)"
