"""The table of operations is brought up to date from OpenAPI documents."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from changewire.connectors.operations import Operations

SCRIPT = Path(__file__).parents[2] / "scripts" / "operations.py"
NOTES = """Long words.
**[Scopes](https://x):** `thing:read`,`thing:read:admin`

**[Granular Scopes](https://x):** `thing:read:list_things`,`thing:read:list_things:admin`

**[Rate Limit Label](https://x):** `MEDIUM`
"""
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.0",
    "info": {"title": "Things"},
    "components": {
        "parameters": {"Id": {"name": "thingId", "in": "path", "required": True, "schema": {"type": "string"}}},
        "schemas": {"New": {"type": "object", "required": ["owner", "name"], "properties": {}}},
    },
    "paths": {
        "/things": {
            "get": {
                "operationId": "things",
                "summary": "list things.",
                "description": NOTES,
                "parameters": [
                    {"name": "page_size", "in": "query", "schema": {"type": "integer", "maximum": 300, "default": 30}},
                    {"name": "next_page_token", "in": "query", "schema": {"type": "string"}},
                    {"name": "kind", "in": "query", "required": True, "schema": {"type": "string", "enum": ["a", "b"]}},
                    {"name": "from", "in": "query", "schema": {"type": "string", "format": "date"}},
                    {"name": "all", "in": "query", "schema": {"type": "boolean", "default": False}},
                ],
                "responses": {"200": {"content": {"application/json": {"schema": {
                    "properties": {"page_size": {"type": "integer"}, "things": {"type": "array"}}}}}}},
            },
            "post": {
                "operationId": "create a thing",
                "summary": "Create a thing",
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/New"}}}},
                "responses": {"201": {}},
            },
        },
        "/things/{thingId}": {
            "parameters": [{"$ref": "#/components/parameters/Id"}],
            "delete": {"operationId": "", "summary": "Delete a thing", "responses": {"204": {}}, "deprecated": True},
        },
    },
}  # fmt: skip


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("operations_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rebuild(script: ModuleType, table: Path, document: dict[str, Any]) -> Operations:
    source = table.with_suffix(".json")
    source.write_text(json.dumps(document))
    assert script.main([str(table), str(source)]) == 0
    return Operations(table.read_text())


def test_a_document_becomes_a_table(script: ModuleType, tmp_path: Path) -> None:
    found = rebuild(script, tmp_path / "x.tsv", DOCUMENT)
    assert list(found) == ["things", "createAThing", "deleteThings"]
    listed, made, gone = (found[name] for name in found)
    assert (listed.title, listed.domain, listed.label, listed.paging) == ("List things", "Things", "MEDIUM", "token")
    assert (listed.items, listed.success) == ("things", 200)
    assert listed.classic == ("thing:read", "thing:read:admin")
    assert listed.granular == ("thing:read:list_things", "thing:read:list_things:admin")
    assert [(p.name, p.type, p.required, p.enum, p.max, p.default) for p in listed.query_parameters] == [
        ("page_size", "integer", False, None, 300, "30"),
        ("next_page_token", "string", False, None, None, None),
        ("kind", "string", True, ("a", "b"), None, None),
        ("from", "date", False, None, None, None),
        ("all", "boolean", False, None, None, "false"),
    ]
    assert (made.body, made.required_body, made.success) == ("json", ("name", "owner"), 201)
    assert (made.label, made.assumed_label) == ("HEAVY", True)
    assert (gone.status, [p.name for p in gone.path_parameters]) == ("deprecated", ["thingId"])


def test_names_and_what_a_document_does_not_say_stay(script: ModuleType, tmp_path: Path, capsys: Any) -> None:
    table = tmp_path / "x.tsv"
    rebuild(script, table, DOCUMENT)
    capsys.readouterr()
    later = json.loads(json.dumps(DOCUMENT))
    operation = later["paths"]["/things"]["get"]
    operation |= {"operationId": "renamed", "summary": "List all things", "description": "No notes."}
    del later["paths"]["/things"]["post"]
    later["paths"]["/other"] = {"get": {"operationId": "other", "summary": "Other"}}
    found = rebuild(script, table, later)
    assert found["things"].title == "List all things"
    assert (found["things"].label, found["things"].classic) == ("MEDIUM", ("thing:read", "thing:read:admin"))
    assert "createAThing" in found
    assert capsys.readouterr().out == "new: 1\n  other\ngone: 1\n  createAThing\n"


def test_names_stay_unambiguous(script: ModuleType, tmp_path: Path) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    document["paths"]["/more"] = {"get": {"operationId": "Create_A_thing", "summary": "More"}}
    assert set(rebuild(script, tmp_path / "x.tsv", document)) == {
        "things", "createAThing", "deleteThings", "thingsCreate_A_thing",
    }  # fmt: skip


def test_the_built_in_table_is_as_the_script_writes_it(script: ModuleType, tmp_path: Path) -> None:
    table = SCRIPT.parents[1] / "src" / "changewire" / "connectors" / "zoom.tsv"
    script.write_table(tmp_path / "again.tsv", script.read_table(table))
    assert (tmp_path / "again.tsv").read_text() == table.read_text()


def test_without_a_document_the_command_says_how_it_is_used() -> None:
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "python scripts/operations.py" in done.stderr
