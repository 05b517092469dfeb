"""Every YAML block of the documentation is what it says it is, and can be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from changewire.home.loading import load_home
from tests.docs.generated import catalog
from tests.docs.pages import DOCS, Block, all_blocks, blocks

VARIABLES = {
    "ZOOM_ACCOUNT_ID": "account", "ZOOM_CLIENT_ID": "client", "ZOOM_CLIENT_SECRET": "secret",
    "ZOOM_USER": "you@example.com", "SHOP_TOKEN": "token", "NOTIFY_URL": "json://localhost", "TEAM": "red",
    "CRM_TOKEN": "token", "SMTP_USER": "user", "SMTP_PASSWORD": "word",
}  # fmt: skip
CONNECTIONS = """
work: {connector: zoom, user: you@example.com, auth: {type: bearer, token: t}}
shop: {connector: http, base_url: "https://shop.example.com"}
"""
WORKFLOW = {
    "name": "Example",
    "trigger": {"type": "zoom.meeting_recording_changed", "connection": "work", "with": {"meeting_id": "85746065432"}},
    "steps": [{"use": "core.log", "with": {"message": "{{ event.id }}"}}],
}
WHOLE_TYPE = next(b for b in blocks(DOCS / "reference/trigger-types.md") if b.title.startswith("triggers/"))
PASTED = [block for block in all_blocks("yaml") if "<!-- generated: " in block.page.read_text() and not block.title]
YAML = [block for block in all_blocks("yaml") if block not in PASTED]
FILES = [block for block in YAML if block.title.partition("/")[0] in {"config", "triggers", "actions"}]
WHOLE_ACTION = {"title": "Example", "description": "An example.", "operation": "meeting"}
PARTS: dict[str, Any] = {
    "part of a workflow": WORKFLOW,
    "part of a trigger type": yaml.safe_load(WHOLE_TYPE.text),
    "part of an action": WHOLE_ACTION,
}


def test_every_block_says_what_it_is() -> None:
    odd = [block.place for block in YAML if block not in FILES and block.title not in PARTS]
    assert odd == []


def test_what_the_reference_offers_to_paste_can_be_used(tmp_path: Path) -> None:
    home = _home(tmp_path)
    pasted = [yaml.safe_load(block.text) for block in PASTED]
    steps = [step for each in pasted if isinstance(each, list) for step in each]
    workflows = [each for each in pasted if isinstance(each, dict)]
    assert len(workflows) == len(catalog().triggers)
    assert {step["use"] for step in steps} == set(catalog().actions)
    for number, each in enumerate([*workflows, {**WORKFLOW, "name": "All steps", "steps": steps}]):
        (home / "config" / "workflows" / f"{number}.yaml").write_text(yaml.safe_dump(each))
    assert _problems(home) == []


def _ids(block: Block) -> str:
    return f"{block.place} {block.title}"


def _home(folder: Path) -> Path:
    (folder / "config" / "workflows").mkdir(parents=True)
    (folder / "config" / "connections.yaml").write_text(CONNECTIONS)
    (folder / "secrets").mkdir()
    (folder / "secrets" / "zoom").write_text("secret\n")
    return folder


def _problems(home: Path) -> list[str]:
    return [str(problem) for problem in load_home(home, VARIABLES).problems]


@pytest.mark.parametrize("block", FILES, ids=_ids)
def test_a_whole_file_can_be_used_with_those_of_its_page(block: Block, tmp_path: Path) -> None:
    home = _home(tmp_path)
    code = [each for each in blocks(block.page) if each.language == "python" and "/" in each.title]
    for other in [*code, *(each for each in blocks(block.page) if each in FILES and _beside(each, block))]:
        path = home / other.title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(other.text)
    assert _problems(home) == []
    assert (
        block.title.startswith(("config/con", "config/cha", "triggers/", "actions/"))
        or load_home(home, VARIABLES).triggers
    )


def _beside(other: Block, block: Block) -> bool:
    """What may lie in one home with ``block``: itself and files of other names, each in its last version before.

    Of other workflows only those that it calls.
    """
    if other == block:
        return True
    if other.title == block.title:
        return False
    if other.title.startswith("config/workflows/"):
        return f"call: {yaml.safe_load(other.text).get('name')}" in block.text
    later = [each for each in blocks(block.page) if each.title == other.title and other.line < each.line < block.line]
    return not later


@pytest.mark.parametrize("block", [block for block in YAML if block.title in PARTS], ids=_ids)
def test_a_part_can_be_used_in_what_it_is_a_part_of(block: Block, tmp_path: Path) -> None:
    home = _home(tmp_path)
    whole = _merged(PARTS[block.title], yaml.safe_load(block.text))
    if block.title == "part of a workflow":
        (home / "config" / "workflows" / "part.yaml").write_text(yaml.safe_dump(whole))
    elif block.title == "part of an action":
        whole = _merged({**WHOLE_ACTION, "operation": None}, yaml.safe_load(block.text))
        if whole["operation"] is None:
            whole["operation"] = None if {"request", "code"} & whole.keys() else "meeting"
        (home / "actions").mkdir()
        file = {"connector": "zoom", "actions": {"example": whole}}
        (home / "actions" / "zoom.yaml").write_text(yaml.safe_dump(file))
    else:
        (home / "triggers").mkdir()
        (home / "triggers" / "part.yaml").write_text(yaml.safe_dump(whole))
    assert _problems(home) == []


def _merged(whole: Any, part: Any) -> Any:
    if not isinstance(whole, dict) or not isinstance(part, dict):
        return part
    if {"type", "with"} & part.keys() and part.get("type", whole.get("type")) != whole.get("type"):
        return part  # another trigger type altogether
    return whole | {key: _merged(whole.get(key), value) for key, value in part.items()}
