"""``init``: a home that works once it knows the account."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from changewire.cli.making import planned
from changewire.config.home_folder import is_home
from changewire.home.loading import load_home
from tests.cli.rig import changewire, lines

VARIABLES = {
    "ZOOM_ACCOUNT_ID": "a",
    "ZOOM_CLIENT_ID": "b",
    "ZOOM_CLIENT_SECRET": "secret",
    "ZOOM_USER": "me@example.com",
}
FILES = {
    ".gitignore",
    "config/.env.example",
    "config/changewire.yaml",
    "config/connections.yaml",
    "config/workflows/new_meeting.yaml",
    "config/workflows/new_recording.yaml",
}


def test_a_new_home_is_valid_once_the_variables_are_set(tmp_path: Path) -> None:
    result = changewire("init", "watch")
    home = tmp_path / "watch"
    assert result.exit_code == 0
    assert set(result.stdout.split()) == {f"watch/{name}" for name in FILES}
    assert is_home(home)
    assert all((home / name).is_dir() for name in ("triggers", "actions", "state"))
    loaded = load_home(home, VARIABLES)
    assert loaded.problems == []
    assert len(loaded.triggers) == 2


def test_what_is_missing_is_told_variable_by_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    changewire("init", "watch")
    problems = [
        line
        for line in lines(changewire("validate", "--home", "watch", "--json").stdout)
        if line["file"] == "config/connections.yaml"
    ]
    assert {problem["code"] for problem in problems} == {"unset"}
    assert all(any(name in problem["message"] for problem in problems) for name in VARIABLES)


@pytest.mark.parametrize(("name", "written"), [("watch", "watch"), ("my wörk", "'my wörk'"), ("it's", "'it'\"'\"'s'")])
def test_the_next_commands_that_it_names_work(name: str, written: str, tmp_path: Path) -> None:
    result = changewire("init", name)
    commands = [line.split("#")[0].strip() for line in result.stderr.split("Next:\n")[1].splitlines()]
    assert commands[1:] == [f"changewire {word} --home {written}" for word in ("validate", "check", "run")]
    subprocess.run(shlex.split(commands[0]), check=True, cwd=tmp_path)
    env = tmp_path / name / "config" / ".env"
    assert env.stat().st_mode & 0o777 == 0o600
    env.write_text("".join(f"{name}={value}\n" for name, value in VARIABLES.items()))
    assert changewire("validate", "--home", name).exit_code == 0


def test_an_env_file_that_was_copied_and_not_filled_in_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    changewire("init", "watch")
    config = tmp_path / "watch" / "config"
    (config / ".env").write_text((config / ".env.example").read_text())
    result = changewire("validate", "--home", "watch")
    assert result.exit_code == 1
    told = [line for line in result.stdout.splitlines() if line.startswith("config/connections.yaml:")]
    assert [line.partition(": ")[2] for line in told] == [
        "'user' must not be empty",
        "'account_id' must not be empty",
        "'client_id' must not be empty",
        "this secret is empty",
    ]


def test_json_names_the_home_and_its_files(tmp_path: Path) -> None:
    (view,) = lines(changewire("init", "watch", "--json").stdout)
    assert view.keys() == {"v", "home", "files"}
    assert view["home"] == str(tmp_path / "watch")
    assert set(view["files"]) == FILES


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    changewire("init", "watch")
    before = {path: path.read_bytes() for path in (tmp_path / "watch").rglob("*") if path.is_file()}
    result = changewire("init", "watch")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is there already, and nothing is overwritten: choose another folder\n" in result.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "watch").rglob("*") if path.is_file()} == before


def test_a_folder_with_other_things_becomes_a_home_and_keeps_its_gitignore(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("mine\n")
    (tmp_path / "README").write_text("mine\n")
    result = changewire("init", ".")
    assert result.exit_code == 0
    assert (tmp_path / ".gitignore").read_text() == "mine\n"
    assert "changewire validate  " in result.stderr


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = changewire("init", "file/home")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("the home cannot be made in file/home: ")
    assert len(result.stderr.splitlines()) == 1


def test_the_templates_are_those_that_ship() -> None:
    assert {target.as_posix() for _, target in planned()} == FILES
