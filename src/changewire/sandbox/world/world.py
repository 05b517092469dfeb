"""The in-memory Zoom account that control calls and API calls change."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from changewire.sandbox.clock import iso, parse_iso
from changewire.sandbox.errors import JSON, ControlError
from changewire.sandbox.world.base import action
from changewire.sandbox.world.chat import ChatActions
from changewire.sandbox.world.directory import DirectoryActions
from changewire.sandbox.world.kinds import COLLECTIONS
from changewire.sandbox.world.model import Instance
from changewire.sandbox.world.phone import PhoneActions
from changewire.sandbox.world.recordings import RecordingActions
from changewire.sandbox.world.registration import RegistrationActions
from changewire.sandbox.world.schedule import ScheduleActions

_TIMES = {
    "join_time", "leave_time", "recording_start", "recording_end", "meeting_start_time",
    "meeting_end_time", "summary_start_time", "summary_end_time", "summary_created_time",
    "summary_last_modified_time",
}  # fmt: skip


class World(RecordingActions, ScheduleActions, RegistrationActions, DirectoryActions, ChatActions, PhoneActions):
    """All that can happen in the account; every public action is thread-safe."""

    collections = COLLECTIONS

    @action
    def backdate_session(self, uuid: str, days: float) -> JSON:
        """Move an ended session ``days`` into the past, recording and participants included."""
        session = self.need_session(None, uuid)
        if session.end is None:
            raise ControlError(f"session {uuid} is running")
        shift = timedelta(days=days)
        session.start, session.end = session.start - shift, session.end - shift
        rows = [person.data for person in session.participants] + [session.summary or {}]
        if session.recording is not None:
            session.recording.started -= shift
            rows += [file.data for file in session.recording.files + session.recording.audio]
        for row in rows:
            row.update({key: _earlier(row[key], shift) for key in row.keys() & _TIMES if row[key]})
        session.event.instances.sort(key=lambda other: other.start)
        self.record("session_backdated", **self._ids(session), days=days)
        return self._ids(session)

    @action
    def history(self) -> list[JSON]:
        """Return every change so far, oldest first."""
        return self.past

    @action
    def state(self) -> JSON:
        """Return an overview of users, meetings, webinars, sessions and switches, and how many records lists have."""
        events = [event for event in self.events.values() if not event.deleted]
        return {
            "now": self.stamp(),
            "owner_id": self.owner_id,
            "switches": self.switches.as_dict(),
            "users": [{"id": u["id"], "email": u["email"]} for u in self.users.values()],
            "meetings": [e.data for e in events if e.kind == "meeting"],
            "webinars": [e.data for e in events if e.kind == "webinar"],
            "records": {path: len(shelf) for path, shelf in self.records.items() if shelf},
            "sessions": [_session_state(session) for session in self.sessions.values()],
        }

    def actions(self) -> dict[str, Callable[..., Any]]:
        """Return the actions by name."""
        return {
            name: getattr(self, name)
            for name, method in inspect.getmembers(type(self), inspect.isfunction)
            if getattr(method, "is_action", False)
        }


def _earlier(text: str, shift: timedelta) -> str:
    return iso(parse_iso(text) - shift)


def _session_state(session: Instance) -> JSON:
    files = session.recording.files if session.recording else []
    return {
        "kind": session.event.kind,
        "number": session.event.number,
        "uuid": session.uuid,
        "start_time": iso(session.start),
        "end_time": iso(session.end) if session.end else None,
        "participants": [person.data for person in session.participants],
        "files": [file.data for file in files],
        "summary": session.summary is not None,
    }
