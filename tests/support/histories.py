"""Random histories of an account, its faults, its watcher and its files, held against a naive model.

The model knows nothing of pages, hashes, rules or transactions: it keeps what each trigger saw at its last good poll
and says what differs now.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from changewire.sandbox import OWNER_EMAIL, Sandbox
from changewire.testing import ManualClock
from changewire.triggers.noticed import first_key
from tests.state.samples import end_stale
from tests.support.homes import connection, make_home, workflow
from tests.support.json_api import BAD, JsonApi
from tests.support.processes import ask
from tests.support.turning import Turned

LIST = {"path": "/records", "items": "data", "key": "id"}
LIST["paging"] = {"kind": "token", "token_field": "next", "token_query": "cursor"}  # type: ignore[assignment]
HEAP = {"path": "/rows", "items": "data", "key": "name", "alike": "count"}
FIELDS = ("note", "tags", "size.width")
IGNORABLE = st.sets(st.sampled_from(FIELDS))
IDS = st.integers(1, 9)
VALUES = st.integers(0, 3)
NOTES = st.sampled_from(["", "x", "y"])
ROWS = st.lists(st.sampled_from("ab"), max_size=5)
STATUS = st.sampled_from(["open", "paid", "shipped"])
FAULTS = st.lists(st.sampled_from([*BAD, "cut", "shift", "good"]), max_size=4)
ZOOM_FAULTS = st.sampled_from(["status", "cut_body", "reset", "error_200", "empty_200", "bad_json", "html_200"])


class Model:
    """What each trigger saw last, and what must have fired."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}
        self.expected: dict[str, list[tuple[Any, ...]]] = {}

    def good_poll(self, name: str, state: Any, ignore: set[str]) -> None:
        """A trigger read ``state``: say what fires."""
        fired = self.expected.setdefault(name, [])
        judge: Callable[[Any, Any, set[str]], list[tuple[Any, ...]]] = getattr(self, f"_{name}")
        if name in self.seen:
            fired += judge(self.seen[name], state, ignore)
            self._remember(name, state)
        else:
            self.seen[name] = deepcopy(state)

    def _remember(self, name: str, state: Any) -> None:
        """Records that are gone stay known: the API may bring them back."""
        if isinstance(state, Counter):
            self.seen[name] |= state  # as many as there ever were at once
        elif isinstance(state, dict) and name != "document" and name != "details":
            self.seen[name] = {**self.seen[name], **deepcopy(state)}
        else:
            self.seen[name] = deepcopy(state)

    @staticmethod
    def _new(before: Any, now: Any, _: set[str]) -> list[tuple[Any, ...]]:
        return [(str(key),) for key in now if key not in before]

    _meetings = _new

    @staticmethod
    def _heap(before: Any, now: Any, _: set[str]) -> list[tuple[Any, ...]]:
        return [(name,) for name in (now - before).elements()]

    @staticmethod
    def _status(before: Any, now: Any, _: set[str]) -> list[tuple[Any, ...]]:
        both = [key for key in now if key in before]
        pairs = [(str(key), before[key]["status"], now[key]["status"]) for key in both]
        return [(key, old, new) for key, old, new in pairs if old != new]

    def _records(self, before: Any, now: Any, ignore: set[str]) -> list[tuple[Any, ...]]:
        fired: list[tuple[Any, ...]] = []
        for key, record in now.items():
            if key not in before:
                fired.append((str(key), "new"))
            elif names := differing(before[key], record, ignore):
                fired.append((str(key), *names))
        return fired

    @staticmethod
    def _document(before: Any, now: Any, ignore: set[str]) -> list[tuple[Any, ...]]:
        names = differing(before, now, ignore)
        return [tuple(names)] if names else []

    _details = _document


def differing(before: dict[str, Any], now: dict[str, Any], ignore: set[str]) -> list[str]:
    """The top-level fields that differ; nothing, "" and [] are the same, and lists are sets."""
    return sorted(
        n for n in before.keys() | now.keys() if plain(n, before.get(n), ignore) != plain(n, now.get(n), ignore)
    )


def plain(name: str, value: Any, ignore: set[str]) -> Any:
    """A field's value as far as it counts."""
    if name in ignore:
        return None
    if isinstance(value, dict):
        value = {k: v for k, v in value.items() if f"{name}.{k}" not in ignore}
    return sorted(map(str, value)) or None if isinstance(value, list) else value or (0 if value == 0 else None)


class Histories(RuleBasedStateMachine):
    """One account with one watcher."""

    sandbox: Sandbox
    api: JsonApi

    @initialize(ids=st.sets(IDS), ignore=IGNORABLE)
    def begin(self, ids: set[int], ignore: set[str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="changewire-history-"))
        self.sandbox.control("reset")
        self.sandbox.control("switch", enforce_limits=False)
        self.watched = self.sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic="Watched")["meeting_id"]
        self.meetings: dict[int, dict[str, Any]] = {m["id"]: {} for m in self.sandbox.control("state")["meetings"]}
        self.details = {"topic": "Watched", "agenda": ""}
        self.api.bad.clear()
        self.records: dict[int, dict[str, Any]] = {key: _record(key, 0, "open") for key in sorted(ids)}
        self.heap: list[str] = []
        self.document: dict[str, Any] = {"price": 1, "note": "", "tags": ["a"], "size": {"width": 1, "height": 1}}
        self._publish()
        self.ignore = ignore
        self.every, self.generation = "1m", 0
        self.fuse: int | None = None
        self.model = Model()
        self.clock = ManualClock(self.sandbox.clock.now())
        self.good_at: dict[str, str | None] = {}
        files = connection(self.sandbox.url)
        both = {**json.loads(files), "api": {"connector": "http", "base_url": self.api.url, "auth": {"type": "none"}}}
        self.home = make_home(self.folder / "home", json.dumps(both), self._workflows())
        self._open()

    def _workflows(self) -> dict[str, str]:
        generation = f"-{self.generation}"

        def flow(name: str, kind: str, parameters: dict[str, Any], **more: Any) -> str:
            return workflow(name + generation, kind, parameters, every=self.every, **more)

        ignore = sorted(self.ignore)
        return {
            "new": flow("new", "http.new_item", LIST),
            "status": flow("status", "http.status_changed", LIST),
            "records": flow("records", "http.document_changed", {**LIST, "new_documents": "fire"}, ignore=ignore),
            "heap": flow("heap", "http.new_item", HEAP),
            "document": flow("document", "http.document_changed", {"path": "/document"}, ignore=ignore),
            "meetings": flow("meetings", "zoom.new_meeting_created", {"user_id": OWNER_EMAIL, "page_size": 2}),
            "details": flow("details", "zoom.meeting_details_changed", {"meeting_id": self.watched}),
        }

    def _open(self) -> None:
        self.turned = Turned(self.home, self.clock, on_write=self._on_write).start()
        assert not self.turned.daemon.home.problems, self.turned.daemon.home.problems

    def _on_write(self, point: str) -> None:
        if self.fuse is None or not point.endswith(":before"):
            return
        self.fuse -= 1
        if self.fuse < 0:
            self.fuse = None
            raise sqlite3.OperationalError("disk I/O error")

    def _publish(self) -> None:
        self.api.records = [deepcopy(record) for record in self.records.values()]
        self.api.rows = [{"name": name} for name in self.heap]
        self.api.document = deepcopy(self.document)

    # the account

    @rule(key=IDS, value=VALUES, status=STATUS, polled=st.booleans())
    def put_record(self, key: int, value: int, status: str, polled: bool) -> None:
        self.records[key] = _record(key, value, status)
        self._publish()
        if polled:
            self.poll(15)

    @precondition(lambda self: self.records)
    @rule(data=st.data())
    def take_record(self, data: st.DataObject) -> None:
        del self.records[data.draw(st.sampled_from(sorted(self.records)))]
        self._publish()

    @rule(heap=ROWS, polled=st.booleans())
    def pile_rows(self, heap: list[str], polled: bool) -> None:
        self.heap = heap
        self._publish()
        if polled:
            self.poll(15)

    @rule(data=st.data())
    def shuffle(self, data: st.DataObject) -> None:
        order = data.draw(st.permutations(sorted(self.records)))
        self.records = {key: self.records[key] for key in order}
        self._publish()
        for record in [*self.api.records, self.api.document]:
            record["tags"] = record["tags"][::-1]

    @rule(price=VALUES, note=NOTES, tags=st.sets(st.sampled_from("abc")), width=VALUES, polled=st.booleans())
    def edit_document(self, price: int, note: str, tags: set[str], width: int, polled: bool) -> None:
        size = {"width": width, "height": 1}
        self.document = {"price": price, "note": note, "tags": sorted(tags), "size": size}
        self._publish()
        if polled:
            self.poll(15)

    @rule()
    def create_meeting(self) -> None:
        made = self.sandbox.control("create_meeting", user_id=OWNER_EMAIL)["meeting_id"]
        self.meetings[made] = {}

    @precondition(lambda self: len(self.meetings) > 1)
    @rule(data=st.data())
    def delete_meeting(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from([m for m in self.meetings if m != self.watched]))
        self.sandbox.control("delete_meeting", meeting_id=number)
        del self.meetings[number]

    @rule(topic=st.sampled_from(["Watched", "Other"]), agenda=st.sampled_from(["", "Plan"]))
    def edit_meeting(self, topic: str, agenda: str) -> None:
        self.sandbox.control("update_meeting", meeting_id=self.watched, topic=topic, agenda=agenda)
        self.details = {"topic": topic, "agenda": agenda}

    @rule()
    def hold_session(self) -> None:
        self.sandbox.control("end_meeting", meeting_id=self.watched)

    # what goes wrong

    @rule(words=FAULTS)
    def answer_badly(self, words: list[str]) -> None:
        self.api.bad.extend(words)

    @rule(kind=ZOOM_FAULTS, times=st.integers(1, 3), after=st.integers(0, 2))
    def answer_badly_at_zoom(self, kind: str, times: int, after: int) -> None:
        self.sandbox.control("faults", match="GET /v2", kind=kind, times=times, after=after)

    @rule(points=st.integers(0, 60))
    def fail_a_write(self, points: int) -> None:
        self.fuse = points

    # the watcher

    @rule()
    def poll_soon(self) -> None:
        self.poll(1)

    @rule()
    def poll_later(self) -> None:
        self.poll(3)

    @rule(minutes=st.sampled_from([1, 3, 15]))
    def poll(self, minutes: int) -> None:
        self.clock.advance(60 * minutes)
        ahead = (self.clock.now() - self.sandbox.clock.now()).total_seconds()
        self.sandbox.control("clock", advance_s=max(0.0, ahead))
        try:
            end_stale(self.turned.store, self.clock.now())
            self.turned.turn()
        except Exception:
            if self.fuse is not None:
                raise  # nothing was broken on purpose
        self._tell_model()

    def _tell_model(self) -> None:
        states = {
            "heap": Counter(self.heap),
            "new": self.records, "status": self.records, "records": self.records, "document": self.document,
            "meetings": self.meetings, "details": self.details,
        }  # fmt: skip
        for workflow_name, last_ok in ask(self.home, "SELECT workflow, last_ok FROM triggers WHERE active"):
            name = workflow_name.partition("-")[0]
            if last_ok is not None and last_ok != self.good_at.get(name):
                self.good_at[name] = last_ok
                self.model.good_poll(name, states[name], self.ignore)
        self._compare()

    def _compare(self) -> None:
        found: dict[str, list[tuple[Any, ...]]] = {name: [] for name in self.model.expected}
        for workflow_name, key, payload in ask(self.home, "SELECT workflow, key, payload FROM events ORDER BY seq"):
            name = workflow_name.partition("-")[0]
            found[name].append(_told(name, key, json.loads(payload)))
        assert {n: sorted(f) for n, f in found.items()} == {n: sorted(e) for n, e in self.model.expected.items()}

    @rule()
    def restart(self) -> None:
        self.fuse = None
        self.turned.close()
        self._open()

    @rule(ignore=IGNORABLE, polled=st.booleans())
    def ignore_other_fields(self, ignore: set[str], polled: bool) -> None:
        self.ignore = ignore
        self._write()
        if polled:
            self.poll(15)

    @rule()
    def rename(self) -> None:
        self.generation += 1
        self._write()

    @rule(every=st.sampled_from(["30s", "1m", "2m"]))
    def change_schedule(self, every: str) -> None:
        self.every = every
        self._write()

    def _write(self) -> None:
        self.fuse = None
        for name, text in self._workflows().items():
            (self.home / "config" / "workflows" / f"{name}.yaml").write_text(text)
        self.turned.daemon.reload()

    def teardown(self) -> None:
        """Whatever happened: in the end everything is well, and each event had its run."""
        if not hasattr(self, "turned"):
            return
        try:
            self.api.bad.clear()
            self.sandbox.control("clear_faults")
            self.restart()
            self.poll(15)
            self.poll(15)
            assert all(self.good_at.get(name) for name in self._workflows())
            runs = ask(self.home, "SELECT event_id, state FROM runs ORDER BY event_id")
            events = ask(self.home, "SELECT id, 'succeeded' FROM events ORDER BY id")
            assert runs == events
        finally:
            self.turned.close()
            shutil.rmtree(self.folder)


def _record(key: int, value: int, status: str) -> dict[str, Any]:
    size = {"width": value, "height": 1}
    return {"id": key, "status": status, "note": "x" * value, "tags": ["a", "b"], "size": size}


def _told(name: str, key: str, payload: dict[str, Any]) -> tuple[Any, ...]:
    """What an event says, in the model's words."""
    if name == "status":
        return (key, payload["before"], payload["status"])
    if name == "records":
        return (key, "new") if payload["event_type"] == "new_document" else (key, *sorted(payload["changed_fields"]))
    if name in ("document", "details"):
        return tuple(sorted(payload["changed_fields"]))
    return (first_key(key),)


def prove(examples: int, steps: int) -> None:
    """Try ``examples`` histories of up to ``steps`` happenings each; the shortest that fails is shown."""

    with Sandbox() as sandbox, JsonApi() as api:
        machine = type("Histories", (Histories,), {"sandbox": sandbox, "api": api})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=True, database=None,
                suppress_health_check=list(HealthCheck), print_blob=False,
            ),
        )  # fmt: skip
