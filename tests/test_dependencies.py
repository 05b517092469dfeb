"""Every library that is imported is declared, every declared one is used, and the lock covers what is declared."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from scripts.install import PROGRAM, requirements

ROOT = Path(__file__).parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = ("build", "test", "check", "docs", "release")
SHIPPED, TESTING = ("src", "actions", "triggers"), ("tests", "bench", "scripts")
OWN = {"changewire", *TESTING, *SHIPPED}
NOT_IMPORTED = {
    "tzdata": "read by zoneinfo if the machine has no time zones",
    "build": "run by the tests of the package",
    "editables": "used by hatchling to install in place",
    "hatchling": "the build system",
    "pytest-xdist": "the option -n of pytest",
    "pyzoom": "read by the tests of the sandbox as a foreign client",
    "zoom-api-helper": "read by the tests of the sandbox as a foreign client",
    "zoom-python-client": "read by the tests of the sandbox as a foreign client",
    "zoomus": "read by the tests of the sandbox as a foreign client",
}
LINE = re.compile(r"([a-z0-9-]+)==([^ ;\\]+)( ; [^\\]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)")


def imports(folders: tuple[str, ...]) -> dict[str, set[str]]:
    """Import name of each library → the files that import it, wherever in them it is imported."""
    found: dict[str, set[str]] = {}
    for path in (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))):
        for name in imported(path):
            found.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    return {name: files for name, files in found.items() if name not in {*sys.stdlib_module_names, *OWN}}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("import_module", "__import__"):
            names = [one.value for one in node.args[:1] if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        yield from (name.partition(".")[0] for name in names)


def distribution(name: str) -> str:
    return canonicalize_name(packages_distributions().get(name, [name])[0])


def declared(*names: str) -> dict[str, Requirement]:
    """Name → requirement, of the program (its extras included) and of groups."""
    texts = [text for name in names for text in requirements(name)]
    if PROGRAM in names:
        texts += [text for extra in PYPROJECT["project"]["optional-dependencies"].values() for text in extra]
    return {canonicalize_name(found.name): found for found in map(Requirement, texts)}


def locked(name: str) -> dict[str, list[Version]]:
    """Name → versions, of one lock file: one for some Pythons and another one for others."""
    found: dict[str, list[Version]] = {}
    for match in LINE.finditer((ROOT / "requirements" / f"{name}.txt").read_text()):
        found.setdefault(match[1], []).append(Version(match[2]))
    return found


def test_every_library_that_the_program_imports_is_declared() -> None:
    known = declared(PROGRAM)
    assert {name: files for name, files in imports(SHIPPED).items() if distribution(name) not in known} == {}


def test_every_library_that_the_tests_import_is_declared() -> None:
    known = declared(PROGRAM, *GROUPS)
    assert {name: files for name, files in imports(TESTING).items() if distribution(name) not in known} == {}


def test_every_declared_library_is_used() -> None:
    used = {distribution(name) for name in imports(SHIPPED)}
    assert declared(PROGRAM).keys() - used - NOT_IMPORTED.keys() == set()
    used |= {distribution(name) for name in imports(TESTING)}
    assert declared("build", "test").keys() - used - NOT_IMPORTED.keys() == set()


def test_what_is_not_imported_for_a_reason_is_declared_and_not_imported() -> None:
    used = {distribution(name) for name in imports((*SHIPPED, *TESTING))}
    assert NOT_IMPORTED.keys() & used == set()
    assert NOT_IMPORTED.keys() - declared(PROGRAM, *GROUPS).keys() == set()


@pytest.mark.parametrize("name", [PROGRAM, *GROUPS])
def test_the_lock_has_a_release_within_each_range(name: str) -> None:
    wanted = {canonicalize_name(found.name): found for found in map(Requirement, requirements(name))}
    versions = locked(name)
    assert wanted.keys() - versions.keys() == set(), "renew it: make lock"
    outside = [
        f"{found} ({version})"
        for key, found in wanted.items()
        for version in versions[key]
        if not found.specifier.contains(version, prereleases=True)
    ]
    assert outside == [], "renew it: make lock"


@pytest.mark.parametrize("name", [PROGRAM, *GROUPS])
def test_every_locked_release_has_hashes_and_nothing_else_is_in_the_lock(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    head, _, _ = text.partition("make lock\n")
    assert all(line.startswith("#") for line in head.splitlines())
    assert LINE.sub("", text.removeprefix(head).removeprefix("make lock\n")) == ""
    assert "://" not in text


def test_all_lock_files_agree_on_each_release() -> None:
    found: dict[str, set[tuple[Version, ...]]] = {}
    for name in (PROGRAM, *GROUPS):
        for key, versions in locked(name).items():
            found.setdefault(key, set()).add(tuple(sorted(versions)))
    assert {key: versions for key, versions in found.items() if len(versions) > 1} == {}


def test_the_build_system_is_that_of_the_lock() -> None:
    build = {canonicalize_name(Requirement(text).name): text for text in PYPROJECT["build-system"]["requires"]}
    group = {canonicalize_name(Requirement(text).name): text for text in requirements("build")}
    assert {name: group.get(name) for name in build} == build
