"""Meetings and webinars: creating, changing, deleting, and their occurrences."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from changewire.sandbox.clock import iso, parse_iso
from changewire.sandbox.errors import JSON, ControlError
from changewire.sandbox.world.base import WorldBase, action
from changewire.sandbox.world.model import Event
from changewire.sandbox.world.recurrence import occurrence_starts, zone
from changewire.sandbox.world.templates import hidden_password, merge, new_meeting, new_webinar

RECURRING = (8, 9)
_NO_FIXED_TIME = (3, 6)
_ONCE = {2: 8, 5: 9}  # the recurring type that goes with a type held once
_DERIVED = ("uuid", "status", "start_url", "join_url", "occurrences", "host_email")


def to_utc(start_time: str, zone_name: str) -> str:
    """Normalise a start: with ``Z`` or an offset it is absolute, else local in the zone."""
    moment = datetime.fromisoformat(start_time.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone(zone_name))
    return iso(moment.astimezone(UTC))


class ScheduleActions(WorldBase):
    """Actions on scheduled meetings and webinars."""

    @action
    def create_meeting(self, user_id: str, **fields: Any) -> JSON:
        """Schedule a meeting; without ``start_time`` tomorrow, ``settings`` over the defaults."""
        return self._create("meeting", user_id, fields)

    @action
    def create_webinar(self, user_id: str, **fields: Any) -> JSON:
        """Schedule a webinar; as :meth:`create_meeting`."""
        return self._create("webinar", user_id, fields)

    @action
    def update_meeting(self, meeting_id: int | str, occurrence_id: str | None = None, **fields: Any) -> JSON:
        """Change a meeting; objects such as ``settings`` are merged. One occurrence if named."""
        return self._update("meeting", meeting_id, occurrence_id, fields)

    @action
    def update_webinar(self, webinar_id: int | str, occurrence_id: str | None = None, **fields: Any) -> JSON:
        """Change a webinar; as :meth:`update_meeting`."""
        return self._update("webinar", webinar_id, occurrence_id, fields)

    @action
    def delete_meeting(self, meeting_id: int | str, occurrence_id: str | None = None) -> JSON:
        """Delete a meeting, or cancel one occurrence (it stays listed as ``deleted``)."""
        return self._delete("meeting", meeting_id, occurrence_id)

    @action
    def recover_meeting(self, meeting_id: int | str) -> JSON:
        """Bring a deleted meeting back."""
        event = self.events.get(int(meeting_id))
        if event is None or event.kind != "meeting":
            raise ControlError(f"no meeting {meeting_id!r}")
        event.deleted = False
        self.record("meeting_recovered", meeting_id=event.number)
        return {"meeting_id": event.number}

    @action
    def delete_webinar(self, webinar_id: int | str, occurrence_id: str | None = None) -> JSON:
        """Delete a webinar; as :meth:`delete_meeting`."""
        return self._delete("webinar", webinar_id, occurrence_id)

    @action
    def transfer_meeting(self, meeting_id: int | str, user_id: str) -> JSON:
        """Hand a meeting over to another host."""
        event, user = self.need_event(meeting_id, "meeting"), self.need_user(user_id)
        event.data.update(host_id=user["id"], host_email=user["email"])
        self.record("meeting_transferred", meeting_id=event.number, user_id=user["id"])
        return {"meeting_id": event.number, "user_id": user["id"]}

    def _create(self, kind: str, user_id: str, fields: JSON) -> JSON:
        host = self.need_user(user_id)
        maker = new_meeting if kind == "meeting" else new_webinar
        data = maker(self.ids, host, self.stamp())
        number = self.ids.number(8 if kind == "meeting" else 9)
        data["id"] = int(fields.pop("id", 0) or number)
        if data["id"] in self.events:
            raise ControlError(f"number {data['id']} is in use", status=409)
        data["uuid"] = fields.pop("uuid", None) or self.ids.uuid(self.switches.awkward_uuids)
        if fields.get("type", data["type"]) not in (1, *_NO_FIXED_TIME):
            fields.setdefault("start_time", iso(self.now() + timedelta(days=1)))
        event = Event(kind, data)
        self._lay(event, fields)
        self.events[event.number] = event
        self.record(f"{kind}_created", **{f"{kind}_id": event.number}, host_id=host["id"])
        return {f"{kind}_id": event.number, "uuid": data["uuid"], "user_id": host["id"]}

    def _lay(self, event: Event, fields: JSON) -> None:
        fields = copy.deepcopy(fields)
        if fields.get("start_time"):
            zone_name = str(fields.get("timezone") or event.data["timezone"])
            fields["start_time"] = to_utc(str(fields["start_time"]), zone_name)
        if "recurrence" in fields and event.data["type"] in _ONCE:
            fields.setdefault("type", _ONCE[event.data["type"]])
        merge(event.data, fields)

    def _update(self, kind: str, ref: int | str, occurrence_id: str | None, fields: JSON) -> JSON:
        event = self.need_event(ref, kind)
        before = copy.deepcopy(event.data)
        if occurrence_id is not None:
            self._need_occurrence(event, occurrence_id)
            event.moved.setdefault(occurrence_id, {}).update(fields)
            changed = ["occurrences"]
        else:
            self._lay(event, {k: v for k, v in fields.items() if k not in _DERIVED})
            changed = changed_names(before, event.data)
        self.record(f"{kind}_updated", **{f"{kind}_id": event.number}, fields=changed)
        return {f"{kind}_id": event.number, "changed": changed}

    def _delete(self, kind: str, ref: int | str, occurrence_id: str | None) -> JSON:
        event = self.need_event(ref, kind)
        if occurrence_id is None:
            event.deleted = True
            self.record(f"{kind}_deleted", **{f"{kind}_id": event.number})
        else:
            self._need_occurrence(event, occurrence_id)
            event.cancelled.add(occurrence_id)
            self.record(f"{kind}_updated", **{f"{kind}_id": event.number}, fields=["occurrences"])
        return {f"{kind}_id": event.number, "occurrence_id": occurrence_id}

    def _need_occurrence(self, event: Event, occurrence_id: str) -> None:
        known = [o["occurrence_id"] for o in occurrences(event)]
        if str(occurrence_id) not in known:
            raise ControlError(f"no occurrence {occurrence_id!r}", known=known)


def changed_names(before: JSON, after: JSON) -> list[str]:
    """Return top-level names that differ, and ``settings.<name>`` for settings."""
    names = {n for n in before.keys() | after.keys() if before.get(n) != after.get(n)}
    if "settings" in names:
        names.discard("settings")
        old, new = before["settings"], after["settings"]
        names |= {f"settings.{n}" for n in old.keys() | new.keys() if old.get(n) != new.get(n)}
    return sorted(names)


def occurrences(event: Event) -> list[JSON]:
    """Return all occurrences, past ones too; empty for what does not recur at fixed times."""
    data = event.data
    if data["type"] not in RECURRING or not data.get("recurrence"):
        return []
    rows = []
    for start in _starts(data):
        key = str(int(start.timestamp() * 1000))
        row = {"occurrence_id": key, "start_time": iso(start), "duration": data["duration"]}
        row["status"] = "deleted" if key in event.cancelled else "available"
        moved = event.moved.get(key, {})
        if "start_time" in moved:
            row["start_time"] = to_utc(moved["start_time"], data["timezone"])
        row["duration"] = moved.get("duration", row["duration"])
        rows.append(row)
    return rows


def _starts(data: JSON) -> tuple[datetime, ...]:
    return _known_starts(data["start_time"], data["timezone"], json.dumps(data["recurrence"]))


@lru_cache(maxsize=4096)
def _known_starts(first: str, zone_name: str, recurrence: str) -> tuple[datetime, ...]:
    return tuple(occurrence_starts(parse_iso(first), zone_name, json.loads(recurrence)))


def upcoming(event: Event, now: datetime) -> list[JSON]:
    """Return the occurrences that are not over at ``now``."""
    return [
        row for row in occurrences(event) if parse_iso(row["start_time"]) + timedelta(minutes=row["duration"]) > now
    ]


def expired(event: Event, now: datetime) -> bool:
    """Whether the number has lapsed: 30 days unused, 365 for recurring ones."""
    uses = [parse_iso(event.data["created_at"]), *(i.end or now for i in event.instances)]
    if event.data.get("start_time"):
        uses.append(parse_iso(event.data["start_time"]))
    if event.data["type"] in RECURRING and event.data.get("recurrence"):
        uses += _starts(event.data)[-1:]
    days = 365 if event.data["type"] in (*RECURRING, *_NO_FIXED_TIME) else 30
    return now > max(uses) + timedelta(days=days)


def join_url(event: Event, site: str) -> str:
    """Return the join link, which carries the password in disguise."""
    url = f"{site}/j/{event.number}"
    hidden = hidden_password(str(event.data.get("password", "")))
    return f"{url}?pwd={hidden}" if event.kind == "meeting" and hidden else url
