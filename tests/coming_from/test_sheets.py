"""What other systems offer for Zoom, by name: each trigger, action, parameter and command has its like here."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from changewire.catalog import load_catalog
from changewire.parameters import Parameter, check_values
from changewire.values import Json

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CATALOG = load_catalog(ROOT)
ACTIONS, TRIGGERS = CATALOG.actions, CATALOG.triggers
PAGE = (ROOT / "docs" / "coming-from.md").read_text(encoding="utf-8")

ELSEWHERE = {  # parameters that have another place here, not another spelling
    "hostVideo": "settings.hostVideo",
    "participantVideo": "settings.participantVideo",
    "joinBeforeHost": "settings.joinBeforeHost",
    "muteUponEntry": "settings.muteUponEntry",
    "waitingRoom": "settings.waitingRoom",
    "autoRecording": "settings.autoRecording",
}


def rows(name: str) -> list[dict[str, str]]:
    with (HERE / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        return [{key: value or "" for key, value in row.items()} for row in csv.DictReader(file, delimiter="\t")]


def plain(name: str) -> str:
    """``ZOOM_CREATE_A_MEETING`` → ``create_meeting``."""
    return re.sub(r"_(a|all)_", "_", name.removeprefix("ZOOM_").removesuffix("_TRIGGER").lower())


def leads_to(parameters: Mapping[str, Parameter], name: str) -> Parameter | None:
    """The parameter or field that ``name`` is a spelling of; None: there is no such thing."""
    found, problems = check_values(parameters, {name: "{{ anything }}"}, allow_templates=True)
    if any(problem.code == "unknown_parameter" for problem in problems):
        return None
    known: Mapping[str, Parameter] | None = parameters
    value: Json = {key: found[key] for key in found if "anything" in str(found[key])}
    one: Parameter | None = None
    while isinstance(value, dict):
        ((key, value),) = value.items()
        one = (known or {}).get(key)
        if one is None:
            return None
        known = one.fields
    return one


@pytest.mark.parametrize("row", rows("composio_actions"), ids=lambda row: f"{plain(row['action'])}-{row['parameter']}")
def test_each_parameter_of_a_composio_tool_is_here(row: dict[str, str]) -> None:
    action = ACTIONS[f"zoom.{plain(row['action'])}"]
    found = leads_to(action.parameters, row["parameter"])
    assert found is not None, f"{action.name} has no {row['parameter']}"
    kind = {"object[]": "list", "string[]": "list"}.get(row["type"], row["type"])
    assert found.type in (kind, "any", "date", "date-time") or (kind, found.type) in {
        ("integer", "string"),  # ids: both are taken
        ("string", "integer"),
    }, f"{row['parameter']} is {found.type} here"


@pytest.mark.parametrize("row", rows("composio_triggers"), ids=lambda row: f"{plain(row['trigger'])}-{row['name']}")
def test_each_parameter_and_payload_field_of_a_composio_trigger_is_here(row: dict[str, str]) -> None:
    kind = TRIGGERS[f"zoom.{plain(row['trigger'])}"]
    if row["place"] == "parameter":
        assert leads_to(kind.parameters, row["name"]) is not None
    else:
        assert row["name"] in kind.payload


@pytest.mark.parametrize(
    "row",
    [row for row in rows("aacflow") if row["place"] == "parameter"],
    ids=lambda row: f"{row['action']}-{row['name']}",
)
def test_each_parameter_of_an_aacflow_tool_is_here(row: dict[str, str]) -> None:
    here = {name for theirs, name, _ in told("AACFlow") if theirs == row["action"]}
    assert here, f"docs/coming-from.md does not tell of {row['action']}"
    name = ELSEWHERE.get(row["name"], row["name"])
    elsewhere = row["name"] in {"downloadFiles", "includeFolderItems"} and row["name"] in PAGE
    assert elsewhere or any(leads_to(ACTIONS[one].parameters, name) is not None for one in here)


@pytest.mark.parametrize("command", [row["command"] for row in rows("zoom_skill")])
def test_each_command_of_the_zoom_skill_is_here(command: str) -> None:
    here = [name for theirs, name, _ in told("Zoom skill") if theirs == command]
    assert here, f"docs/coming-from.md does not tell of {command}"


def told(system: str) -> list[tuple[str, str, str]]:
    """What the page says of a system: their word, the action here, and the whole cell; the actions are all there."""
    section = re.split(r"^## ", PAGE, flags=re.M)
    (text,) = [part for part in section if part.startswith(system)]
    found = []
    for theirs, here in re.findall(r"^\| `([^`|]+)`[^|]*\| (.+) \|$", text, flags=re.M):
        names = re.findall(r"\bzoom\.[a-z_]+", here)
        assert names, f"{theirs}: which action?"
        assert set(names) <= {*ACTIONS, *TRIGGERS}, f"{theirs}: {names}"
        found += [(theirs, name, here) for name in names]
    return found


def test_the_page_tells_of_every_composio_tool_and_trigger() -> None:
    theirs = {row["action"] for row in rows("composio_actions")} | {row["trigger"] for row in rows("composio_triggers")}
    assert {name for name, _, _ in told("Composio")} == theirs
