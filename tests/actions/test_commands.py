from __future__ import annotations

import sys
from typing import Any

import pytest

from changewire.actions.calling import check_inputs, perform
from changewire.clock import SystemClock
from changewire.config.settings import AllowSettings, Settings
from changewire.errors import ApiError, UsageError
from changewire.secret import Secret
from tests.actions.rig import Rig

ALLOWED = Settings(allow=AllowSettings(run_command=True))


def run(rig: Rig, command: list[Any], *, timeout: float = 20, written: Any = None, **given: Any) -> Any:
    clock = SystemClock()
    action = rig.action("core.run_command")
    context = rig.context(
        settings=ALLOWED, clock=clock, deadline=clock.monotonic() + timeout, written=written or {"command": command}
    )
    return perform(action, check_inputs(action, {"command": command, **given}), context)


def python(rig: Rig, code: str, *arguments: Any, **given: Any) -> Any:
    return run(rig, [sys.executable, "-c", code, *arguments], **given)


def test_programs_are_off_unless_the_settings_allow_them(rig: Rig) -> None:
    action = rig.action("core.run_command")
    with pytest.raises(UsageError) as caught:
        perform(action, check_inputs(action, {"command": ["true"]}), rig.context())
    assert str(caught.value) == (
        "programs may not be run here: set `allow: {run_command: true}` in config/changewire.yaml"
    )


def test_a_program_runs_and_its_output_is_kept(rig: Rig) -> None:
    assert run(rig, ["echo", "a b", "$HOME; ls"]) == {
        "exit_code": 0,
        "stdout": "a b $HOME; ls\n",
        "stderr": "",
        "json": None,
        "truncated": False,
    }


def test_data_goes_in_and_out_as_json(rig: Rig) -> None:
    found = python(rig, "import sys, json; print(json.dumps({'n': json.load(sys.stdin)['n'] + 1}))", stdin={"n": 1})
    assert found["json"] == {"n": 2}


def test_its_environment_is_empty_but_for_what_is_named(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOOM_CLIENT_SECRET", "never-to-be-seen")
    found = run(rig, ["env"], env={"A": 1, "KEY": Secret("open-sesame")})
    assert sorted(found["stdout"].splitlines()) == ["A=1", "KEY=open-sesame", "PATH=/bin:/usr/bin"]


def test_it_runs_in_a_folder_of_its_own(rig: Rig) -> None:
    found = python(rig, "import os; print(os.getcwd())", folder="jobs/../../x")
    assert found["stdout"].strip().startswith(str(rig.home / "state/files"))


def test_long_output_is_cut(rig: Rig) -> None:
    found = python(rig, "import sys; print('x' * 500_000); print('y' * 500_000, file=sys.stderr)", max_output="1KB")
    assert (len(found["stdout"]), len(found["stderr"]), found["truncated"]) == (1000, 1000, True)


def test_an_exit_code_is_an_error_unless_expected(rig: Rig) -> None:
    code = "import sys; print('first\\nno such thing', file=sys.stderr); sys.exit(3)"
    with pytest.raises(ApiError) as caught:
        python(rig, code)
    assert str(caught.value).endswith("ended with exit code 3: no such thing")
    assert python(rig, code, expect=[0, "3"])["exit_code"] == 3
    with pytest.raises(ApiError, match="was ended by signal 9"):
        python(rig, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")


def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(rig: Rig) -> None:
    clock = SystemClock()
    begun = clock.monotonic()
    code = (
        "import signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "subprocess.Popen(['sleep', '60']); time.sleep(60)"
    )
    with pytest.raises(ApiError, match="did not end in time and was ended"):
        python(rig, code, timeout=0.5)
    assert clock.monotonic() - begun < 20


def test_a_program_that_leaves_another_behind_does_not_hold_the_run_up(rig: Rig) -> None:
    found = python(rig, "import subprocess; subprocess.Popen(['sleep', '60']); print('done')")
    assert found["stdout"] == "done\n"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"command": []}, "command names no program"),
        ({"command": ["no-such-program"]}, "there is no program 'no-such-program' in /bin:/usr/bin"),
        ({"command": ["echo", "a\0b"]}, "cannot be started: embedded null byte"),
        ({"command": ["echo"], "expect": ["x"]}, "expect must be a list of exit codes, such as [0, 1]"),
        ({"command": ["echo"], "max_output": "much"}, "'much' is not a size"),
        (
            {"command": ["rm"], "written": {"command": ["{{ payload.x }}"]}},
            "which program runs must stand in",
        ),
        (
            {"command": ["rm"], "written": {"command": "{{ payload.x }}"}},
            "which program runs must stand in",
        ),
    ],
)
def test_what_cannot_be_run_is_told(rig: Rig, given: Any, message: str) -> None:
    with pytest.raises((UsageError, ValueError)) as caught:
        run(rig, **given)
    assert message in str(caught.value)
