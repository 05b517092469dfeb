from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from changewire.actions.calling import perform
from changewire.actions.supervisor import MOST_LOST, Supervisor, lost_words
from changewire.clock import SystemClock
from changewire.errors import ApiError, CredentialError, DelayedError, FailureClass, OutputError, StateError, UsageError
from changewire.secret import Secret
from tests.actions import hanging
from tests.actions.rig import Rig, connection
from tests.connectors.server import Reply, Server
from tests.support.processes import wait_for


@pytest.fixture
def home(tmp_path: Path) -> Path:
    hanging.write_actions(tmp_path)
    return tmp_path


@pytest.fixture
def rig(home: Path, server: Server) -> Iterator[Rig]:
    one = Rig(home, connection("site", server.url, "http"), clock=SystemClock())
    yield one
    one.clients.close()


@pytest.fixture
def supervisor(rig: Rig) -> Iterator[Supervisor]:
    with closing(Supervisor(rig.log, 8)) as made:
        yield made


@pytest.fixture
def call(rig: Rig, supervisor: Supervisor) -> Callable[..., Any]:
    def do(name: str, values: Any = None, *, within_s: float = 20.0, on: str | None = None, **changes: Any) -> Any:
        deadline = rig.clock.monotonic() + within_s
        context = rig.context(on, deadline=deadline, supervisor=supervisor, **changes)
        return perform(rig.action(name), values or {}, context)

    return do


@pytest.mark.parametrize("name", hanging.HANGS)
def test_code_that_never_returns_ends_at_its_limit(name: str, call: Callable[..., Any], rig: Rig) -> None:
    before = call("core.quick")["pid"]
    began = time.monotonic()
    with pytest.raises(ApiError, match=rf"^the code of core.{name} did not end within 1s, so its process was ended; "):
        call(f"core.{name}", within_s=1)
    assert time.monotonic() - began < 12
    assert call("core.quick")["pid"] != before, "the next attempt has a process again"
    assert [word for word, *_ in rig.told] == ["code_killed"]
    assert not Path(f"/proc/{before}/cmdline").exists()


@pytest.mark.parametrize("name", hanging.ENDS)
def test_code_that_ends_its_process_is_a_failed_attempt(name: str, call: Callable[..., Any]) -> None:
    with pytest.raises(ApiError, match=rf"^the code of core.{name} broke off: {hanging.ENDS[name][1]}") as caught:
        call(f"core.{name}")
    assert (caught.value.failure, caught.value.sent) == (FailureClass.TRANSIENT, True)
    assert call("core.quick")["values"] == {}


@pytest.mark.parametrize(
    ("name", "kind", "words", "fields"),
    [
        ("usage", UsageError, "there is nothing to read", {}),
        (
            "api",
            ApiError,
            "no",
            {"failure": FailureClass.PLAN, "status": 402, "code": "7", "body": "{}", "exit_code": 3},
        ),
        ("refused", CredentialError, "no", {"connection": "work", "advice": "sign in", "by_request": False}),
        ("missing", FileNotFoundError, "[Errno 2] No such file or directory: '/nowhere/at/all'", {"errno": 2}),
        ("own", Exception, "x", {}),
        ("own_usage", UsageError, "mine", {"exit_code": 2}),
        ("strange", Exception, "<function strange.<locals>.<lambda>", {}),
        ("unicode", UnicodeDecodeError, "'utf-8' codec can't decode byte 0xff in position 0", {"start": 0}),
        ("exits", RuntimeError, "it called sys.exit", {}),
        ("not_plain", OutputError, "core.not_plain gave something that is not plain data", {}),
    ],
)
def test_errors_of_code_arrive_as_they_are(
    name: str, kind: type[Exception], words: str, fields: dict[str, Any], call: Callable[..., Any]
) -> None:
    with pytest.raises(kind) as caught:
        call(f"core.{name}")
    assert str(caught.value).startswith(words)
    assert {field: getattr(caught.value, field) for field in fields} == fields
    names = {"own": "Own", "own_usage": "OwnUsage", "strange": "ValueError"}
    assert type(caught.value).__name__ == names.get(name, kind.__name__)


def test_what_code_prints_is_no_message_and_it_has_nothing_to_read(call: Callable[..., Any]) -> None:
    assert call("core.talks") == {"read": ""}
    assert call("core.talks") == {"read": ""}


def test_code_in_a_process_has_the_connection_the_log_and_the_key(
    call: Callable[..., Any], server: Server, rig: Rig
) -> None:
    server.on("/thing", Reply(body={"a": [1, 2]}))
    server.on("/note", Reply(201, body={}))
    made = call("http.uses", on="site")
    assert made == {"data": {"a": [1, 2]}, "status": 201, "key": "key_1", "home": str(rig.home), "left": True}
    assert rig.told == [("own_word", "I was here", {"count": 1})]


def test_errors_of_requests_and_of_the_store_reach_the_code(call: Callable[..., Any], server: Server) -> None:
    server.on("/thing", Reply(404, body={"message": "no such thing"}))
    with pytest.raises(ApiError, match="no such thing") as caught:
        call("http.uses", on="site")
    assert (caught.value.status, caught.value.failure) == (404, FailureClass.GONE)

    def feed(_: Any) -> Any:
        raise StateError("the disk is full")

    with pytest.raises(StateError, match="the disk is full"):
        call("core.raises_event", feed=feed)
    assert call("core.raises_event", feed=lambda raised: [raised.id])["events"] == ["key"]


def test_values_arrive_as_they_are_and_large_ones_too(call: Callable[..., Any]) -> None:
    values = {"text": "ä\0\n" * 80_000, "list": [None, True, 1.5, -(2**62)], "nested": {"a": {"b": []}}}
    assert call("core.quick", values, within_s=60)["values"] == values


def test_a_secret_is_not_on_the_command_line_of_a_process(call: Callable[..., Any]) -> None:
    with pytest.raises(OutputError):
        call("core.quick", {"word": Secret("a-very-secret-word")})
    pid = call("core.quick")["pid"]
    seen = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    assert b"a-very-secret-word" not in seen


def test_processes_are_kept_and_more_are_started_only_at_the_same_time(call: Callable[..., Any]) -> None:
    pids: list[int] = [call("core.quick")["pid"] for _ in range(5)]
    assert len(set(pids)) == 1
    threads = [threading.Thread(target=lambda: pids.append(call("core.quick")["pid"])) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 17
    assert len(set(pids)) <= 8


def test_a_process_that_was_killed_while_it_was_idle_is_replaced(call: Callable[..., Any]) -> None:
    pid = call("core.quick")["pid"]
    os.kill(pid, 9)
    assert call("core.quick")["pid"] != pid


def test_a_thread_that_an_attempt_left_cannot_speak_in_the_name_of_the_next_one(
    call: Callable[..., Any], rig: Rig, home: Path
) -> None:
    call("core.stays")
    pid = call("core.short")["pid"]
    assert wait_for((home / "said").exists)
    assert (home / "said").read_text() == "the attempt of this thread is over"
    assert rig.told == []
    assert call("core.quick")["pid"] == pid


def test_a_signal_to_all_processes_of_the_service_leaves_attempts_to_the_daemon(
    call: Callable[..., Any], home: Path
) -> None:
    def stop_all() -> None:
        assert wait_for(lambda: (home / "begun").exists() and (home / "begun").read_text() != "")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(int((home / "begun").read_text()), number)

    thread = threading.Thread(target=stop_all)
    thread.start()
    assert call("core.short") == {"pid": int((home / "begun").read_text())}
    thread.join()


def test_what_code_started_ends_with_a_process_that_ends_by_itself(call: Callable[..., Any], home: Path) -> None:
    with pytest.raises(ApiError, match="its process ended with exit code 3"):
        call("core.orphans")
    child = Path(f"/proc/{(home / 'child').read_text()}/cmdline")
    assert wait_for(lambda: not child.exists() or not child.read_bytes())


PARENT = """
import sys
from pathlib import Path
from changewire.actions.calling import perform
from changewire.actions.supervisor import Supervisor
from changewire.clock import SystemClock
from tests.actions.rig import Rig

rig = Rig(Path(sys.argv[1]), clock=SystemClock())
supervisor = Supervisor(rig.log, 8)


def call(name, seconds):
    context = rig.context(supervisor=supervisor, deadline=rig.clock.monotonic() + seconds)
    return perform(rig.action(name), {}, context)


print(call("core.quick", 60)["pid"], flush=True)
call(sys.argv[2], 600)
"""


@pytest.mark.parametrize("name", ["sleeps", "spins", "reads", "swallows"])
def test_processes_end_with_a_daemon_that_is_killed(name: str, home: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(home), f"core.{name}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    assert wait_for(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes())


def test_a_call_that_hangs_in_a_thread_is_left_counted_and_forgotten_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("changewire.actions.supervisor.THREAD_GRACE_S", 0.0)
    go, rig = threading.Event(), Rig(tmp_path, clock=SystemClock())
    with closing(Supervisor(rig.log, 8)) as supervisor:

        def hang() -> None:
            context = rig.context(deadline=rig.clock.monotonic() + 0.01)
            supervisor.run("core.hang", lambda *_: go.wait(), None, context, {})

        for _ in range(MOST_LOST):
            with pytest.raises(ApiError, match="did not end within 1s and cannot be ended; its thread is left behind"):
                hang()
        lost = supervisor.lost()
        assert len(lost) == MOST_LOST
        assert lost_words(lost[0]).startswith("a call of core.hang hangs since 20")
        with pytest.raises(ApiError, match=f"{MOST_LOST} calls of actions hang, so no more are begun") as caught:
            hang()
        assert not caught.value.sent
        go.set()
        assert wait_for(lambda: supervisor.lost() == [])
        hang()


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("core.write_file", {"path": "pipe", "content": "x"}),
        ("core.write_file", {"path": "pipe", "content": "x", "mode": "overwrite"}),
        ("core.csv", {"path": "pipe", "mode": "read"}),
        ("core.csv", {"path": "pipe", "rows": {"a": 1}}),
        ("core.sqlite", {"database": "state/files/pipe.db", "sql": "SELECT 1", "mode": "select"}),
    ],
)
def test_a_pipe_among_the_files_is_refused_at_once(
    name: str, given: dict[str, Any], rig: Rig, call: Callable[..., Any]
) -> None:
    from changewire.actions.calling import check_inputs

    folder = rig.home / "state" / "files"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "pipe.db")
    with pytest.raises(UsageError, match=r"is a pipe, a socket or a device|there is no file"):
        call(name, check_inputs(rig.action(name), given))


def test_an_attempt_that_finds_no_process_free_is_put_off_and_not_used_up(rig: Rig) -> None:
    with closing(Supervisor(rig.log, 1)) as supervisor:

        def call(name: str, within_s: float) -> Any:
            context = rig.context(deadline=rig.clock.monotonic() + within_s, supervisor=supervisor)
            return perform(rig.action(name), {}, context)

        pid = call("core.quick", 20)["pid"]

        def hang() -> None:
            with suppress(ApiError):
                call("core.sleeps", 4)

        hung = threading.Thread(target=hang)
        hung.start()
        assert wait_for(lambda: not supervisor._pool._idle)
        with pytest.raises(DelayedError, match="waits for a process: all of them are at work"):
            call("core.quick", 0.1)
        hung.join()
        assert call("core.quick", 20)["pid"] != pid


def test_a_download_is_done_by_the_daemon_for_code_in_a_process(
    call: Callable[..., Any], rig: Rig, server: Server
) -> None:
    server.on("/file", Reply(body=b"x" * 100_000, headers={"Content-Type": "application/octet-stream"}))
    assert call("http.downloads", {"url": f"{server.url}/file"}, on="site") == {"size": 100_000}
    assert (rig.home / "part").read_bytes() == b"x" * 100_000


def test_no_process_is_started_once_the_daemon_stops(rig: Rig) -> None:
    supervisor = Supervisor(rig.log, 2)
    supervisor.close()
    context = rig.context(deadline=rig.clock.monotonic() + 20, supervisor=supervisor)
    with pytest.raises(ApiError, match="could not be started: the daemon stops") as caught:
        perform(rig.action("core.quick"), {}, context)
    assert not caught.value.sent
