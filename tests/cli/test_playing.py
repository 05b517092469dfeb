"""``sandbox`` as a process of its own, and the way to ``demo``."""

from __future__ import annotations

import json
import signal
import socket
import urllib.request
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import MEETINGS
from tests.cli.rig import background, changewire
from tests.engine.rig import write_home


def test_the_sandbox_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    with background("sandbox", "--port", "0", "--plan", "pro", "--json") as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert told.keys() == {"v", "url", "connection"}
        assert told["connection"]["plan"] == "pro"
        home = write_home(tmp_path / "home", json.dumps({"work": told["connection"]}), a=MEETINGS)
        assert changewire("test", "Meetings", "--home", home, "--json").stdout.count("\n") == 3
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stdout.read() == ""
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_its_connection_can_be_pasted() -> None:
    with background("sandbox", "--port", "0", "--empty") as process:
        assert process.stderr is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        while "serving until Ctrl-C" not in process.stderr.readline():
            pass
        with urllib.request.urlopen(f"{url}/sandbox") as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert yaml.safe_load(process.stdout.read())["sandbox"]["base_url"] == url


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = changewire("sandbox", "--port", port)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (f"port {port} is in use: choose another one with --port, or any free one with --port 0\n")


@pytest.mark.parametrize("words", [("demo",), ("demo", "--json"), ("--json", "demo")], ids=" ".join)
def test_the_demo_is_told_whether_programs_read_it(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def run_demo(json_output: bool) -> int:
        asked.append(json_output)
        return 1

    monkeypatch.setattr("changewire.demo.run_demo", run_demo)
    assert changewire(*words).exit_code == 1
    assert asked == ["--json" in words]
