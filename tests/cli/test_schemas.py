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

KINDS = {"config/workflows": "workflow", "config/connections.yaml": "connections", "config/changewire.yaml": "settings"}


def schema(name: str) -> Any:
    result = changewire("schema", name)
    assert result.exit_code == 0
    return jsonschema.Draft202012Validator(json.loads(result.stdout))


def kind_of(block: Block) -> str | None:
    return KINDS.get("config/workflows" if block.title.startswith("config/workflows") else block.title)


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
    ],
)
def test_mistakes_do_not_fit(name: str, data: Any) -> None:
    assert list(schema(name).iter_errors(data))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("settings", {"workers": {"polls": "${POLLS}"}, "every": "5m"}),
        ("workflow", {"trigger": [{"type": "zoom.x", "every": "1h"}], "steps": [{"wait": "15m"}]}),
    ],
)
def test_variables_and_short_forms_fit(name: str, data: Any) -> None:
    assert list(schema(name).iter_errors(data)) == []


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
