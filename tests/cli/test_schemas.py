"""``schema``: what it says of files is what the documentation writes, and of lines what is printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from changewire.cli.schemas import FILES, NAMES
from changewire.config.yaml_files import parse_yaml
from tests.cli.rig import changewire, lines
from tests.docs.pages import Block, all_blocks

KINDS = {
    "config/workflows": "workflow", "config/connections.yaml": "connections", "config/changewire.yaml": "settings",
    "triggers": "trigger", "actions": "actions",
}  # fmt: skip
ROOT = Path(__file__).parents[2]
TRIGGER = {
    "type": "a.b", "title": "A", "description": "A.", "request": {"path": "/a"}, "items": "a", "key": "id",
    "kind": "created", "sample": {"id": 1},
}  # fmt: skip
ACTION = {"title": "A", "description": "A.", "request": {"path": "/a"}}
STEPS = {"steps": [{"use": "core.log", "with": {"message": "hi"}}]}


def schema(name: str) -> Any:
    result = changewire("schema", name)
    assert result.exit_code == 0
    return jsonschema.Draft202012Validator(json.loads(result.stdout))


def kind_of(block: Block) -> str | None:
    folder = next(
        (one for one in ("config/workflows", "triggers", "actions") if block.title.startswith(f"{one}/")), None
    )
    return KINDS.get(folder or block.title)


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name).schema)


@pytest.mark.parametrize("name", FILES)
def test_whatever_the_documentation_writes_fits(name: str) -> None:
    blocks = [block for block in all_blocks("yaml") if kind_of(block) == name]
    assert blocks
    found = schema(name)
    wrong = {b.place: [e.message for e in found.iter_errors(parse_yaml(b.text, "x").data or {})] for b in blocks}
    assert {place: errors for place, errors in wrong.items() if errors} == {}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("workflow", {"trigger": {"type": "zoom.x"}, "steps": [{"uses": "core.log"}]}),
        ("workflow", {"trigger": {"type": "zoom.x"}, "steps": [], "mod": "single"}),
        ("workflow", {"trigger": {"type": "zoom.x", "settle": 0}, "steps": []}),
        ("connections", {"a": {"connector": "http", "auth": {"type": "bearer"}}}),
        ("connections", {"a": {"connector": "http", "share": 2}}),
        ("settings", {"workers": {"polls": 0}}),
        ("settings", {"workers": {"polls": "many"}}),
        ("settings", {"every": "5 minuts"}),
        ("workflow", {"trigger": {"type": "new meeting"}, **STEPS}),
        ("workflow", {"trigger": {"type": "zoom.x", "every": "soon"}, **STEPS}),
        ("workflow", {"trigger": {"type": "zoom.x", "cron": "hourly"}, **STEPS}),
        ("workflow", {"trigger": {"type": "zoom.x", "first_poll": "silent"}, **STEPS}),
        ("workflow", {"trigger": {"type": "zoom.x", "first_poll": {"backfil": {}}}, **STEPS}),
        ("workflow", {"trigger": {"type": "zoom.x"}, **STEPS, "when": "payload.id > 3"}),
        ("workflow", {"trigger": {"type": "zoom.x"}, "steps": [{"use": "log"}]}),
        ("workflow", {"trigger": {"type": "zoom.x"}, "steps": [{"wait": "soon"}]}),
        ("actions", {"connector": "a", "actions": {"b": {**ACTION, "timeot": "1m"}}}),
        ("actions", {"connector": "a", "actions": {"b": {**ACTION, "timeout": "soon"}}}),
        ("actions", {"connector": "a", "actions": {"b": {**ACTION, "parameters": {"c": {"in": "cookie"}}}}}),
        ("actions", {"actions": {"b": ACTION}}),
        *(
            ("trigger", {**TRIGGER, **wrong})
            for wrong in (
                {"type": "New meeting"}, {"kind": "creatd"}, {"key": 3}, {"absence": 3}, {"request": {"pth": "/a"}},
                {"parameters": {"a": {"type": "text"}}}, {"compare": {"volatil": ["a"]}}, {"title": None},
            )
        ),
    ],
)  # fmt: skip
def test_mistakes_do_not_fit(name: str, data: Any) -> None:
    assert list(schema(name).iter_errors(data))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("settings", {"workers": {"polls": "${POLLS}"}, "every": "5m"}),
        ("workflow", {"trigger": [{"type": "zoom.x", "every": "1h"}], "steps": [{"wait": "15m"}]}),
        (
            "workflow",
            {"trigger": {"type": "zoom.x", "every": 300, "first_poll": "baseline"}, "steps": [{"stop": "done"}]},
        ),
        (
            "workflow",
            {"trigger": {"type": "zoom.x", "first_poll": {"backfill": {"max": 3}}}, "steps": [{"stop": None}]},
        ),
        ("workflow", {"trigger": {"type": "zoom.x", "every": "${EVERY:-5m}"}, "steps": [{"wait": "{{ payload.s }}"}]}),
        ("workflow", {"trigger": {"type": "zoom.x"}, "when": True, **STEPS}),
        ("actions", {"connector": "a", "actions": {"b": {**ACTION, "timeout": 90, "parameters": {"c": {}}}}}),
        ("trigger", {**TRIGGER, "key": ["a", "b"], "parameters": {"user_id": None}}),
    ],
)
def test_variables_and_short_forms_fit(name: str, data: Any) -> None:
    assert list(schema(name).iter_errors(data)) == []


@pytest.mark.parametrize(("name", "folder"), [("trigger", "triggers"), ("actions", "actions")])
def test_all_built_in_types_fit(name: str, folder: str) -> None:
    found, check = sorted((ROOT / folder).rglob("*.yaml")), schema(name)
    assert len(found) > 10
    wrong = {
        path.name: [e.message for e in check.iter_errors(parse_yaml(path.read_text(), "x").data)] for path in found
    }
    assert {path: errors for path, errors in wrong.items() if errors} == {}


@pytest.mark.parametrize(
    ("name", "words"),
    [("event", ["events"]), ("run", ["runs"]), ("status", ["status"]), ("problem", ["validate"])],
)
def test_what_is_printed_fits_its_form(name: str, words: list[str], watched: Path) -> None:
    found = lines(changewire(*words, "--home", watched, "--json").stdout)
    assert found
    check = schema(name)
    for line in found:
        assert [error.message for error in check.iter_errors(line)] == []


def test_an_unknown_name_is_told() -> None:
    result = changewire("schema", "workflows")
    assert result.exit_code == 2
    assert "'workflows' is not one of 'workflow', 'connections', 'settings'" in result.stderr
