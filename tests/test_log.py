"""What is written of what happens."""

from __future__ import annotations

import io
import json

import pytest

from changewire.log import LEVELS, ConsoleLog, Level, level_of
from changewire.testing import ManualClock


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("debug", ["run_fenced", "event_stored", "core.log", "poll_failed", "worker_failed"]),
        ("info", ["event_stored", "core.log", "poll_failed", "worker_failed"]),
        ("warning", ["core.log", "poll_failed", "worker_failed"]),
        ("error", ["worker_failed"]),
    ],
)
def test_only_what_matters_enough_is_written(level: Level, written: list[str]) -> None:
    stream = io.StringIO()
    log = ConsoleLog(ManualClock(), stream=stream, level=lambda: level)
    log("run_fenced", "run_fenced")
    log("event_stored", "event_stored")
    log("core.log", "core.log", level="warning")
    log("poll_failed", "poll_failed")
    log("worker_failed", "worker_failed")
    assert [line.split("  ")[1] for line in stream.getvalue().splitlines()] == written


def test_a_changed_level_counts_at_once() -> None:
    stream, level = io.StringIO(), ["error"]
    log = ConsoleLog(ManualClock(), stream=stream, level=lambda: level[0])  # type: ignore[arg-type,return-value]
    log("event_stored", "first")
    level[0] = "info"
    log("event_stored", "second")
    assert "first" not in stream.getvalue()
    assert "second" in stream.getvalue()


def test_every_level_is_known() -> None:
    assert {level_of(word, {}) for word in ("run_fenced", "x", "problem", "state_failed")} == set(LEVELS)


def test_what_strangers_wrote_does_not_steer_the_terminal_of_those_who_read_the_log() -> None:
    stream = io.StringIO()
    ConsoleLog(ManualClock(), stream=stream)("core.log", "Hi\x1b]0;owned\x07")
    assert stream.getvalue().endswith(r"  Hi\u001b]0;owned\u0007" + "\n")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", "\x0b", "\x85", "\u2028"])
def test_data_cannot_begin_a_line_that_looks_like_ours(newline: str) -> None:
    stream = io.StringIO()
    ConsoleLog(ManualClock(), stream=stream)("core.log", f"topic{newline}10:00:01  daemon_stopped\n    below")
    first, *further = stream.getvalue().splitlines()
    assert first.endswith("topic")
    assert further == [10 * " " + "10:00:01  daemon_stopped", "    below"]


@pytest.mark.parametrize("blank", ["\u00a0", "\u3000", "\u2003", "\t", "\v", "\n", "\r", "\u200b"])
def test_no_blank_hides_the_beginning_of_a_line(blank: str) -> None:
    stream = io.StringIO()
    ConsoleLog(ManualClock(), stream=stream)("core.log", f"topic\n{blank}10:00:01  daemon_stopped")
    assert all(line.startswith(10 * " ") for line in stream.getvalue().splitlines()[1:])


@pytest.mark.parametrize(
    "end", ["\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029", "\x1b[2J", "\x9b", "\u202e"]
)
def test_a_line_of_json_is_one_line_and_steers_nothing(end: str) -> None:
    stream = io.StringIO()
    ConsoleLog(ManualClock(), stream=stream, as_json=True)("core.log", f"a{end}b", **{f"k{end}": f"c{end}d"})
    (line,) = stream.getvalue().splitlines()
    assert {name: json.loads(line)[name] for name in ("message", f"k{end}")} == {
        "message": f"a{end}b",
        f"k{end}": f"c{end}d",
    }
    assert end not in line


@pytest.mark.parametrize("as_json", [False, True])
def test_what_json_cannot_hold_is_logged_as_far_as_it_can_be(as_json: bool) -> None:
    stream = io.StringIO()
    log = ConsoleLog(ManualClock(), stream=stream, as_json=as_json)
    log("chore_failed", "no such file: \udcff.csv", path="\udcff.csv", size=2**70)
    assert "no such file: \ufffd.csv" in stream.getvalue()
