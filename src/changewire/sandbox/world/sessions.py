"""Sessions of meetings and webinars: starting, ending, and who took part."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from changewire.sandbox.clock import iso, parse_iso
from changewire.sandbox.errors import JSON, ControlError
from changewire.sandbox.world.base import action
from changewire.sandbox.world.model import Event, Instance, Participant
from changewire.sandbox.world.people import PeopleActions


class SessionActions(PeopleActions):
    """Actions on sessions and their participants."""

    @action
    def start_meeting(self, meeting_id: int | str) -> JSON:
        """Start a session; the meeting's status turns to ``started``."""
        return self._ids(self._start(self.need_event(meeting_id, "meeting"), None))

    @action
    def start_webinar(self, webinar_id: int | str) -> JSON:
        """Start a session of a webinar."""
        return self._ids(self._start(self.need_event(webinar_id, "webinar"), None))

    @action
    def end_webinar(
        self,
        webinar_id: int | str,
        participants: list[JSON] | None = None,
        duration: int | None = None,
        uuid: str | None = None,
    ) -> JSON:
        """End the running session of a webinar, or one just held; as for meetings."""
        event = self.need_event(webinar_id, "webinar")
        return self._ids(self.end_session(event, participants, duration, uuid))

    @action
    def join(self, meeting_id: int | str | None = None, uuid: str | None = None, **fields: Any) -> JSON:
        """Add one participant to the latest or the named session of a meeting."""
        return self._join(self.need_session(meeting_id, uuid), fields)

    @action
    def add_participant(self, meeting_id: int | str | None = None, uuid: str | None = None, **fields: Any) -> JSON:
        """Add one participant; as :meth:`join`."""
        return self._join(self.need_session(meeting_id, uuid), fields)

    @action
    def add_webinar_participant(
        self, webinar_id: int | str | None = None, uuid: str | None = None, **fields: Any
    ) -> JSON:
        """Add one participant to the latest or the named session of a webinar."""
        return self._join(self.need_session(webinar_id, uuid, "webinar"), fields)

    @action
    def process_participants(self, meeting_id: int | str | None = None, uuid: str | None = None) -> JSON:
        """Let the durations of a meeting's or webinar's session become known."""
        wanted = uuid if uuid is not None else meeting_id
        kind = "meeting" if self.find_session(wanted or "", "meeting") else "webinar"
        session = self.need_session(meeting_id, uuid, kind)
        self._process(session)
        return {**self._ids(session), "participants": len(session.participants)}

    def end_session(
        self, event: Event, people: list[JSON] | None, duration: int | None, uuid: str | None = None
    ) -> Instance:
        """End the running session; without one, one of ``duration`` minutes ends now."""
        minutes = event.data["duration"] if duration is None else duration
        session = event.live or self._start(event, minutes, uuid)
        session.end = self.now()
        if duration is not None:
            session.start = min(session.start, session.end - timedelta(minutes=duration))
        # The number's next session has a UUID of its own from here on.
        event.data["uuid"] = self.ids.uuid(self.switches.awkward_uuids)
        self.record(f"{event.kind}_ended", **self._ids(session))
        for fields in people or []:
            delay = fields.get("delay_s", self.switches.participants_delay_s)
            self._join(session, {**fields, "delay_s": delay})
        self._close_joins(session)
        spent = round((session.end - session.start).total_seconds() / 60)
        self.bump_report(None, 0, 1, len(people or []), spent * max(1, len(people or [])))
        return session

    def _start(self, event: Event, minutes: int | None, uuid: str | None = None) -> Instance:
        if event.live is not None:
            raise ControlError(f"{event.kind} {event.number} is running", uuid=event.live.uuid)
        start = self.now() - timedelta(minutes=minutes or 0)
        session = Instance(uuid or event.data["uuid"], event, event.data["topic"], start)
        if session.uuid in self.sessions:
            raise ControlError(f"session {session.uuid} exists")
        event.instances.append(session)
        self.sessions[session.uuid] = session
        self.record(f"{event.kind}_started", **self._ids(session))
        return session

    def _join(self, session: Instance, fields: JSON) -> JSON:
        fields = dict(fields)
        delay = float(fields.pop("delay_s", 0))
        processed = bool(fields.pop("processed", False))
        person = Participant(self._row(session, fields), processed)
        person.open = session.end is None and "leave_time" not in fields
        ids = {**self._ids(session), "user_id": person.data["user_id"]}
        self.later(delay, lambda: self._appear(session, person))
        wait = self.switches.processing_delay_s
        if session.end is not None and not processed and wait:
            self.later(delay + wait, lambda: self._process(session))
        elif session.end is not None:
            self.later(delay, lambda: self._process(session))
        return {**ids, "id": person.data["id"], "name": person.data["name"]}

    def _close_joins(self, session: Instance) -> None:
        end = iso(session.end or self.now())
        for person in session.participants:
            if person.open:
                seconds = parse_iso(end) - parse_iso(person.data["join_time"])
                person.data.update(leave_time=end, duration=max(0, round(seconds.total_seconds())))
                person.open = False
        self.later(self.switches.processing_delay_s, lambda: self._process(session))

    def _appear(self, session: Instance, person: Participant) -> None:
        session.participants.append(person)
        row = person.data
        self.record("participant_added", **self._ids(session), user_id=row["user_id"], id=row["id"], name=row["name"])

    def _process(self, session: Instance) -> None:
        fresh = [person for person in session.participants if not person.processed]
        for person in fresh:
            person.processed = True
        if fresh:
            self.record("participants_processed", **self._ids(session), count=len(fresh))

    def _row(self, session: Instance, fields: JSON) -> JSON:
        user = self.find_user(str(fields.get("id") or fields.get("user_email") or ""))
        joined = str(fields.get("join_time") or iso(session.start if session.end else self.now()))
        left = str(fields.get("leave_time") or iso(session.end or self.now()))
        row: JSON = {
            "id": user["id"] if user else "",
            "user_id": self.ids.digits(8),
            "name": user["display_name"] if user else "Guest",
            "user_email": user["email"] if user else "",
            "join_time": joined,
            "leave_time": left,
            "duration": max(0, round((parse_iso(left) - parse_iso(joined)).total_seconds())),
            "registrant_id": "",
            "failover": False,
            "status": "in_meeting",
            "internal_user": user is not None,
        }
        row.update(fields)
        if user:
            row["id"] = user["id"]
        return row

    @staticmethod
    def _ids(session: Instance) -> JSON:
        return {f"{session.event.kind}_id": session.event.number, "uuid": session.uuid}
