"""Groups, roles, contacts, devices and archives, and who belongs to what."""

from __future__ import annotations

from typing import Any

from changewire.sandbox.clock import iso
from changewire.sandbox.errors import JSON, ControlError
from changewire.sandbox.world.base import action
from changewire.sandbox.world.records import RecordActions

OWNER_ROLE, MEMBER_ROLE = "0", "2"


class DirectoryActions(RecordActions):
    """Actions on what an administrator keeps."""

    @action
    def set_user_status(self, user_id: str, status: str) -> JSON:
        """Activate (``active``) or deactivate (``inactive``) a user, or invite again (``pending``)."""
        if status not in ("active", "inactive", "pending"):
            raise ControlError(f"no user status {status!r}", known=["active", "inactive", "pending"])
        user = self.need_user(user_id)
        user["status"] = status
        self.record("user_updated", user_id=user["id"], fields=["status"])
        return {"user_id": user["id"], "status": status}

    @action
    def sign_in(self, user_id: str = "me", **fields: Any) -> JSON:
        """Let a user sign in: the time of the last sign-in moves, and the activity report has a line."""
        user = self.need_user(user_id)
        user["last_login_time"] = self.stamp()
        return self.put("/report/activities", {"email": user["email"], **fields})

    @action
    def create_group(self, name: str, **fields: Any) -> JSON:
        """Make a group of users."""
        return self.put("/groups", {"name": name, **fields})

    @action
    def delete_group(self, group_id: str) -> JSON:
        """Delete a group; its members stay in the account."""
        for user in self.users.values():
            user["group_ids"] = [one for one in user["group_ids"] if one != group_id]
        return self.drop("/groups", group_id)

    @action
    def add_group_member(self, group_id: str, user_id: str) -> JSON:
        """Put a user into a group."""
        user = self._of_group(group_id, user_id)
        if group_id not in user["group_ids"]:
            user["group_ids"] = [*user["group_ids"], group_id]
            self.record("group_member_created", group_id=group_id, user_id=user["id"])
        return {"group_id": group_id, "user_id": user["id"]}

    @action
    def remove_group_member(self, group_id: str, user_id: str) -> JSON:
        """Take a user out of a group."""
        user = self._of_group(group_id, user_id)
        user["group_ids"] = [one for one in user["group_ids"] if one != group_id]
        self.record("group_member_deleted", group_id=group_id, user_id=user["id"])
        return {"group_id": group_id, "user_id": user["id"]}

    @action
    def create_role(self, name: str, **fields: Any) -> JSON:
        """Make a role."""
        return self.put("/roles", {"name": name, **fields})

    @action
    def set_role(self, user_id: str, role_id: str = MEMBER_ROLE) -> JSON:
        """Give a user a role; the default takes any other away."""
        user, role = self.need_user(user_id), self.shelf("/roles").get(role_id)
        if role is None:
            raise ControlError(f"no role {role_id!r}", known=list(self.shelf("/roles")))
        before = user["role_id"]
        user.update(role_id=role_id, role_name=role["name"])
        if before != role_id:
            self.record("role_changed", user_id=user["id"], role_id=role_id, before=before)
        return {"user_id": user["id"], "role_id": role_id}

    @action
    def change_account_settings(self, **fields: Any) -> JSON:
        """Change settings of the account, as ``in_meeting={"chat": false}``."""
        return self.set_document("/accounts/me/settings", fields)

    @action
    def add_contact(self, email: str, first_name: str = "", last_name: str = "", **fields: Any) -> JSON:
        """Add an external contact of the owner."""
        names = {"first_name": first_name, "last_name": last_name}
        return self.put("/chat/users/me/contacts", {"email": email, **names, **fields})

    @action
    def add_device(self, device_name: str, **fields: Any) -> JSON:
        """Enrol a device, online; ``fields`` replace the defaults."""
        return self.put("/devices", {"device_name": device_name, **fields})

    @action
    def set_device_status(self, device_id: str, online: bool) -> JSON:
        """Bring a device online or offline."""
        seen = {} if online else {"last_online": self.stamp()}
        self.change("/devices", device_id, {"device_status": int(online), **seen})
        return {"device_id": device_id, "online": online}

    @action
    def add_archive_file(
        self, meeting_id: int | str | None = None, uuid: str | None = None, file_type: str = "MP4", **fields: Any
    ) -> JSON:
        """Archive a file of a meeting's latest or the named session; ``fields`` replace keys of the file."""
        session = self.need_session(meeting_id, uuid)
        entry = self.shelf("/archive_files").get(session.uuid)
        if entry is None:
            end, data = session.end or self.now(), session.event.data
            seconds = round((end - session.start).total_seconds())
            entry = self.put("/archive_files", {
                "uuid": session.uuid, "id": session.event.number, "host_id": data["host_id"], "topic": session.topic,
                "type": data["type"], "timezone": data["timezone"], "start_time": iso(session.start),
                "duration": round(seconds / 60), "duration_in_second": seconds,
            })  # fmt: skip
        file: JSON = {
            "id": self.ids.file_id(), "file_type": file_type, "file_extension": file_type, "file_size": 1024,
            "file_name": f"{session.event.number}.{file_type.lower()}", "status": "completed", "individual": False,
            "auto_delete": True, "participant_email": "", "participant_join_time": iso(session.start),
            "participant_leave_time": iso(session.end or self.now()), "storage_location": "EU", **fields,
        }  # fmt: skip
        entry["archive_files"].append(file)
        entry["total_size"] += file["file_size"]
        entry.update(complete_time=self.stamp(), recording_count=len(entry["archive_files"]))
        facts = {"meeting_id": session.event.number, "uuid": session.uuid}
        self.record("archive_file_created", **facts, file_id=file["id"])
        return {**facts, "file_id": file["id"]}

    def members(self, group_id: str) -> list[JSON]:
        """Return the users of a group."""
        return [user for user in self.users.values() if group_id in user["group_ids"]]

    def holders(self, role_id: str) -> list[JSON]:
        """Return the users who have a role."""
        return [user for user in self.users.values() if user["role_id"] == role_id]

    def _of_group(self, group_id: str, user_id: str) -> JSON:
        if group_id not in self.shelf("/groups"):
            raise ControlError(f"no group {group_id!r}", known=list(self.shelf("/groups")))
        return self.need_user(user_id)
