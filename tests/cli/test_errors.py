"""Errors in words: never a traceback unless it was asked for, never a secret."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from changewire.secret import Secret
from changewire.state.store import SqliteStore
from tests.cli.conftest import MEETINGS
from tests.cli.rig import PROGRAM, changewire, program

FAULT = "zero is not one, my-very-secret"


def _broken(*_: object, **__: object) -> None:
    raise ZeroDivisionError(FAULT)


def test_a_fault_of_our_own_is_one_sentence_without_a_traceback(watched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Secret("my-very-secret")
    monkeypatch.setattr(SqliteStore, "each_event", _broken)
    result = changewire("events", "--home", watched)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "a fault in Changewire itself: ZeroDivisionError: zero is not one, ***; "
        "run again with --debug to see where, and please report it\n"
    )


@pytest.mark.parametrize("words", [("--debug", "events"), ("events", "--debug")], ids=" ".join)
def test_debug_shows_where_and_still_no_secret(
    words: tuple[str, ...], watched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Secret("my-very-secret")
    monkeypatch.setattr(SqliteStore, "each_event", _broken)
    result = changewire(*words, "--home", watched)
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert "my-very-secret" not in result.output


def test_broken_settings_are_told_one_a_line(make_home: Callable[..., Path]) -> None:
    home = make_home(a=MEETINGS)
    (home / "config" / "changewire.yaml").write_text("every: soon\nalert_after: 0\n")
    result = changewire("run", "--home", home)
    assert (result.exit_code, result.stdout) == (1, "")
    assert [line.split(": ")[0] for line in result.stderr.splitlines()] == [
        "config/changewire.yaml:1:8",
        "config/changewire.yaml:2:14",
    ]


def test_a_damaged_database_is_one_sentence(make_home: Callable[..., Path]) -> None:
    home = make_home(a=MEETINGS)
    (home / "state").mkdir()
    (home / "state" / "changewire.db").write_bytes(b"this is no database, whatever it may be" * 40)
    for command in ("status", "events", "runs", "run"):
        result = changewire(command, "--home", home)
        assert result.exit_code == 1
        assert result.stdout == ""
        told = [line for line in result.stderr.splitlines() if "database" in line]
        assert len(told) == 1
        assert "is damaged or no database: move it away" in told[0]
        assert "Traceback" not in result.stderr


def test_an_empty_database_is_no_new_home(make_home: Callable[..., Path]) -> None:
    home = make_home(a=MEETINGS)
    (home / "state").mkdir()
    path = home / "state" / "changewire.db"
    path.touch()
    for command in ("status", "events", "runs", "run", "prune"):
        result = changewire(command, "--home", home)
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"The database {path} is empty, so what was seen is not known any more." in result.stderr
    assert path.stat().st_size == 0


def test_a_reader_that_goes_away_is_no_news(watched: Path) -> None:
    program_text = " ".join(PROGRAM)
    for words in (f"events --json --home {watched}", "catalog --json", f"runs --home {watched}"):
        shell = f"{program_text} {words} | true; {program_text} {words} | head -1 > /dev/null"
        done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
        assert done.stderr.replace("`changewire catalog NAME` shows parameters, needs and YAML to paste\n", "") == ""


def test_an_output_that_cannot_be_written_is_one_sentence(watched: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, "events", "--json", "--home", str(watched)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "the output: no space left on device\n")


def test_a_terminal_that_knows_no_arrows_is_no_reason_to_fail(watched: Path) -> None:
    variables = {"PYTHONIOENCODING": "latin-1", "PATH": "/usr/bin:/bin"}
    assert "\\u2192" in program("events", "--home", watched, env=variables).stdout
    assert program("events", "--home", watched, "--json", env=variables).returncode == 0


def test_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch, watched: Path) -> None:
    def interrupted(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(SqliteStore, "each_event", interrupted)
    result = changewire("events", "--home", watched)
    assert (result.exit_code, result.output.strip()) == (130, "")


def test_the_program_answers_to_both_names() -> None:
    beside = Path(PROGRAM[0]).with_name("changewire")
    done = subprocess.run([beside, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == program("--version").stdout


def test_a_word_that_is_none_of_a_few_is_told_with_the_nearest() -> None:
    assert changewire("sandbox", "--plan", "bussiness").stderr == (
        "invalid value for '--plan': 'bussiness' is not one of 'free', 'pro', 'business'; did you mean 'business'? "
        "(`changewire sandbox --help` tells how it is used)\n"
    )
    assert "did you mean" not in changewire("completion", "powershell").stderr
