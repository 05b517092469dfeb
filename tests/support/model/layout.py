"""The small home of the model: three kinds of workflows, the types they use, and what each run of them must do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.homes import make_home
from tests.support.model.shop import URLS

KINDS = ("orders", "tickets", "price")
WAIT_S = {"orders": 600.0, "tickets": 300.0}  # between the last effect before the `wait` of a run and the one after it
EVERY_S = 60.0
SETTINGS = "workers: {polls: 4, runs: 3}\n"  # as many as `workers.Queue` has places
_LIST = {"label": "MEDIUM"}
_MOVED = {
    name: f"{{{{ (changes | first).{side} if changes else none }}}}"
    for name, side in (("before", "old"), ("now", "new"))
}
_TRIGGERS: dict[str, dict[str, Any]] = {
    "orders": {
        "request": {"path": "/orders", **_LIST}, "items": "data", "key": "id", "kind": "created",
        "detail": {"path": "/orders/{item.id}", "label": "RESOURCE-INTENSIVE"},
        "payload": {"id": "{{ item.id }}"}, "sample": {"id": 1}, "sample_detail": {"detail": {"id": 1}},
    },
    "tickets": {
        "request": {"path": "/tickets", **_LIST}, "items": "data", "key": "id", "kind": "status", "status": "state",
        "payload": _MOVED,
        "sample": {"id": 1, "state": "new"},
    },
    "price": {
        "request": {"path": "/price", **_LIST}, "key": "parameters.path", "kind": "updated",
        "parameters": {"path": {"default": "/price"}},
        "payload": _MOVED,
        "sample": {"price": 1},
    },
}  # fmt: skip
_HIT = {
    "title": "Act", "description": "Acts on the bank.", "label": "MEDIUM", "parameters": {"path": {"required": True}},
}  # fmt: skip
_ACTIONS = {
    "charge": {**_HIT, "request": {"method": "POST", "path": "/{path}"}, "idempotency": "none"},
    "note": {**_HIT, "request": {"method": "POST", "path": "/{path}"}, "idempotency": "header"},
    "set": {**_HIT, "request": {"method": "POST", "path": "/{path}"}, "idempotency": "natural"},
    "look": {**_HIT, "request": {"method": "GET", "path": "/{path}"}, "idempotency": "pure"},
}


def _step(action: str, subject: str, **more: Any) -> dict[str, Any]:
    given = {"path": f"{subject}-{{{{ event.id }}}}", "connection": "bank"}
    if more.pop("each", False):
        given["path"] += "-{{ n }}"
    return {"use": f"zoom.{action}", "with": given, **more}


_ITERATION = [_step("charge", "charge", each=True), _step("note", "note", each=True)]
_RETRY = {"attempts": 4, "delay": "10s", "backoff": "constant"}
_STEPS: dict[str, list[dict[str, Any]]] = {
    "orders": [
        {"for_each": "{{ [0, 1, 2] }}", "as": "n", "max_parallel": 2, "do": _ITERATION},
        {"wait": "10m"},
        _step("note", "after"),
    ],
    "tickets": [_step("look", "look"), _step("charge", "ship"), {"wait": "5m"}, _step("set", "after", retry=_RETRY)],
    "price": [
        _step("set", "tag", retry=_RETRY),
        {"if": "{{ payload.now != payload.before }}", "then": [_step("charge", "pay")]},
    ],
}
_ON_FAILURE = [_step("look", "failed"), _step("note", "told")]


def subjects(kind: str, event_id: str) -> dict[str, str]:
    """Everything that a run does once, by what it does: the action that does it."""
    if kind == "orders":
        each = {f"/{word}-{event_id}-{n}": word for word in ("charge", "note") for n in range(3)}
        return {**each, f"/after-{event_id}": "note"}
    words = {"tickets": {"ship": "charge", "after": "set"}, "price": {"tag": "set", "pay": "charge"}}[kind]
    return {f"/{word}-{event_id}": action for word, action in words.items()}


def workflow(name: str, kind: str, mode: str = "parallel", *, backfill: bool = False) -> str:
    """The text of a workflow file (JSON is YAML)."""
    trigger: dict[str, Any] = {"type": f"zoom.{kind}_moved", "connection": "shop", "every": f"{EVERY_S:.0f}s"}
    if backfill and kind == "orders":
        trigger["first_poll"] = {"backfill": {"max": 50}}
    data: dict[str, Any] = {"name": name, "trigger": trigger, "steps": _STEPS[kind], "on_failure": _ON_FAILURE}
    if kind == "orders" and mode != "parallel":
        data["mode"] = mode
    if kind == "tickets":
        data["timeout"] = "2h"
    return json.dumps(data)


def write(path: Path) -> Path:
    """Write a home without workflows."""
    auth = {"type": "bearer", "token": "let-me-in"}
    connections = {
        name: {"connector": "zoom", "plan": "free", "base_url": url, "auth": auth} for name, url in URLS.items()
    }
    make_home(path, json.dumps(connections), {}, settings=SETTINGS)
    (path / "triggers").mkdir()
    for kind, spec in _TRIGGERS.items():
        words = {"type": f"zoom.{kind}_moved", "title": kind, "description": kind}
        (path / "triggers" / f"{kind}.yaml").write_text(json.dumps({**words, **spec}))
    (path / "actions").mkdir()
    (path / "actions" / "zoom.yaml").write_text(json.dumps({"connector": "zoom", "actions": _ACTIONS}))
    return path
