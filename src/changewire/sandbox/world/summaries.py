"""Summaries of sessions."""

from __future__ import annotations

from typing import Any

from changewire.sandbox.clock import iso
from changewire.sandbox.errors import JSON, ControlError
from changewire.sandbox.world.base import action
from changewire.sandbox.world.model import Instance
from changewire.sandbox.world.sessions import SessionActions


class SummaryActions(SessionActions):
    """Actions on the summaries of sessions."""

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
