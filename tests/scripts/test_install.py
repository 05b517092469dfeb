"""What is installed: what is locked, or what the ranges allow, if the lock does not fit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import install

ROOT = Path(__file__).parents[2]
WHEEL = "sha256:" + "0" * 64


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one dependency, a group that includes another one, and their lock files."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "p"\nversion = "1"\ndependencies = ["Some_Library>=1"]\n'
        '[dependency-groups]\nbuild = ["hatchling"]\ntest = [{include-group = "build"}, "py.test>=8"]\n'
    )
    (tmp_path / "requirements").mkdir()
    for name, libraries in {
        "program": ["some-library"],
        "build": ["hatchling"],
        "test": ["hatchling", "py-test"],
    }.items():
        text = "".join(f"{each}==1.0 \\\n    --hash={WHEEL}\n" for each in libraries)
        (tmp_path / "requirements" / f"{name}.txt").write_text(text)
    monkeypatch.setattr(install, "ROOT", tmp_path)
    monkeypatch.setattr(install, "TESTED", (sys.version_info[:2],))
    monkeypatch.delenv("LOCK", raising=False)
    return tmp_path


def test_a_lock_that_has_all_that_is_declared_fits(project: Path) -> None:
    assert install.misfit(["program", "test"]) is None


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ('"Some_Library>=1"', '"Some_Library>=1", "Other.Library"', "other-library"),
        ('"py.test>=8"', '"py.test>=8", "b", "a"', "a, b"),
        ('build = ["hatchling"]', 'build = ["hatchling", "editables"]', "editables"),
    ],
)
def test_a_lock_without_something_that_is_declared_does_not_fit(project: Path, old: str, new: str, names: str) -> None:
    file = project / "pyproject.toml"
    file.write_text(file.read_text().replace(old, new))
    assert install.misfit(["program", "test"]) == f"it has no {names} (renew it: `make lock`)"


def test_the_lock_is_for_what_it_was_tried_with(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert install.misfit(["test"]) == "it was tried on Linux, and this is win32"
    monkeypatch.setattr(install, "TESTED", ((3, 1),))
    reason = install.misfit(["test"])
    assert reason is not None
    assert reason.startswith("it was tried with CPython 3.11 and 3.12, and this is cpython 3.")
    monkeypatch.setenv("LOCK", "no")
    assert install.misfit(["test"]) == "LOCK=no says so"


def test_a_release_with_another_hash_is_not_installed(tmp_path: Path) -> None:
    wheel = tmp_path / "thing-1.0-py3-none-any.whl"
    wheel.write_bytes(b"not what was locked")
    (tmp_path / "lock.txt").write_text(f"thing==1.0 \\\n    --hash={WHEEL}\n")
    options = ("--no-index", "--find-links", str(tmp_path), "--target", str(tmp_path / "target"))
    command = [*install.PIP, *options, "--require-hashes", "--no-deps", "--requirement", str(tmp_path / "lock.txt")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr


def test_what_make_installs_are_groups_that_have_a_lock() -> None:
    text = (ROOT / "Makefile").read_text()
    (groups,) = [line.partition(":= ")[2].split() for line in text.splitlines() if line.startswith("GROUPS := ")]
    assert [install.lock(name).is_file() for name in ("program", *groups)] == [True] * (len(groups) + 1)
    assert {path.stem for path in (ROOT / "requirements").iterdir()} == {"program", *groups}
    assert all(install.requirements(name) for name in groups)
