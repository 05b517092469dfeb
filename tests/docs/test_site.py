"""The documentation as a site: every page stands in its navigation, and it builds without a warning."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, ROOT

SITE = ROOT / "zensical.toml"
BUILDER = Path(sys.executable).with_name("zensical")


def _pages(entry: object) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, list | dict):
        for each in entry.values() if isinstance(entry, dict) else entry:
            yield from _pages(each)


def test_the_navigation_names_every_page_once() -> None:
    named = list(_pages(tomllib.loads(SITE.read_text())["project"]["nav"]))
    assert sorted(named) == sorted(str(page.relative_to(DOCS)) for page in PAGES)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    if not BUILDER.exists():
        pytest.skip("needs the dependency group docs")
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(SITE, tmp_path)
    return tmp_path


def _build(site: Path) -> subprocess.CompletedProcess[str]:
    command = [str(BUILDER), "build", "--strict"]
    return subprocess.run(command, cwd=site, capture_output=True, text=True, timeout=120, check=False)


def test_it_builds_without_a_warning(site: Path) -> None:
    done = _build(site)
    assert (done.returncode, "No issues found" in done.stdout + done.stderr) == (0, True), done.stdout + done.stderr
    built = site / "build" / "site"
    assert [page for page in PAGES if not (built / page.relative_to(DOCS).with_suffix(".html")).exists()] == []
    assert "zoom.new_cloud_recording" in (built / "search.json").read_text()


def test_a_link_that_leads_nowhere_breaks_the_build(site: Path) -> None:
    with (site / "docs" / "index.md").open("a") as page:
        page.write("\n[a heading that is not there](tutorial.md#nowhere)\n")
    assert _build(site).returncode != 0
