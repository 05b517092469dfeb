"""Looking at a home that cannot be written: a read-only disk, or a user who is not the daemon's."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.rig import changewire, lines

RUN = """
import json, os, sys
from click.testing import CliRunner
from changewire.cli import root
commands, home, other_home = map(json.loads, sys.argv[1:])
def told(home):
    done = [CliRunner().invoke(root, [*words, "--home", home]) for words in commands]
    return [(result.exit_code, result.stdout, result.stderr) for result in done]
told(other_home)  # so that all modules are loaded: the other user may not be able to read them
if os.geteuid() == 0:  # root may write everything
    os.setuid(65534)
os.environ["HOME"] = "/nonexistent"
print(json.dumps(told(home)))
"""


@pytest.fixture
def home(watched: Path) -> Iterator[Path]:
    """A home that nobody but root may write, and everybody may read."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / "home"
        shutil.copytree(watched, home)
        Path(name).chmod(0o755)
        for path in (home, *home.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        yield home
        for path in (home, *home.rglob("*")):
            path.chmod(0o755)


def as_another(home: Path, other_home: Path, *commands: tuple[str, ...]) -> list[Any]:
    """What the commands say in ``home`` to a user who may not write it, after they were tried in ``other_home``."""
    given = [json.dumps(commands), json.dumps(str(home)), json.dumps(str(other_home))]
    done = subprocess.run([sys.executable, "-c", RUN, *given], capture_output=True, text=True, check=True, timeout=60)
    told: list[Any] = json.loads(done.stdout)
    return told


def test_commands_that_only_look_work_where_nothing_can_be_written(home: Path, watched: Path) -> None:
    run = lines(changewire("runs", "--home", watched, "--json").stdout)[0]["id"]
    commands = [("status",), ("status", "--json"), ("events",), ("runs",), ("runs", run), ("explain", "Meetings")]
    commands += [("explain", run), ("plan",), ("validate",), ("test", "Meetings", "--json")]
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    found = as_another(home, watched, *commands)
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
    for words, (code, out, err) in zip(commands, found, strict=True):
        expected = changewire(*words, "--home", watched)
        told = expected.stdout.replace(str(watched), str(home)), expected.stderr.replace(str(watched), str(home))
        assert (words, code) == (words, expected.exit_code)
        if words[0] in ("plan", "test", "status") or "Meetings" in words:  # which tell of this very moment
            assert (bool(out), "The database" in err) == (bool(told[0]), False)
        else:
            assert (words, out, err) == (words, *told)


def test_a_state_folder_of_another_user_is_told(home: Path) -> None:
    (home / "state").chmod(0o700)
    for command in (("status",), ("events",), ("explain", "Meetings")):
        ((code, out, err),) = as_another(home, home, command)
        assert (code, out) == (1, "")
        assert err == (
            f"The database {home}/state/changewire.db cannot be read by this user: do it as the user who runs the "
            "daemon.\n"
        )


def test_commands_that_write_say_what_they_need(home: Path) -> None:
    words = "cannot be written: let this user write the file and its folder"
    for command in (("prune",), ("pause", "Meetings"), ("reset", "Meetings", "--yes")):
        ((code, _, err),) = as_another(home, home, command)
        assert code == 1
        assert f"The database {home}/state/changewire.db {words}" in err
