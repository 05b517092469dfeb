"""Small workflows with what they must do: the tables in ``workflows/``, and a server that answers as they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from changewire.config.workflows import WorkflowFile
from changewire.config.yaml_files import read_yaml
from changewire.state.records import RunState
from changewire.values import digest
from tests.actions.rig import TRIGGER, Rig
from tests.connectors.server import Handler, Reply, Seen, Server

FOLDER = Path(__file__).parent / "workflows"
ACTIONS = """
connector: http
actions:
  hit:
    title: Hit
    description: Tells the server a path.
    parameters: {path: {required: true}, connection: {default: site}}
    request: {method: POST, path: "/{path}"}
    idempotency: header
  once:
    title: Hit once
    description: The same, and nobody may do it twice.
    parameters: {path: {required: true}, connection: {default: site}}
    request: {method: POST, path: "/{path}"}
    idempotency: none
"""
LETTERS = {"running": "r", "succeeded": "s", "failed": "f", "skipped": "-", "unknown": "u"}


@dataclass(frozen=True)
class Case:
    """One row: a workflow, an event's payload, what the server answers, and what is expected."""

    name: str
    workflow: str
    sub: str  # of the workflow ``sub``; empty: there is none
    calls: Any  # in their order; a mapping: how often each, in any order
    payload: Any = field(default_factory=dict)
    replies: dict[str, list[Any]] = field(default_factory=dict)  # by path: statuses, bodies, or ``text``
    waits: list[float] = field(default_factory=list)  # seconds
    state: str = "succeeded"
    reason: str | None = None
    reason_starts: str = ""
    attempts: str = ""  # each address with a letter for each attempt: s, f, r(unning), u(nknown), - (skipped)


def cases() -> Iterator[Case]:
    """All rows."""
    for path in sorted(FOLDER.glob("*.yaml")):
        for name, row in read_yaml(path).data.items():
            parts = {key: row.pop(key) for key in ("timeout", "on_failure", "steps") if key in row}
            sub = row.pop("sub", None)
            text = "" if sub is None else f"{TRIGGER}steps: {_flow(sub)}\n"
            workflow = "".join(f"{key}: {_flow(value)}\n" for key, value in parts.items())
            yield Case(f"{path.stem}: {name}", TRIGGER + workflow, text, **row)


def _flow(value: Any) -> str:
    """YAML on one line; unlike canonical JSON, in the order that was written."""
    return json.dumps(value, ensure_ascii=False)


class Recorder(Server):
    """Answers everything: with what it is told, else with the path that was asked for."""

    def __init__(self, replies: dict[str, list[Any]] | None = None) -> None:
        super().__init__()
        for path, listed in (replies or {}).items():
            self.on(f"/{path}", *(_reply(one) for one in listed))

    def route(self, path: str) -> Handler | None:
        """What answers a path."""
        return super().route(path) or _echo

    @property
    def calls(self) -> list[str]:
        """The paths asked for, in order."""
        return [_plain(seen.path) for seen in self.seen]

    @property
    def keys(self) -> list[tuple[str, str]]:
        """Each call with its idempotency key."""
        return [(_plain(seen.path), seen.headers.get("idempotency-key", "")) for seen in self.seen]


def _plain(path: str) -> str:
    return unquote(path.lstrip("/"))


def _echo(seen: Seen) -> Reply:
    return Reply(body={"path": _plain(seen.path)})


def _reply(given: Any) -> Reply:
    if isinstance(given, int):
        return Reply(given, {"message": "no"})
    return Reply(body=b"<p>no</p>") if given == "text" else Reply(body=given)


def write_actions(home: Path) -> None:
    """The actions that the rows use."""
    (home / "actions").mkdir(parents=True, exist_ok=True)
    (home / "actions" / "http.yaml").write_text(ACTIONS)


def workflow_file(name: str, text: str) -> WorkflowFile:
    """A workflow that others can call."""
    return WorkflowFile(Path(f"{name}.yaml"), f"{name}.yaml", name, None, None, (), text, digest(text.encode()))


def play(rig: Rig, most: int = 200) -> tuple[RunState | None, list[float]]:
    """Carry the run on until it waits for nothing but a person; its state, and the pauses in between."""
    waits: list[float] = []
    state = rig.go()
    while state is RunState.WAITING and len(waits) < most:
        due = rig.store.load_run("r1")[0].due_at
        assert due is not None
        waits.append((due - rig.clock.now()).total_seconds())
        rig.clock.advance(waits[-1])  # type: ignore[attr-defined]
        state = rig.go()
    return state, waits


def shown(rig: Rig) -> str:
    """The attempts as the tables write them."""
    found: dict[str, str] = {}
    for address, _, state in rig.attempts:
        found[address] = found.get(address, "") + LETTERS[state]
    return " ".join(f"{address}:{letters}" for address, letters in found.items())
