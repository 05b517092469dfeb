"""Completion in shells."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from changewire.cli import root
from tests.cli.conftest import MEETINGS
from tests.cli.rig import changewire

Make = Callable[..., Path]


def complete(words: list[str], begun: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("CHANGEWIRE_HOME", str(home))
    found = ShellComplete(root, {}, "changewire", "_CHANGEWIRE_COMPLETE").get_completions(words, begun)
    return [item.value for item in found]


@pytest.mark.parametrize(
    ("words", "begun", "some"),
    [
        ([], "ca", ["call", "cancel", "catalog"]),
        (["call"], "core.l", ["core.log"]),
        (["call"], "zoom.recordingG", ["zoom.recordingGet"]),
        (["catalog"], "zoom.new_m", ["zoom.new_meeting_created", "zoom.new_meeting_participant"]),
        (["call", "zoom.list_meetings"], "pa", ["page_number=", "page_size="]),
        (["call", "zoom.list_meetings"], "type=up", ["type=upcoming", "type=upcoming_meetings"]),
        (["call", "zoom.list_meetings", "type", "="], "up", ["upcoming", "upcoming_meetings"]),
        (["call", "zoom.list_meetings", "from"], "=", ["today", "yesterday"]),
        (["call", "zoom.list_meetings"], "from=to", ["from=today", "from=tomorrow"]),
        (["call", "zoom.meeting"], "show_previous_occurrences=", ["show_previous_occurrences=true"]),
        (["call", "zoom.create_meeting"], "sett", ["settings."]),
        (["call", "zoom.create_meeting"], "settings.join_b", ["settings.join_before_host="]),
        (["call", "zoom.create_meeting"], "settings.join_before_host=", ["settings.join_before_host=true"]),
        (["call", "zoom.create_meeting", "settings.join_before_host", "="], "f", ["false"]),
        (["call", "zoom.users", "--connection"], "w", ["work"]),
        (["connect"], "", ["work"]),
        (["test"], "", ["Meetings"]),
        (["reset"], "Me", ["Meetings"]),
        (["events", "--workflow"], "Me", ["Meetings"]),
        (["explain"], "Meetings/", ["Meetings/trigger"]),
        (["pause"], "Meet", ["Meetings"]),
        (["call", "zoom.nothing_like_it"], "a", []),
        (["test"], "Nothing", []),
    ],
)
def test_what_may_stand_there_is_offered(
    words: list[str], begun: str, some: list[str], make_home: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = complete(words, begun, make_home(meetings=MEETINGS), monkeypatch)
    assert set(some) <= set(found)
    assert all(one.startswith(begun) or begun == "=" for one in found)
    if not some:
        assert found == []


def test_what_is_given_is_not_offered_again(make_home: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    found = complete(["call", "zoom.list_meetings", "type=live"], "t", make_home(), monkeypatch)
    assert "type=" not in found
    assert "to=" in found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_is_printed(shell: str) -> None:
    result = changewire("completion", shell)
    assert result.exit_code == 0
    assert "_CHANGEWIRE_COMPLETE" in result.stdout


def test_the_program_answers_the_script(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash here")
    (tmp_path / "script").write_text(changewire("completion", "bash").stdout)
    checked = subprocess.run([bash, "-n", tmp_path / "script"], capture_output=True, timeout=60, check=False)
    assert checked.returncode == 0
    asked = {"_CHANGEWIRE_COMPLETE": "bash_complete", "COMP_WORDS": "changewire cata", "COMP_CWORD": "1"}
    starting = "import sys; from changewire.cli import root; sys.argv[0] = 'changewire'; root.main()"
    done = subprocess.run(
        [sys.executable, "-c", starting], env={**os.environ, **asked}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("plain,catalog\n", 0)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("New", [r"New\ meeting"]),
        (r"New\ me", [r"New\ meeting"]),
        ('"New me', ["New meeting"]),
    ],
)
def test_names_with_spaces_are_quoted_for_bash(typed: str, offered: list[str], make_home: Make) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash here")
    home = make_home(new=MEETINGS.replace("name: Meetings", "name: New meeting"))
    asked = (
        f"{changewire('completion', 'bash').stdout}\nCOMP_WORDS=(changewire test {shlex.quote(typed)}); COMP_CWORD=2\n"
        f"_changewire_completion {Path(sys.executable).parent / 'changewire'}\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        [bash, "-c", asked], env={**os.environ, "CHANGEWIRE_HOME": str(home)}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == offered, done.stderr


@pytest.mark.parametrize("name", ["a\nplain,rm", "a\x1b[2J", "a\u2028b", "a\tb", "a\u202eb"])
def test_a_name_that_is_not_one_line_is_not_offered(
    name: str, make_home: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(meetings=MEETINGS, other=MEETINGS.replace("name: Meetings", f"name: {json.dumps(name)}"))
    assert complete(["test"], "", home, monkeypatch) == ["Meetings"]
    assert complete(["explain"], "a", home, monkeypatch) == []
