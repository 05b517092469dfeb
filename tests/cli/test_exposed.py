"""Secrets in a file that others can read: told with the command that ends it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import MEETINGS
from tests.cli.rig import background, changewire, lines

Make = Callable[..., Path]


def exposed_home(make_home: Make, text: str = "KEY=value\n", mode: int = 0o644) -> tuple[Path, str]:
    home = make_home(a=MEETINGS)
    env = home / "config" / ".env"
    env.write_text(text)
    env.chmod(mode)
    return home, f"warning: config/.env: others can read it (mode {mode:04o}): chmod 600 {env}"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
@pytest.mark.parametrize("command", ["validate", "check"])
def test_it_is_told_once_and_fails_nothing(command: str, mode: int, make_home: Make) -> None:
    home, warning = exposed_home(make_home, mode=mode)
    result = changewire(command, "--home", home)
    assert (result.exit_code, result.stderr.splitlines().count(warning)) == (0, 1)
    subprocess.run(["sh", "-c", warning.partition("): ")[2]], check=True)  # the command that it names
    assert "warning" not in changewire(command, "--home", home).stderr


@pytest.mark.parametrize(
    ("text", "mode"),
    [("KEY=value\n", 0o600), ("KEY=value\n", 0o400), ("# nothing so far\nKEY=\n", 0o644), ("", 0o644)],
)
def test_nothing_is_told_where_nothing_can_be_read(text: str, mode: int, make_home: Make) -> None:
    home, _ = exposed_home(make_home, text, mode)
    for command in ("validate", "check"):
        assert "others can read" not in changewire(command, "--home", home).stderr


def test_the_daemon_tells_it_at_its_start(make_home: Make) -> None:
    home, warning = exposed_home(make_home)
    daemon = background("run", "--home", home, "--json")
    assert daemon.stdout is not None
    (first,) = lines(daemon.stdout.readline())
    daemon.terminate()
    daemon.communicate(timeout=30)
    assert (first["action"], first["message"], first["code"]) == ("warning", warning, "exposed")


def test_commands_that_only_look_say_nothing_of_it(make_home: Make) -> None:
    home, _ = exposed_home(make_home)
    for command in ("status", "plan"):
        assert "others can read" not in changewire(command, "--home", home).stderr


def test_a_copy_of_the_example_is_private(tmp_path: Path) -> None:
    changewire("init", "watch")
    config = tmp_path / "watch" / "config"
    subprocess.run(["cp", config / ".env.example", config / ".env"], check=True)
    assert (config / ".env").stat().st_mode & 0o777 == 0o600
    other = shutil.copy(config / ".env.example", config / ".env.copy")
    assert Path(other).stat().st_mode & 0o777 == 0o600
