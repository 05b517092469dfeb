"""Answers' objects, made from the world's state with the real thing's volatile parts."""

from __future__ import annotations

import copy
from datetime import timedelta

from changewire.sandbox.clock import iso
from changewire.sandbox.errors import JSON
from changewire.sandbox.world.model import Event, Instance, Recording, RecordingFile
from changewire.sandbox.world.schedule import RECURRING, join_url, occurrences, upcoming
from changewire.sandbox.world.templates import ZOOM_ACCOUNT_ID, hidden_password, merge
from changewire.sandbox.world.world import World

AGENDA_IN_LISTS = 250


class Views:
    """Makes answers for one request; ``site`` is the URL the sandbox was reached at."""

    def __init__(self, world: World, site: str) -> None:
        self._world = world
        self.site = site

    def user(self, user: JSON) -> JSON:
        """Return a user's detail answer."""
        url = f"{self.site}/j/{user['pmi']}?pwd=cGVy"
        picture = f"{self.site}/p/v2/3f1c/{self._world.ids.nonce(12)}"
        volatile = {"personal_meeting_url": url, "pic_url": picture}
        if user["status"] == "pending":
            volatile["created_at"] = self._world.stamp()
        return self._grow("user", {**user, **volatile})

    def user_row(self, user: JSON) -> JSON:
        """Return a user's row in the list of users."""
        keys = (
            "id", "first_name", "last_name", "display_name", "email", "type", "pmi", "timezone",
            "verified", "dept", "created_at", "user_created_at", "last_login_time",
            "last_client_version", "language", "status", "role_id", "group_ids", "im_group_ids",
        )  # fmt: skip
        return {key: user[key] for key in keys}

    def event(self, event: Event, previous: bool = False) -> JSON:
        """Return a meeting's or webinar's detail answer; ``previous`` lists past occurrences too."""
        data = copy.deepcopy({k: v for k, v in event.data.items() if k != "register_key"})
        data["join_url"] = join_url(event, self.site)
        pass_key = f"eyJ0eXAiOiJKV1QifQ.{self._world.ids.nonce(40)}"
        data["start_url"] = f"{self.site}/s/{event.number}?zak={pass_key}"
        hidden = hidden_password(str(data.get("password", "")))
        if event.kind == "meeting":
            data["uuid"] = event.live.uuid if event.live else data["uuid"]
            data["status"] = "started" if event.live else "waiting"
            data["encrypted_password"], data["pstn_password"] = hidden, data["h323_password"]
            data["chat_join_url"] = f"{self.site}/launch/jc/{event.number}"
        else:
            data["encrypted_passcode"] = hidden
            if data["settings"].get("approval_type") in (0, 1):
                data["registration_url"] = f"{self.site}/webinar/register/WN_{event.data['register_key']}"
        if data["type"] in RECURRING:
            ahead = upcoming(event, self._world.now())
            data["occurrences"] = occurrences(event) if previous else ahead
            data["start_time"] = _next_start(ahead) or data.get("start_time")
        return self._grow(event.kind, data)

    def event_row(self, event: Event, **instead: object) -> JSON:
        """Return a meeting's or webinar's row in lists; ``instead`` replaces fields."""
        data = event.data
        row = {key: data[key] for key in ("uuid", "id", "host_id", "topic", "type")}
        if data.get("start_time"):
            row["start_time"] = data["start_time"]
        row |= {"duration": data["duration"], "timezone": data["timezone"]}
        row |= {"agenda": data["agenda"][:AGENDA_IN_LISTS], "created_at": data["created_at"]}
        row["join_url"] = join_url(event, self.site)
        if event.kind == "webinar":
            row["is_simulive"] = data["is_simulive"]
        return self._grow(f"{event.kind}_row", {**row, **instead})

    def session(self, session: Instance) -> JSON:
        """Return the answer for a past meeting."""
        data, end = session.event.data, session.end or self._world.now()
        host = self._world.find_user(data["host_id"]) or {}
        seconds = sum(person.data["duration"] for person in session.participants)
        return self._grow("past_meeting", {
            "uuid": session.uuid, "id": session.event.number, "host_id": data["host_id"],
            "type": data["type"], "topic": session.topic, "user_name": host.get("display_name", ""),
            "user_email": data["host_email"], "start_time": iso(session.start), "end_time": iso(end),
            "duration": _minutes(end - session.start), "total_minutes": round(seconds / 60),
            "participants_count": len(session.participants), "dept": host.get("dept", ""),
            "source": "Zoom", "has_meeting_summary": session.summary is not None,
        })  # fmt: skip

    def participants(self, session: Instance) -> list[JSON]:
        """Return a session's participants; durations are 0 until processed."""
        people = session.participants
        if len(people) == 1 and self._world.switches.one_person_meetings == "hidden":
            return []
        hidden = ("customer_key", "bo_mtg_id", "participant_user_id")
        rows = [{k: v for k, v in person.data.items() if k not in hidden} for person in people]
        for row, person in zip(rows, people, strict=True):
            row["duration"] = row["duration"] if person.processed else 0
        return [self._grow("participant", row) for row in rows]

    def report_participants(self, session: Instance, registrants: bool) -> list[JSON]:
        """Return a session's participants in the report's shape."""
        rows = []
        for person in session.participants:
            row = {k: v for k, v in person.data.items() if k not in ("internal_user", "registrant_id")}
            row["duration"] = row["duration"] if person.processed else 0
            for key in ("customer_key", "bo_mtg_id"):
                row.setdefault(key, "")
            row.setdefault("participant_user_id", row["id"])
            if registrants:
                row["registrant_id"] = person.data["registrant_id"]
            rows.append(row)
        return rows

    def recording(self, session: Instance, recording: Recording, detail: bool) -> JSON:
        """Return a session's recording; ``detail`` adds what lists do not have."""
        files = [self._file(file, "recording_file") for file in recording.files]
        data = session.event.data
        typed = [file for file in files if file["file_type"]]
        minutes = _minutes(session.end - session.start) if session.end and typed else 0
        answer: JSON = {
            "uuid": session.uuid, "id": session.event.number, "account_id": ZOOM_ACCOUNT_ID,
            "host_id": data["host_id"], "topic": session.topic, "type": data["type"],
            "start_time": iso(session.start), "timezone": data["timezone"], "duration": minutes,
            "total_size": sum(int(file.get("file_size", 0)) for file in files),
            "recording_count": len(typed),
            "share_url": f"{self.site}/rec/share/{recording.share_key}", "recording_files": files,
        }  # fmt: skip
        if typed:
            answer["recording_play_passcode"] = recording.passcode
        if typed and detail:
            answer |= {"password": "", "auto_delete": False}
        if detail and recording.audio:
            answer["participant_audio_files"] = [self._file(file, "audio") for file in recording.audio]
        return self._grow("recording", answer | recording.extra)

    def _file(self, file: RecordingFile, kind: str) -> JSON:
        nonce = self._world.ids.nonce(16) if self._world.switches.new_urls else "steady"
        links = {"download_url": f"{self.site}/rec/download/{file.key}.{nonce}"}
        if "id" in file.data:
            links["play_url"] = f"{self.site}/rec/play/{file.key}.{nonce}"
        return self._grow(kind, {**file.data, **links})

    def _grow(self, kind: str, answer: JSON) -> JSON:
        if kind in self._world.grown:
            answer = copy.deepcopy(answer)
            merge(answer, self._world.grown[kind])
        return answer


def _next_start(rows: list[JSON]) -> str | None:
    return next((str(row["start_time"]) for row in rows if row["status"] == "available"), None)


def _minutes(length: timedelta) -> int:
    return round(length.total_seconds() / 60)
