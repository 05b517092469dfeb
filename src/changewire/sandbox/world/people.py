"""Users, usage reports and new keys in answers."""

from __future__ import annotations

from typing import Any

from changewire.sandbox.errors import JSON, ControlError
from changewire.sandbox.world.base import WorldBase, action
from changewire.sandbox.world.templates import merge, new_user

GROWABLE = (
    "user", "meeting", "webinar", "meeting_row", "webinar_row", "recording", "recording_file",
    "participant", "summary", "report", "past_meeting",
)  # fmt: skip
_FIGURES = ("new_users", "meetings", "participants", "meeting_minutes")


class PeopleActions(WorldBase):
    """Actions on users, reports and schemas."""

    @action
    def create_user(self, email: str, **fields: Any) -> JSON:
        """Add a user; ``fields`` replace the defaults. The first user is the owner."""
        if self.find_user(email):
            raise ControlError(f"{email} is in use", status=409)
        user_id = str(fields.pop("id", "") or self.ids.word())
        user = new_user(self.ids, user_id, email, self.stamp())
        if not self.users:
            user.update(role_name="Owner", role_id="0")
            self.owner_id = user_id
        merge(user, fields)
        self.users[user_id] = user
        self.record("user_created", user_id=user_id, email=email)
        return {"user_id": user_id, "email": email}

    @action
    def update_user(self, user_id: str, **fields: Any) -> JSON:
        """Change fields of a user (by id, e-mail or ``me``)."""
        user = self.need_user(user_id)
        changed = sorted(key for key, value in fields.items() if user.get(key) != value)
        merge(user, fields)
        if {"first_name", "last_name"} & set(changed) and "display_name" not in fields:
            user["display_name"] = f"{user['first_name']} {user['last_name']}".strip()
        self.record("user_updated", user_id=user["id"], fields=changed)
        return {"user_id": user["id"], "changed": changed}

    @action
    def delete_user(self, user_id: str) -> JSON:
        """Remove a user from the account; the owner stays."""
        user = self.need_user(user_id)
        if user["id"] == self.owner_id:
            raise ControlError("the owner cannot be deleted")
        del self.users[user["id"]]
        self.record("user_deleted", user_id=user["id"])
        return {"user_id": user["id"]}

    @action
    def bump_report(
        self,
        date: str | None = None,
        new_users: int = 0,
        meetings: int = 0,
        participants: int = 0,
        meeting_minutes: int = 0,
        group_id: str = "",
    ) -> JSON:
        """Add to a day's usage figures; ``date`` is ``yyyy-mm-dd``, None for today."""
        day = date or self.stamp()[:10]
        row = self.report_row(day, group_id)
        for name, more in zip(_FIGURES, (new_users, meetings, participants, meeting_minutes), strict=True):
            row[name] += more
        self.record("report_bumped", date=day, group_id=group_id, row=row)
        return dict(row)

    def report_row(self, day: str, group_id: str = "") -> JSON:
        """Return the stored figures of a day, made with zeros if new."""
        days = self.reports.setdefault(group_id, {})
        return days.setdefault(day, {"date": day, **dict.fromkeys(_FIGURES, 0)})

    @action
    def grow_schema(self, kind: str, key: str, value: Any = "") -> JSON:
        """Give all objects of a kind a new key; ``a.b`` puts ``b`` into the object ``a``."""
        if kind not in GROWABLE:
            raise ControlError(f"no kind {kind!r}", known=list(GROWABLE))
        inner: JSON = {key.rpartition(".")[2]: value}
        outer = key.rpartition(".")[0]
        merge(self.grown.setdefault(kind, {}), {outer: inner} if outer else inner)
        self.record("schema_grown", object=kind, key=key)
        return {"kind": kind, "key": key}
