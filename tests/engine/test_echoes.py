"""A workflow that changes what it watches does not set itself off, and hides nothing that others change."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from changewire.clock import to_text
from changewire.sandbox import OWNER_EMAIL, Sandbox
from changewire.testing import ManualClock
from changewire.values import dumps_text, loads
from tests.connectors.server import Handler, Reply, Seen, Server
from tests.engine.rig import connection, sandbox_clock
from tests.support.processes import ask
from tests.support.turning import Turned


class Notes(Server):
    """Notes at ``/notes`` that can be made, changed and deleted; ``hold`` lets writes wait once they are done."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: dict[str, dict[str, Any]] = {}
        self.hold: threading.Event | None = None
        self.failing: list[int] = []  # statuses of the next writes; what is not refused is done all the same
        self.written = threading.Event()

    def route(self, path: str) -> Handler:
        """What answers a path."""
        return self._answer

    def _answer(self, seen: Seen) -> Reply:
        note = seen.path.partition("?")[0].removeprefix("/notes").lstrip("/")
        data = loads(seen.body) if seen.body else {}
        if seen.method == "GET":
            return Reply(body=self.notes[note] if note else list(self.notes.values()))
        status = self.failing.pop(0) if self.failing else 200
        if 400 <= status < 500:
            return Reply(status)
        if seen.method == "POST":
            note = str(len(self.notes) + 1)
            data = {"id": note, **data}
        if seen.method == "DELETE":
            del self.notes[note]
        else:
            self.notes[note] = {**self.notes.get(note, {"id": note}), **data}
        self.written.set()
        if self.hold is not None:
            self.hold.wait(10)
        return Reply(status, self.notes.get(note, {}))

    def put(self, note: str, **fields: Any) -> None:
        """Somebody else writes."""
        self.notes[note] = {**self.notes.get(note, {"id": note}), **fields}


Start = Callable[..., Turned]


@pytest.fixture
def server() -> Iterator[Notes]:
    running = Notes()
    yield running
    running.close()


@pytest.fixture
def start(server: Notes, tmp_path: Path) -> Iterator[Start]:
    made: list[Turned] = []

    def make(connections: str | None = None, clock: ManualClock | None = None, **workflows: Any) -> Turned:
        for turned in made:
            turned.close()
        folder = tmp_path / "config" / "workflows"
        folder.mkdir(parents=True, exist_ok=True)
        notes = {
            "notes": {"connector": "http", "base_url": server.url, "allow_private": True, "auth": {"type": "none"}}
        }
        (tmp_path / "config" / "connections.yaml").write_text(connections or dumps_text(notes))
        for name, data in workflows.items():
            (folder / f"{name}.yaml").write_text(dumps_text(data))
        made.append(
            Turned(tmp_path, clock or (made[-1].clock if made else ManualClock()), on_write=_fails, log=_Log(logged))
        )
        made[-1].daemon._start_housekeeping = lambda: None  # type: ignore[method-assign]
        made[-1].start()
        assert made[-1].daemon.home.problems == []
        made[-1].turn()
        return made[-1]

    logged.clear()
    broken.clear()
    yield make
    for turned in made:
        turned.close()


logged: list[str] = []
broken: list[str] = []  # points of writing that fail once


def _fails(point: str) -> None:
    if point in broken:
        broken.remove(point)
        raise sqlite3.OperationalError("database or disk is full")


class _Log:
    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def __call__(self, event: str, message: str, /, **facts: Any) -> None:
        self._lines.append(f"{event}: {message}")


LIST = {"path": "/notes", "items": "[*]", "key": "id"}


def changed(*steps: dict[str, Any], parameters: dict[str, Any] | None = None, **trigger: Any) -> dict[str, Any]:
    """A workflow that watches for changes of notes."""
    what = {"type": "http.document_changed", "every": "60s", "with": LIST if parameters is None else parameters}
    return {"trigger": {**what, **trigger}, "steps": list(steps)}


def write(method: str, path: str, **body: Any) -> dict[str, Any]:
    """A step that writes."""
    given = {"connection": "notes", "method": method, "url": path, **({"json": body} if body else {})}
    return {"use": "http.request", "with": given}


def later(turned: Turned, seconds: float = 60) -> None:
    turned.clock.advance(seconds)
    turned.turn()


def told(turned: Turned, workflow: str | None = None) -> list[tuple[str, str, dict[str, Any]]]:
    """Workflow, item and new values of each event."""
    return [
        (e.workflow, e.key, {change["path"]: change["new"] for change in e.changes})
        for e in turned.store.events()
        if workflow in (None, e.workflow)
    ]


MARK = write("PATCH", "/notes/{{ event.key }}", text="{{ payload.document.text }}!")


def test_what_a_workflow_writes_is_no_event_of_its_own_but_one_of_others(server: Notes, start: Start) -> None:
    server.put("1", text="a")
    turned = start(mark=changed(MARK), other=changed())
    server.put("1", text="b")
    kept: list[Any] = []
    for _ in range(5):
        later(turned)
        kept += (turned.store.triggers(workflow="mark")[0].verdicts or {}).get("held", [])
    assert server.notes["1"]["text"] == "b!"
    assert told(turned, "mark") == [("mark", "1", {"text": "b"})]
    assert [values for *_, values in told(turned, "other")] in ([{"text": "b"}, {"text": "b!"}], [{"text": "b!"}])
    run = next(h.run.id for h in turned.store.runs() if h.run.workflow == "mark")
    assert f"echo_ignored: mark/trigger: 1 is as {run} wrote it (steps/0), which is no event" in logged
    (record,) = turned.store.triggers(workflow="mark")
    assert ask(turned.daemon.path, "SELECT outcome FROM echoes") == [("echo",)]
    assert turned.store.writes(record.id) == []
    assert {"key": "1", "verdict": "echo"} in kept
    server.put("1", text="c")
    later(turned, 60)
    assert told(turned, "mark")[1:] == [("mark", "1", {"text": "c"})]


def test_echo_fire_lets_a_workflow_set_itself_off(server: Notes, start: Start) -> None:
    server.put("1", text="a")
    turned = start(mark=changed(MARK, echo="fire"))
    server.put("1", text="b")
    for _ in range(4):
        later(turned)
    assert server.notes["1"]["text"] == "b!!!!"


CASES: dict[str, tuple[Callable[[Notes], None], list[dict[str, Any]]]] = {
    "somebody changes another field": (lambda s: s.put("1", title="x"), [{"text": "b!", "title": "x"}]),
    "somebody changes the same field": (lambda s: s.put("1", text="x"), [{"text": "x"}]),
    "somebody changes another item": (lambda s: s.put("2", text="b!"), [{"text": "b!"}]),
    "nobody changes anything": (lambda s: None, []),
}


@pytest.mark.parametrize("case", CASES)
def test_a_change_of_somebody_else_is_never_hidden(server: Notes, start: Start, case: str) -> None:
    server.put("1", text="a", title="t")
    server.put("2", text="a")
    turned = start(mark=changed(write("PATCH", "/notes/1", text="b!"), parameters=LIST))
    server.put("1", text="b")
    later(turned)
    act, expected = CASES[case]
    act(server)
    later(turned)
    assert [values for *_, values in told(turned)[1:2]] == expected


def marking() -> dict[str, Any]:
    """Writes the text when `n` changed, and only then."""
    flow = changed(write("PATCH", "/notes/1", text="mine"))
    return {**flow, "when": "{{ 'n' in payload.changed_fields }}"}


def test_a_write_counts_once(server: Notes, start: Start) -> None:
    server.put("1", text="a", n=0)
    turned = start(mark=marking())
    server.put("1", n=1)
    later(turned)
    later(turned)
    assert [values for *_, values in told(turned)] == [{"n": 1}]
    for text in ("x", "mine"):
        server.put("1", text=text)
        later(turned, 30)
        later(turned, 30)
    assert [values for *_, values in told(turned)][1:] == [{"text": "x"}, {"text": "mine"}]


@pytest.mark.parametrize("pause", [0, 400], ids=["at once", "later than a source shows what was before"])
def test_a_write_that_changed_nothing_hides_nothing_later(server: Notes, start: Start, pause: int) -> None:
    server.put("1", text="mine", n=0)
    turned = start(mark=marking())
    server.put("1", n=1)
    later(turned)
    later(turned, pause)
    server.put("1", text="x")
    later(turned)
    server.put("1", text="mine")
    later(turned)
    assert [values for *_, values in told(turned)] == [{"n": 1}, {"text": "x"}, {"text": "mine"}]


def test_what_a_workflow_wrote_last_is_what_counts(server: Notes, start: Start) -> None:
    server.put("1", text="a", n=0)
    flow = changed(write("PATCH", "/notes/1", text="first"), write("PATCH", "/notes/1", text="second", more=1))
    turned = start(mark={**flow, "when": "{{ 'n' in payload.changed_fields }}"})
    server.put("1", n=1)
    later(turned)
    server.put("1", text="first")
    later(turned)
    assert [values for *_, values in told(turned)] == [{"n": 1}, {"more": 1, "text": "first"}]


def poll(turned: Turned, workflow: str) -> None:
    """Poll one workflow now."""
    with sqlite3.connect(turned.store.path) as database:
        database.execute("UPDATE triggers SET next_due = ? WHERE workflow = ?", (to_text(turned.clock.now()), workflow))
    turned.turn()


def shared(*steps: dict[str, Any], parameters: dict[str, Any] = LIST, **more: Any) -> dict[str, Any]:
    """Two workflows with the same request, polled when the test says so."""
    return {
        "mark": {**changed(*steps, parameters=parameters, every="1h"), **more},
        "other": changed(parameters=parameters, every="1h"),
    }


@pytest.mark.parametrize("parameters", [LIST, {"path": "/notes/1"}], ids=["a list", "one document"])
def test_what_a_workflow_overwrote_after_a_shared_answer_was_asked_for_is_its_own(
    server: Notes, start: Start, parameters: dict[str, Any]
) -> None:
    server.put("1", text="a")
    first, second = (write("PATCH", "/notes/1", text=text) for text in ("first", "second"))
    turned = start(**shared(first, {"wait": "10s"}, second, parameters=parameters))
    later(turned)
    server.put("1", text="b")
    poll(turned, "mark")
    later(turned, 8)
    poll(turned, "other")
    later(turned, 3)
    assert server.notes["1"]["text"] == "second"
    asked = len(server.seen)
    poll(turned, "mark")
    assert len(server.seen) == asked, "the answer that the other workflow asked for served this poll"
    later(turned)
    poll(turned, "mark")
    assert [values for *_, values in told(turned, "mark")] == [{"text": "b"}]


def test_a_write_after_a_shared_answer_was_asked_for_still_counts(server: Notes, start: Start) -> None:
    server.put("1", text="a")
    flow = shared({"wait": "10s"}, write("PATCH", "/notes/1", text="mine"), when="{{ payload.document.text == 'b' }}")
    turned = start(**flow)
    later(turned)
    server.put("1", text="b")
    poll(turned, "mark")
    later(turned, 8)
    server.put("1", text="x")
    poll(turned, "other")
    later(turned, 3)
    poll(turned, "mark")
    later(turned)
    poll(turned, "mark")
    assert [values for *_, values in told(turned, "mark")] == [{"text": "b"}, {"text": "x"}]


def test_what_a_workflow_makes_is_not_new_to_it(server: Notes, start: Start) -> None:
    server.put("1", text="a")
    new = {"type": "http.new_item", "every": "60s", "with": {"path": "/notes"}}
    turned = start(
        copy={"trigger": new, "steps": [write("POST", "/notes", text="copy of {{ event.key }}")]},
        other={"trigger": new, "steps": []},
    )
    server.put("2", text="b")
    for _ in range(4):
        later(turned)
    assert list(server.notes) == ["1", "2", "3"]
    assert [(workflow, key) for workflow, key, _ in told(turned, "copy")] == [("copy", "2")]
    assert sorted(key for _, key, _ in told(turned, "other")) == ["2", "3"]


def test_an_item_of_another_collection_with_the_same_number_is_new(server: Notes, start: Start) -> None:
    new = {"type": "http.new_item", "every": "60s", "with": {"path": "/notes"}}
    turned = start(copy={"trigger": new, "steps": [write("POST", "/notes/7/remarks", text="x")]})
    server.put("1", text="b")
    later(turned)
    assert "2" in server.notes
    later(turned)
    assert [key for _, key, _ in told(turned)][:2] == ["1", "2"], "the remark has the number 2, and so has a note"


@pytest.mark.parametrize("whole", [False, True], ids=["a path", "a whole address"])
def test_one_document_by_its_address(server: Notes, start: Start, whole: bool) -> None:
    server.put("1", text="a", tags=["x", "y"])
    path = f"{server.url}/notes/1" if whole else "/notes/1"
    one = changed(write("PUT", path, text="mine", tags=["y", "z"]), parameters={"path": "/notes/1"})
    turned = start(one=one)
    server.put("1", text="b")
    for _ in range(3):
        later(turned)
    assert [values for *_, values in told(turned)] == [{"text": "b"}]


def test_a_change_while_a_write_is_under_way_waits_until_it_is_clear_whose_it_is(server: Notes, start: Start) -> None:
    server.put("1", text="a")
    turned = start(mark=changed(MARK))
    server.put("1", text="b")
    server.hold = threading.Event()
    turned.clock.advance(60)
    working = threading.Thread(target=turned.turn)
    working.start()
    assert server.written.wait(10)
    turned.clock.advance(60)
    for claimed in turned.store.claim_due(turned.clock.now(), 1, turned.daemon.home.settings.poll.time):
        turned.daemon._engine.poll(claimed)
    assert [values for *_, values in told(turned)] == [{"text": "b"}]
    server.hold.set()
    working.join(10)
    later(turned)
    assert [values for *_, values in told(turned)] == [{"text": "b"}], "it was ours"
    server.put("1", text="b?")
    later(turned)
    assert [values for *_, values in told(turned)][1:] == [{"text": "b?"}]


def test_a_write_that_failed_is_behind_nothing(server: Notes, start: Start) -> None:
    server.put("1", text="a")
    turned = start(mark=changed(write("PATCH", "/elsewhere/1", text="c")))
    server.put("1", text="b")
    later(turned)
    server.put("1", text="c")
    later(turned)
    assert [values for *_, values in told(turned)] == [{"text": "b"}, {"text": "c"}]


def retried(step: dict[str, Any], delay: str) -> dict[str, Any]:
    """The step, done again after so long."""
    return {**step, "retry": {"attempts": 3, "delay": delay}}


@pytest.mark.parametrize("restarted", [False, True])
def test_a_write_whose_answer_was_lost_is_ours_once_it_was_done_again(
    server: Notes, start: Start, restarted: bool
) -> None:
    server.put("1", text="a")
    flow = changed(retried(MARK, "90s"))
    turned = start(mark=flow)
    server.put("1", text="b")
    server.failing = [502]
    later(turned)
    assert server.notes["1"]["text"] == "b!"
    if restarted:
        turned = start(mark=flow)
    for _ in range(4):
        later(turned, 40)
    assert [values for *_, values in told(turned)] == [{"text": "b"}]
    assert ask(turned.daemon.path, "SELECT outcome FROM echoes") == [("echo",)]
    server.put("1", text="b?")
    later(turned)
    assert [values for *_, values in told(turned)][1:] == [{"text": "b?"}]


def test_a_write_of_which_nobody_ever_knows_hides_nothing(server: Notes, start: Start) -> None:
    server.put("1", text="a")
    turned = start(mark=changed(MARK))
    server.put("1", text="b")
    server.failing = [502] * 20
    for _ in range(8):  # three attempts, and five minutes from the last one on
        later(turned)
        assert [values for *_, values in told(turned)] == [{"text": "b"}]
    later(turned)
    assert [values for *_, values in told(turned)] == [{"text": "b"}, {"text": "b!"}]


def test_what_others_change_meanwhile_does_not_wait(server: Notes, start: Start) -> None:
    server.put("1", text="a")
    turned = start(mark=changed(MARK))
    server.put("1", text="b")
    server.failing = [502]
    later(turned)
    server.put("1", title="x")
    later(turned)
    assert [values for *_, values in told(turned)] == [{"text": "b"}, {"text": "b!", "title": "x"}]


def test_a_write_that_was_refused_holds_up_nothing(server: Notes, start: Start) -> None:
    server.put("1", text="a")
    turned = start(mark=changed(MARK))
    server.put("1", text="b")
    server.failing = [422]
    later(turned)
    assert ask(turned.daemon.path, "SELECT seq FROM echoes") == []
    server.put("1", text="b!")
    later(turned)
    assert [values for *_, values in told(turned)] == [{"text": "b"}, {"text": "b!"}]


def test_a_write_whose_answer_could_not_be_stored_is_ours_after_the_restart(server: Notes, start: Start) -> None:
    server.put("1", text="a")
    flow = changed({**retried(MARK, "90s"), "idempotency": "natural"})
    turned = start(mark=flow)
    server.put("1", text="b")
    broken.append("put_writes.doubts:before")  # the answer is there, and the disk is full
    later(turned)
    assert (server.notes["1"]["text"], broken) == ("b!", [])
    turned = start(mark=flow)
    for _ in range(8):
        later(turned)
    assert [values for *_, values in told(turned)] == [{"text": "b"}]
    assert [h.run.state for h in turned.store.runs()] == ["succeeded"]


def test_it_is_remembered_over_a_restart(server: Notes, start: Start) -> None:
    server.put("1", text="a")
    flow = changed(MARK)
    turned = start(mark=flow)
    server.put("1", text="b")
    later(turned)
    assert server.notes["1"]["text"] == "b!"
    turned = start(mark=flow)
    later(turned)
    assert [values for *_, values in told(turned)] == [{"text": "b"}]


def test_a_meeting_that_a_workflow_renames(start: Start, tmp_path: Path) -> None:
    with Sandbox(enforce_limits=False) as sandbox:
        number = sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic="Standup")["meeting_id"]
        step = {
            "use": "zoom.update_meeting",
            "with": {"meetingId": number, "topic": "{{ payload.meeting_details.topic }} (seen)"},
        }
        flow = {
            "trigger": {"type": "zoom.meeting_details_changed", "every": "60s", "with": {"meeting_id": number}},
            "steps": [step],
        }
        turned = start(connection(sandbox.url), sandbox_clock(sandbox), rename=flow)
        sandbox.control("update_meeting", meeting_id=number, topic="Retro")
        for _ in range(3):
            later(turned)
        assert turned.dispatcher.failures == []
        assert [(str(h.run.state), h.run.reason) for h in turned.store.runs()] == [("succeeded", None)]
        assert [values for *_, values in told(turned)] == [{"topic": "Retro"}]
        assert any(line.startswith("echo_ignored") for line in logged)
        turned.close()
