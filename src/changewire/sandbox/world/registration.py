"""Registrants, panelists, poll answers and questions of meetings and webinars."""

from __future__ import annotations

from typing import Any

from changewire.sandbox.errors import JSON, ControlError
from changewire.sandbox.world.base import action
from changewire.sandbox.world.model import Event
from changewire.sandbox.world.records import RecordActions

AUTOMATIC, MANUAL, NONE = 0, 1, 2  # the setting approval_type
STATUSES = ("approved", "pending", "denied", "cancelled")


def registrants_path(event: Event) -> str:
    """Return the path of the list of an event's registrants."""
    return f"/{event.kind}s/{event.number}/registrants"


class RegistrationActions(RecordActions):
    """Actions on who signs up, answers and asks."""

    @action
    def add_registrant(
        self,
        meeting_id: int | str | None = None,
        webinar_id: int | str | None = None,
        email: str = "",
        status: str | None = None,
        **fields: Any,
    ) -> JSON:
        """Register somebody for a meeting or webinar; ``status`` None means as its settings approve."""
        event = self.need_either(meeting_id, webinar_id)
        if not email:
            raise ControlError("a registrant needs an email")
        approved = event.data["settings"].get("approval_type") != MANUAL
        fields = {"email": email, "status": status or ("approved" if approved else "pending"), **fields}
        registrant = self.register(event, fields)
        return {f"{event.kind}_id": event.number, "registrant_id": registrant["id"], "status": registrant["status"]}

    @action
    def set_registrant_status(
        self,
        registrant_id: str,
        status: str,
        meeting_id: int | str | None = None,
        webinar_id: int | str | None = None,
    ) -> JSON:
        """Approve, deny or cancel a registration: ``approved``, ``pending``, ``denied``, ``cancelled``."""
        if status not in STATUSES:
            raise ControlError(f"no registrant status {status!r}", known=list(STATUSES))
        self.change(registrants_path(self.need_either(meeting_id, webinar_id)), registrant_id, {"status": status})
        return {"registrant_id": registrant_id, "status": status}

    @action
    def add_panelist(self, webinar_id: int | str, email: str, name: str = "Guest speaker", **fields: Any) -> JSON:
        """Invite a panelist to a webinar."""
        event = self.need_event(webinar_id, "webinar")
        return self.put(f"/webinars/{event.number}/panelists", {"email": email, "name": name, **fields})

    @action
    def answer_poll(
        self,
        meeting_id: int | str | None = None,
        webinar_id: int | str | None = None,
        question: str = "How was it?",
        answer: str = "Good",
        name: str = "Guest",
        email: str = "",
        uuid: str | None = None,
        polling_id: str = "",
        date_time: str = "",
    ) -> JSON:
        """Let somebody answer a poll in the latest or the named session of a meeting or webinar.

        Nothing but its fields tells an answer from others: the same twice, ``date_time`` included, are two alike.
        """
        session = self.need_session(*self._session_of(meeting_id, webinar_id, uuid))
        answered = {"answer": answer, "date_time": date_time or self.stamp(),
                    "polling_id": polling_id or self.ids.word(), "question": question}  # fmt: skip
        session.answers.append({"name": name, "email": email, **answered})
        facts = {f"{session.event.kind}_id": session.event.number, "uuid": session.uuid, "question": question}
        self.record("poll_answered", **facts, name=name)
        return facts

    @action
    def ask_question(
        self,
        meeting_id: int | str | None = None,
        webinar_id: int | str | None = None,
        question: str = "Will there be a recording?",
        answer: str = "",
        name: str = "Guest",
        email: str = "",
        uuid: str | None = None,
        again: bool = False,
    ) -> JSON:
        """Let somebody ask in the latest or the named session; a later ``answer`` to the same question joins it.

        ``again``: it is one more question, although the same was asked before.
        """
        session = self.need_session(*self._session_of(meeting_id, webinar_id, uuid))
        same = [row for row in session.questions if (row["email"], row["question"]) == (email, question)]
        asked = min(same, key=lambda row: len(row["answer_details"]), default=None)
        if asked is None or again:
            asked = {"name": name, "email": email, "question": question, "question_id": self.ids.word(),
                     "create_time": self.stamp(), "question_status": "open", "answer_details": []}  # fmt: skip
            session.questions.append(asked)
        if answer:
            told = {"user_id": self.owner_id, "name": self.users[self.owner_id]["display_name"],
                    "email": self.users[self.owner_id]["email"], "content": answer, "create_time": self.stamp(),
                    "type": "host_answered_publicly"}  # fmt: skip
            asked["answer_details"].append(told)
            asked["question_status"] = "answered"
        facts = {f"{session.event.kind}_id": session.event.number, "uuid": session.uuid, "question": question}
        self.record("question_answered" if answer else "question_asked", **facts, name=name)
        return facts

    def register(self, event: Event, fields: JSON) -> JSON:
        """Keep a registrant; the same e-mail address again is the same registrant."""
        path = registrants_path(event)
        known = next((row for row in self.shelf(path).values() if row["email"] == fields["email"]), None)
        if known is not None:
            return self.change(path, known["id"], fields)
        return self.put(path, fields)

    def need_either(self, meeting_id: int | str | None, webinar_id: int | str | None) -> Event:
        """Return the meeting or webinar that is named or raise ControlError."""
        if meeting_id is not None:
            return self.need_event(meeting_id, "meeting")
        if webinar_id is None:
            raise ControlError("name a meeting_id or a webinar_id")
        return self.need_event(webinar_id, "webinar")

    def _session_of(
        self, meeting_id: int | str | None, webinar_id: int | str | None, uuid: str | None
    ) -> tuple[int | str | None, str | None, str]:
        meeting = webinar_id is None and (uuid is None or self.find_session(uuid, "meeting") is not None)
        return (meeting_id, uuid, "meeting") if meeting else (webinar_id, uuid, "webinar")
