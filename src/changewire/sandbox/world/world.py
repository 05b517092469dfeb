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
    def add_summary(
        self,
        meeting_id: int | str | None = None,
        content: str = "## Key takeaways\n- Agreed",
        uuid: str | None = None,
        delay_s: float = 0,
        **fields: Any,
    ) -> JSON:
        """Give a session its summary after ``delay_s`` of sandbox time; ``fields`` replace keys."""
        session = self.need_session(meeting_id, uuid)
        self.later(delay_s, lambda: self.write_summary(session, content, fields))
        return self._ids(session)

    @action
    def edit_summary(
        self,
        meeting_id: int | str | None = None,
        content: str | None = None,
        uuid: str | None = None,
        **fields: Any,
    ) -> JSON:
        """Change a summary's content or other keys, as its owner would."""
        session = self.need_session(meeting_id, uuid)
        if session.summary is None:
            raise ControlError(f"session {session.uuid} has no summary")
        owner = self.users[self.owner_id]
        session.summary.update(
            summary_last_modified_time=self.stamp(),
            summary_last_modified_user_id=owner["id"],
            summary_last_modified_user_email=owner["email"],
        )
        if content is not None:
            session.summary["summary_content"] = content
        session.summary.update(fields)
        changed = [*sorted(fields), *(["summary_content"] if content is not None else [])]
        self.record("summary_edited", **self._ids(session), fields=changed)
        return self._ids(session)

    @action
    def remove_summary(self, meeting_id: int | str | None = None, uuid: str | None = None) -> JSON:
        """Take a session's summary away."""
        session = self.need_session(meeting_id, uuid)
        session.summary = None
        self.record("summary_removed", **self._ids(session))
        return self._ids(session)

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

    def write_summary(self, session: Instance, content: str, fields: JSON) -> None:
        """Attach a summary made now."""
        end = session.end or self.now()
        session.summary = {
            "meeting_host_id": session.event.data["host_id"],
            "meeting_host_email": session.event.data["host_email"],
            "meeting_uuid": session.uuid,
            "meeting_id": session.event.number,
            "meeting_topic": session.topic,
            "meeting_start_time": iso(session.start),
            "meeting_end_time": iso(end),
            "summary_start_time": iso(session.start),
            "summary_end_time": iso(end),
            "summary_created_time": self.stamp(),
            "summary_last_modified_time": self.stamp(),
            "summary_last_modified_user_id": "",
            "summary_last_modified_user_email": "",
            "summary_title": f"Meeting summary for {session.topic}",
            "summary_overview": content.splitlines()[0] if content else "",
            "summary_details": [],
            "next_steps": [],
            "edited_summary": {},
            "summary_content": content,
            "summary_doc_url": f"https://docs.zoom.us/doc/{self.ids.word()}",
            **fields,
        }
        self.record("summary_created", **self._ids(session))

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
