"""Team chat: channels, who is in them, and messages."""

from __future__ import annotations

from typing import Any

from changewire.sandbox.errors import JSON, ControlError
from changewire.sandbox.world.base import action
from changewire.sandbox.world.records import RecordActions

CHANNELS = "/chat/channels"
MESSAGES = "/chat/messages/"
PRIVATE, PUBLIC, GROUP_CHAT = 1, 3, 4  # types of channels


def members_path(channel_id: str) -> str:
    """Return the path of the list of a channel's members."""
    return f"{CHANNELS}/{channel_id}/members"


class ChatActions(RecordActions):
    """Actions on team chat."""

    @action
    def create_channel(
        self,
        name: str,
        owner: str = "me",
        type: int = PRIVATE,  # noqa: A002
        members: list[str] | None = None,
        **fields: Any,
    ) -> JSON:
        """Make a channel of ``owner``; ``members`` are ids or e-mail addresses. Type 3 is public."""
        first = self.need_user(owner)
        others = [self.need_user(one) for one in members or []]
        channel = self.put(CHANNELS, {"name": name, "type": type, **fields})
        channel["jid"] = f"{channel['id'].lower()}@conference.xmpp.zoom.us"
        for user in (first, *others):
            self._join_channel(channel["id"], user, "owner" if user is first else "member")
        return channel

    @action
    def delete_channel(self, channel_id: str) -> JSON:
        """Delete a channel with its members and messages."""
        self.records.pop(members_path(channel_id), None)
        self.records.pop(f"{MESSAGES}{channel_id}", None)
        return self.drop(CHANNELS, channel_id)

    @action
    def add_channel_member(self, channel_id: str, user_id: str, role: str = "member") -> JSON:
        """Put a user into a channel as ``member``, ``admin`` or ``owner``."""
        self._need_channel(channel_id)
        user = self.need_user(user_id)
        self._join_channel(channel_id, user, role)
        return {"channel_id": channel_id, "user_id": user["id"]}

    @action
    def remove_channel_member(self, channel_id: str, user_id: str) -> JSON:
        """Take a user out of a channel."""
        self._need_channel(channel_id)
        self.drop(members_path(channel_id), self.need_user(user_id)["id"])
        return {"channel_id": channel_id, "user_id": user_id}

    @action
    def send_message(
        self,
        message: str,
        sender: str = "me",
        channel_id: str | None = None,
        to_contact: str | None = None,
        reply_to: str | None = None,
        **fields: Any,
    ) -> JSON:
        """Send a message to a channel or a person; ``reply_to`` is the id of a message of the same conversation."""
        user = self.need_user(sender)
        if (channel_id is None) == (to_contact is None):
            raise ControlError("name a channel_id or a to_contact")
        place = self.conversation(user["id"], channel_id, to_contact)
        if reply_to is not None:
            main = self.shelf(place).get(reply_to)
            if main is None:
                raise ControlError(f"no message {reply_to!r}", known=list(self.shelf(place)))
            fields.update(reply_main_message_id=reply_to, reply_main_message_timestamp=main["timestamp"])
        last = max((row["timestamp"] for row in self.shelf(place).values()), default=0)
        made = self.put(place, {
            "message": message, "sender": user["email"], "sender_member_id": user["id"],
            "sender_display_name": user["display_name"], "timestamp": max(int(self.clock.time() * 1000), last + 1),
            **fields,
        })  # fmt: skip
        if channel_id is not None:
            self.shelf(CHANNELS)[channel_id]["last_message_sent_time"] = made["date_time"]
        return made

    @action
    def edit_message(self, message_id: str, message: str) -> JSON:
        """Change the text of a message."""
        place = self.place_of_message(message_id)
        return self.change(place, message_id, {"message": message, "status": "Edited", "edited_time": self.stamp()})

    @action
    def delete_message(self, message_id: str) -> JSON:
        """Delete a message; lists show it only when asked for deleted ones."""
        return self.change(self.place_of_message(message_id), message_id, {"status": "Deleted", "message": ""})

    @action
    def react(self, message_id: str, emoji: str, user_id: str = "me", remove: bool = False) -> JSON:
        """Add an emoji to a message for a user, or take it back."""
        place, user = self.place_of_message(message_id), self.need_user(user_id)
        message = self.shelf(place)[message_id]
        by: dict[str, list[JSON]] = {row["emoji"]: row["users"] for row in message.get("reactions", [])}
        rest = [one for one in by.get(emoji, []) if one["user_id"] != user["id"]]
        by[emoji] = rest if remove else [*rest, {"user_id": user["id"], "user_name": user["display_name"]}]
        reactions = [{"emoji": e, "total_count": len(users), "users": users} for e, users in by.items() if users]
        return self.change(place, message_id, {"reactions": reactions})

    def conversation(self, user_id: str, channel_id: str | None, to_contact: str | None) -> str:
        """Return the path of the messages of a channel, or of two people; ControlError if there are none such."""
        if channel_id is not None:
            self._need_channel(channel_id)
            return f"{MESSAGES}{channel_id}"
        pair = sorted((user_id, self.need_user(str(to_contact))["id"]))
        return f"{MESSAGES}{':'.join(pair)}"

    def place_of_message(self, message_id: str) -> str:
        """Return the path of the conversation that has a message or raise ControlError."""
        for path, shelf in self.records.items():
            if path.startswith(MESSAGES) and message_id in shelf:
                return path
        raise ControlError(f"no message {message_id!r}", status=404)

    def _need_channel(self, channel_id: str) -> None:
        if channel_id not in self.shelf(CHANNELS):
            raise ControlError(f"no channel {channel_id!r}", status=404, known=list(self.shelf(CHANNELS)))

    def _join_channel(self, channel_id: str, user: JSON, role: str) -> None:
        shelf = self.shelf(members_path(channel_id))
        if user["id"] in shelf:
            shelf[user["id"]]["role"] = role
            return
        names = {"name": user["display_name"], "first_name": user["first_name"], "last_name": user["last_name"]}
        fields = {"id": user["id"], "member_id": user["id"], "email": user["email"], **names, "role": role}
        self.put(members_path(channel_id), {**fields, "is_external": False})
