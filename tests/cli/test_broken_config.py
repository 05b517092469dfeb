"""A home whose settings or variables are broken: what does not need them does its work."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.rig import changewire, lines

ENV = ("config/.env", "A=1\nnonsense\n", "config/.env:2:1: this is not NAME=value")
SETTINGS = ("config/changewire.yaml", "every: soon\n", "config/changewire.yaml:1:8: 'every'")
CONNECTIONS = ("config/connections.yaml", "zoom: [\n", "config/connections.yaml:1:7: ")
TOLD = "shown is what was known last: mend this, so that the files count and `changewire run` can start\n"


@pytest.fixture(params=[ENV, SETTINGS, CONNECTIONS], ids=lambda broken: str(broken[0]))
def broken(request: pytest.FixtureRequest, watched: Path, tmp_path: Path) -> tuple[Path, str]:
    """A home in which a file broke after something was watched, and what is told of it."""
    name, text, told = request.param
    home = shutil.copytree(watched, tmp_path / "broken")
    (home / name).write_text(text)
    return home, told


def test_what_was_recorded_is_shown_without_a_word_of_it(broken: tuple[Path, str], watched: Path) -> None:
    run = lines(changewire("runs", "--home", watched, "--json").stdout)[0]
    for command in (("events",), ("runs",), ("runs", run["id"]), ("explain", run["id"]), ("explain", run["event"])):
        here, there = (changewire(*command, "--home", home) for home in (broken[0], watched))
        assert (here.exit_code, here.stdout, here.stderr) == (0, there.stdout, there.stderr)


def test_types_and_schemas_are_shown_without_a_word_of_it(broken: tuple[Path, str], watched: Path) -> None:
    for command in (("catalog", "zoom"), ("catalog", "zoom.get_meeting", "--json"), ("schema", "workflow")):
        here, there = (changewire(*command, "--home", home) for home in (broken[0], watched))
        assert (here.exit_code, here.stdout, here.stderr) == (0, there.stdout, there.stderr)


@pytest.mark.parametrize("broken", [ENV, SETTINGS], ids=lambda broken: str(broken[0]), indirect=True)
def test_status_shows_what_was_known_last_and_calls_a_person(broken: tuple[Path, str], watched: Path) -> None:
    home, told = broken
    result = changewire("status", "--home", home, "--json")
    (view,), (before,) = (lines(changewire("status", "--home", one, "--json").stdout) for one in (home, watched))
    names = {trigger["name"]: trigger["type"] for trigger in before["triggers"]}
    assert {trigger["name"]: trigger["type"] for trigger in view["triggers"]} == names
    assert result.exit_code == 3
    assert result.stderr.startswith(told)
    assert TOLD in result.stderr
    assert changewire("status", "--home", home).exit_code == 3


@pytest.mark.parametrize("broken", [ENV, SETTINGS], ids=lambda broken: str(broken[0]), indirect=True)
def test_explain_of_a_workflow_tells_what_was_known_last(broken: tuple[Path, str]) -> None:
    home, told = broken
    for name in ("Meetings", "Meetings/trigger"):
        result = changewire("explain", name, "--home", home)
        assert result.exit_code == 0
        assert result.stdout.startswith("Meetings/trigger  zoom.new_meeting_created  ")
        assert result.stderr.startswith(told)
    wrong = changewire("explain", "Meeting", "--home", home)
    assert (wrong.exit_code, wrong.stderr.splitlines()[-1]) == (
        2,
        "there is no workflow 'Meeting'; did you mean 'Meetings'?",
    )


@pytest.mark.parametrize("broken", [ENV, SETTINGS], ids=lambda broken: str(broken[0]), indirect=True)
def test_where_nothing_was_recorded_the_mistake_is_all_there_is_to_tell(broken: tuple[Path, str]) -> None:
    home, told = broken
    shutil.rmtree(home / "state")
    for command in (("status",), ("explain", "Meetings")):
        result = changewire(*command, "--home", home)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(told)
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [("run",), ("plan",), ("check",), ("test", "Meetings"), ("call", "core.log")])
def test_what_needs_the_file_fails_with_its_place(command: tuple[str, ...], watched: Path, tmp_path: Path) -> None:
    home = shutil.copytree(watched, tmp_path / "broken")
    (home / ENV[0]).write_text(ENV[1])
    result = changewire(*command, "--home", home)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"{ENV[2]}\n")
