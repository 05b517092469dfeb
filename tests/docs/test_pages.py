"""Links lead somewhere, everything that there is is mentioned, and tables that follow from files follow from them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from changewire.cli import root
from tests.docs.generated import GENERATED, PLACE, TABLES, catalog, renewed
from tests.docs.pages import DOCS, PAGES, ROOT, anchors, links

GUARANTEES = ROOT / "tests" / "acceptance" / "test_guarantees.py"


def _id(page: Path) -> str:
    return str(page.relative_to(DOCS))


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_on_the_map() -> None:
    reached = {(DOCS / link.partition("#")[0]).resolve() for link in links(DOCS / "index.md")}
    assert {page.resolve() for page in PAGES} - reached == {(DOCS / "index.md").resolve()}


@pytest.mark.parametrize("page", GENERATED, ids=lambda page: page.name if page == ROOT / "README.md" else _id(page))
def test_generated_tables_are_up_to_date(page: Path) -> None:
    text = page.read_text()
    assert text == renewed(text), "run: python -m tests.docs.generated"


def test_each_table_is_somewhere() -> None:
    assert {name for page in GENERATED for name in PLACE.findall(page.read_text())} == set(TABLES)


def test_everything_that_there_is_is_mentioned() -> None:
    text = "".join(page.read_text() for page in PAGES)
    known = catalog()
    for name in (*known.triggers, *known.actions):
        assert f"`{name}`" in text or f"\n## {name}\n" in text, name
    for name in root.commands:
        assert f"changewire {name}" in text, name


def test_each_guarantee_has_a_test_of_its_own() -> None:
    named = re.findall(
        r"(?m)^## (\d+)\. .*?\*Test: `(test_guarantee_(\d+))`\*", (DOCS / "guarantees.md").read_text(), re.S
    )
    assert [(a, b) for a, _, b in named] == [(str(n), str(n)) for n in range(1, 13)]
    there = re.findall(r"def (test_guarantee_\d+)_", GUARANTEES.read_text())
    assert {name for _, name, _ in named} == set(there)


def test_other_tests_that_hold_guarantees_are_there() -> None:
    text = (DOCS / "guarantees.md").read_text().partition("## The tests that hold them up")[2]
    rows = re.findall(r"(?m)^\| (\d+) \| (.*) \|$", text)
    assert [number for number, _ in rows] == [str(n) for n in range(1, 13)]
    for _, cell in rows:
        for path, _, name in (told.partition("::") for told in re.findall(r"`([^`]+)`", cell)):
            assert re.search(rf"(?m)^ *def {name}\(", (ROOT / path).read_text()), f"{path} has no {name}"


def test_variables_of_the_zoom_page_are_those_of_its_connection() -> None:
    text = (DOCS / "how-to" / "real-zoom.md").read_text()
    connection = (ROOT / "config" / "connections.yaml").read_text()
    wanted = set(re.findall(r"\$\{(ZOOM_\w+)\}", text))
    assert wanted == {"ZOOM_USER", "ZOOM_ACCOUNT_ID", "ZOOM_CLIENT_ID", "ZOOM_CLIENT_SECRET"}
    assert wanted <= set(re.findall(r"\$\{(ZOOM_\w+)", connection))
    assert wanted <= set(re.findall(r"(?m)^(ZOOM_\w+)=", text))


def test_places_in_the_code_are_there() -> None:
    """``file::name`` and ``folder/``, from the package or from the root."""
    text = (DOCS / "why" / "reading-the-code.md").read_text()
    places = re.findall(r"`([\w/.]+/[\w.]*|[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(places) > 20
    for path, name in places:
        file = next((each for each in (ROOT / "src" / "changewire" / path, ROOT / path) if each.exists()), None)
        assert file is not None, f"there is no {path}"
        assert not name or re.search(rf"(?m)^(def|class) {name}\b", file.read_text()), f"{path} has no {name}"
