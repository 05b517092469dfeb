"""``run`` as a process of its own: signals, outputs, exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

import pytest

from changewire.daemon import Daemon
from changewire.sandbox import OWNER_EMAIL, Sandbox
from tests.cli.conftest import DETAILS, MEETINGS, TYPO
from tests.cli.rig import background, changewire, lines, program
from tests.support.processes import wait_for

Make = Callable[..., Path]


class Running:
    """A daemon and the lines it says."""

    def __init__(self, process: subprocess.Popen[str], stream: str) -> None:
        self.process = process
        self.lines: list[str] = []
        self._arriving: Queue[str] = Queue()
        threading.Thread(target=self._read, args=(getattr(process, stream),), daemon=True).start()

    def _read(self, stream: Iterator[str]) -> None:
        for line in stream:
            self._arriving.put(line.rstrip("\n"))

    def wait_for(self, text: str) -> str:
        """The first line from now on with ``text`` in it."""
        while True:
            try:
                self.lines.append(self._arriving.get(timeout=15))
            except Empty:
                pytest.fail(f"never said {text!r} but {self.lines}")
            if text in self.lines[-1]:
                return self.lines[-1]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Its exit code after a signal; ten seconds are the promise."""
        self.process.send_signal(number)
        return self.process.wait(10)


@contextmanager
def running(home: Path, *words: str, stream: str = "stderr") -> Iterator[Running]:
    process = background("run", "--home", home, *words)
    with process:
        try:
            yield Running(process, stream)
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: signal.Signals(number).name)
def test_a_signal_ends_it_in_good_order(number: int, make_home: Make) -> None:
    with running(make_home(a=MEETINGS)) as daemon:
        daemon.wait_for("watching, ")
        begun = time.monotonic()
        assert daemon.end(number) == 0
        assert time.monotonic() - begun < 10
        daemon.wait_for("stopped")
        assert daemon.process.stdout is not None
        assert daemon.process.stdout.read() == ""


def test_a_poll_that_hangs_does_not_hold_up_the_end(make_home: Make) -> None:
    with Sandbox(enforce_limits=False) as slow:
        slow.control("faults", match="GET /v2/users", kind="delay", delay_s=30.0, times=5)
        home = make_home(a=MEETINGS)
        text = (home / "config" / "connections.yaml").read_text()
        (home / "config" / "connections.yaml").write_text(
            "\n".join(f"  base_url: {slow.url}" if "base_url" in line else line for line in text.splitlines())
        )
        with running(home) as daemon:
            daemon.wait_for("watching 1 trigger")
            assert wait_for(lambda: slow.control("stats")["faults"][0]["fired"] > 0)  # the poll has been asked
            assert daemon.end() == 0


def test_json_is_one_object_a_line_on_stdout_and_nothing_else(sandbox: Sandbox, make_home: Make) -> None:
    with running(make_home(a=MEETINGS, typo=TYPO), "--json", stream="stdout") as daemon:
        daemon.wait_for("baseline_taken")
        sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic="Seen")
        daemon.wait_for("run_left")
        assert daemon.end() == 0
        daemon.wait_for("daemon_stopped")
        told = lines("\n".join(daemon.lines))
        assert all({"v", "at", "action", "message"} <= line.keys() for line in told)
        assert {"problem", "daemon_started", "baseline_taken", "event_stored", "daemon_stopped"} <= {
            line["action"] for line in told
        }
        assert daemon.process.stderr is not None
        assert daemon.process.stderr.read() == ""


def test_a_broken_workflow_is_told_and_the_others_run(make_home: Make) -> None:
    with running(make_home(a=MEETINGS, typo=TYPO)) as daemon:
        assert "did you mean 'zoom.new_meeting_created'?" in daemon.wait_for("typo.yaml:2:17")
        daemon.wait_for("watching 1 trigger")
        assert daemon.end() == 0


def test_sighup_reads_the_files_again(make_home: Make) -> None:
    home = make_home(a=MEETINGS)
    with running(home) as daemon:
        daemon.wait_for("watching, ")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for("took over the changed files: 1 trigger")
        (home / "config" / "workflows" / "b.yaml").write_text(DETAILS)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for("took over the changed files: 2 triggers")
        assert daemon.end() == 0


def test_the_state_is_for_its_owner_only(make_home: Make) -> None:
    home = make_home(a=MEETINGS)
    before = os.umask(0)
    try:
        with running(home) as daemon:
            daemon.wait_for("watching, ")
            modes = {path.name: path.stat().st_mode & 0o777 for path in (home / "state").iterdir()}
            assert daemon.end() == 0
    finally:
        os.umask(before)
    assert modes["changewire.db"] == 0o600
    assert set(modes.values()) == {0o600}
    assert (home / "state").stat().st_mode & 0o777 == 0o700


def test_a_second_daemon_is_refused_and_told_which_is_there(make_home: Make) -> None:
    home = make_home(a=MEETINGS)
    with running(home) as daemon:
        daemon.wait_for("watching, ")
        second = program("run", "--home", home)
        assert (second.returncode, second.stdout) == (1, "")
        assert f"Another Changewire (process {daemon.process.pid})" in second.stderr
        assert daemon.end() == 0


def test_a_loop_that_breaks_is_told_and_everything_is_put_away(
    make_home: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Daemon) -> None:
        raise ZeroDivisionError("no turn can be taken")

    monkeypatch.setattr(Daemon, "loop", broken)
    home = make_home(a=MEETINGS)
    for _ in range(2):  # the lock is free again
        result = changewire("run", "--home", home)
        assert result.exit_code == 1
        assert "a fault in Changewire itself: ZeroDivisionError: no turn can be taken; run again" in result.stderr
        assert "Another Changewire" not in result.stderr


def test_an_empty_home_is_one_sentence_with_what_to_do(make_home: Make) -> None:
    home = make_home()
    result = changewire("run", "--home", home)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"there is no workflow in {home}/config/workflows: write one (`changewire catalog` lists what there is), "
        "then run again\n"
    )


def test_a_home_in_which_nothing_can_be_used_tells_all_problems_and_what_to_do(make_home: Make) -> None:
    home = make_home(typo=TYPO, other=TYPO.replace("Typo", "Other"))
    result = changewire("run", "--home", home)
    told = result.stderr.splitlines()
    assert (result.exit_code, len(told)) == (1, 3)
    assert told[-1] == (
        f"none of the 2 workflows in {home}/config/workflows can be used, so there is nothing to watch: "
        "mend the problems told above"
    )
