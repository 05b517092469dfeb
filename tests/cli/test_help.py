"""What the program says about itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from changewire import __version__
from tests.cli.rig import COMMANDS, changewire, program

HEAVY = (
    "apprise",
    "apscheduler",
    "authlib",
    "cryptography",
    "deepdiff",
    "jinja2",
    "pydantic",
    "requests",
    "rich",
    "sqlite_utils",
    "yaml",
)
TALKING = {"apprise", "authlib", "cryptography", "limits", "requests", "rich", "sqlite_utils", "urllib3"}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_explains_itself_with_examples(command: str, flag: str) -> None:
    result = changewire(command, flag)
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert f"changewire {command}" in result.stdout.split("Examples:")[1]
    for option in ("--home", "--json", "--debug"):
        assert option in result.stdout


def test_the_program_lists_its_commands_in_the_order_of_need_and_its_exit_codes() -> None:
    result = changewire("--help")
    assert result.exit_code == 0
    listed = result.stdout.split("Commands:\n")[1].split("\n\n")[0]
    assert tuple(line.split()[0] for line in listed.splitlines()) == COMMANDS
    assert "..." not in listed, "a sentence that is cut off helps nobody"
    assert "Examples:" in result.stdout
    assert "Exit codes:" in result.stdout


def test_without_a_command_the_help_is_talk_and_the_use_is_wrong() -> None:
    result = changewire()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Commands:" in result.stderr


def test_the_version_is_that_of_the_package() -> None:
    result = changewire("--version")
    assert (result.exit_code, result.stdout) == (0, f"changewire {__version__}\n")


def test_help_loads_nothing_heavy() -> None:
    code = f"import sys, changewire.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_home_is_looked_at_without_what_only_talks_to_apis(tmp_path: Path) -> None:
    assert changewire("init", str(tmp_path / "home")).exit_code == 0
    code = f"""
import sys
from pathlib import Path
from changewire.home.loading import load_home
load_home(Path({str(tmp_path / "home")!r}))
print(sorted({TALKING!r} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_come_at_once(flag: str) -> None:
    taken = []
    for _ in range(4):
        before = os.times()
        assert program(flag).returncode == 0
        after = os.times()  # of the processor: how long others make it wait is not our doing
        spent = after.children_user - before.children_user + after.children_system - before.children_system
        taken.append(spent)
    assert min(taken) < 0.25


WRONG = [
    (("statsu",), "there is no command 'statsu'; did you mean 'status'? (`changewire --help` tells how it is used)"),
    (
        ("status", "--jsn"),
        "there is no option '--jsn'; did you mean '--json'? (`changewire status --help` tells how it is used)",
    ),
    (
        ("--hme", "x", "status"),
        "there is no option '--hme'; did you mean '--home'? (`changewire --help` tells how it is used)",
    ),
    (("call",), "missing argument 'ACTION' (`changewire call --help` tells how it is used)"),
    (
        ("sandbox", "--port", "x"),
        "invalid value for '--port': 'x' is not a valid integer range "
        "(`changewire sandbox --help` tells how it is used)",
    ),
]


@pytest.mark.parametrize(("words", "told"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_wrong_use_is_one_sentence_with_the_nearest_word(words: tuple[str, ...], told: str) -> None:
    result = changewire(*words)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", told + "\n")


def test_an_unknown_command_far_from_all_is_told_the_list() -> None:
    result = changewire("xyzzy")
    assert result.exit_code == 2
    assert all(command in result.stderr for command in COMMANDS)


@pytest.mark.parametrize("order", ["before", "after", "variable"])
def test_home_and_json_may_stand_before_or_after_the_command(order: str, watched: Path) -> None:
    orders: dict[str, tuple[str | Path, ...]] = {
        "before": ("--home", watched, "--json", "events"),
        "after": ("events", "--home", watched, "--json"),
        "variable": ("events", "--json"),
    }
    variables = {"CHANGEWIRE_HOME": str(watched)} if order == "variable" else {}
    result = changewire(*orders[order], **variables)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 3


def test_outside_of_a_home_one_is_told_how_to_make_one(tmp_path: Path) -> None:
    result = changewire("status")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"{tmp_path} is not in a changewire home: make one with `changewire init DIR`, "
        "or name one with --home DIR or CHANGEWIRE_HOME\n"
    )


def test_a_home_that_is_none_is_told_as_that(tmp_path: Path) -> None:
    result = changewire("validate", "--home", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"--home names {tmp_path}/nowhere, which is not a folder")
