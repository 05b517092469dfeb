"""The reference has every key that there is, and none that there is not."""

from __future__ import annotations

import importlib
import json
import re
from datetime import timedelta
from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from changewire.config.steps import Common
from changewire.durations import format_duration
from changewire.filters import FILTERS
from changewire.parameters import Parameter
from changewire.templates import render
from changewire.triggers.expressions import EXPRESSIONS, Change
from tests.docs.pages import DOCS, PAGES, tables

MODULES = (
    "changewire.actions.definition",
    "changewire.triggers.counting",
    "changewire.triggers.definition",
    "changewire.config.workflows",
    "changewire.config.steps",
    "changewire.config.connections",
    "changewire.config.settings",
)
MORE = ("changewire.parameters.Parameter", "changewire.connectors.definition.Paging")
NOT_WRITTEN = {
    "changewire.triggers.definition.TriggerType": {"shape"},  # worked out from the others
    "changewire.config.connections.Connection": {"name"},  # stands in front
    "changewire.config.workflows.FirstPoll": {"mode"},  # its two words are the values themselves
}
FILLED_IN = {("changewire.config.workflows.Workflow", "name")}  # by what reads the file
DOCUMENTED = {name: rows for page in PAGES for name, rows in tables(page.read_text(), "model")}


def _models() -> dict[str, type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}
    for module in MODULES:
        for name, value in vars(importlib.import_module(module)).items():
            if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == module:
                found[f"{module}.{name}"] = value
    for path in MORE:
        module, _, name = path.rpartition(".")
        found[path] = getattr(importlib.import_module(module), name)
    hidden = {"Part", "_Part", "_Auth", "ConnectionEntry"}
    return {path: model for path, model in found.items() if path.rpartition(".")[2] not in hidden}


MODELS = _models()


def _written(path: str, model: type[BaseModel]) -> dict[str, FieldInfo]:
    fields = {str(field.validation_alias or name): field for name, field in model.model_fields.items()}
    if issubclass(model, Parameter) and model is not Parameter:  # what every parameter can say, too
        fields = {key: field for key, field in fields.items() if key not in Parameter.model_fields}
    if issubclass(model, Common) and model is not Common:  # what every step can say has a table of its own
        fields = {key: field for key, field in fields.items() if key not in Common.model_fields}
    return {key: field for key, field in fields.items() if key not in NOT_WRITTEN.get(path, set())}


@pytest.mark.parametrize("path", MODELS)
def test_every_key_is_documented_and_no_other(path: str) -> None:
    assert path in DOCUMENTED, "no table in the docs says that it is about this model"
    keys = [row[0].strip("`") for row in DOCUMENTED[path]]
    assert sorted(keys) == sorted(_written(path, MODELS[path]))


@pytest.mark.parametrize("path", MODELS)
def test_defaults_are_told_as_they_are(path: str) -> None:
    for key, _, told in DOCUMENTED[path]:
        field = _written(path, MODELS[path])[key.strip("`")]
        if (path, key.strip("`")) in FILLED_IN:
            continue
        assert (told == "required") is field.is_required(), key
        default = field.get_default(call_default_factory=True)
        if isinstance(default, bool | int | float | timedelta | Enum) or (isinstance(default, str) and _plain(default)):
            assert _text(default) in told.split("`"), f"{key} is {_text(default)}"


def _plain(text: str) -> bool:
    return text != "" and "{{" not in text


def _text(value: Any) -> str:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


# filters

CHANGES = [
    Change(("topic",), "A", "B"),
    Change(("settings", "audio"), "both", "voip"),
    Change(("files", "[f1]", "status"), "processing", "completed"),
    Change(("files", "[f2]"), None, {"id": "f2"}),
]
TOLD = dict(tables((DOCS / "reference" / "paths-and-expressions.md").read_text(), "filters"))


def test_every_filter_of_ours_is_documented() -> None:
    assert {row[0].strip("`") for row in TOLD["changewire.templates"]} == set(FILTERS)
    here = {"fields", "as_fields", "entries", "added", "removed", "edited", "moved", "became"}
    assert {row[0].strip("`") for row in TOLD["changewire.triggers.expressions"]} == here


@pytest.mark.parametrize(("where", "row"), [(where, row) for where, rows in TOLD.items() for row in rows])
def test_the_example_of_a_filter_gives_what_it_says(where: str, row: list[str]) -> None:
    example, gives = (cell.strip("`").replace("\\|", "|") for cell in row[1:])
    assert re.search(rf"\b{row[0].strip('`')}\b", example)
    templates = EXPRESSIONS.render if where.endswith("expressions") else render
    found = templates(example, {"changes": CHANGES})
    assert found == (json.loads(gives) if not isinstance(found, str) else gives)
