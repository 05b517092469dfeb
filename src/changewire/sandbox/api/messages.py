"""Endpoints of chat messages and sessions."""

from __future__ import annotations

from changewire.sandbox.api.call import Call, Reply
from changewire.sandbox.api.crud import listing
from changewire.sandbox.clock import iso, months_before
from changewire.sandbox.errors import JSON, ApiError, ControlError, no_user, validation
from changewire.sandbox.world.chat import CHANNELS, MESSAGES, members_path

_OLDEST_MONTHS = 6
_MOST_TEXT = 4096


def list_messages(call: Call) -> Reply:
    """GET /chat/users/{userId}/messages: those of one day, or between two instants, newest first."""
    place = _conversation(call, call.query)
    since, until = _window(call)
    key = call.query.get("search_key", "").lower()
    rows = [
        row
        for row in call.world.shelf(place).values()
        if since <= row["date_time"] <= until and key in row["message"].lower() and _wanted(call, row)
    ]
    http, page = listing(call, rows[::-1])
    day = {"date": since[:10]} if "from" not in call.query else {"from": since, "to": until}
    return http, {**day, **(page or {})}


def send_message(call: Call) -> Reply:
    """POST /chat/users/{userId}/messages, to a channel or a contact, perhaps as a reply."""
    text, reply_to = call.body["message"], call.body.get("reply_main_message_id")
    if not isinstance(text, str) or len(text) > _MOST_TEXT:
        raise validation("message")
    place = _conversation(call, call.body)
    if reply_to and str(reply_to) not in call.world.shelf(place):
        raise ApiError(400, 300, f"Message does not exist: {reply_to}.")
    kept = ("message", "to_contact", "to_channel", "reply_main_message_id", "id", "sender")
    extra = {name: value for name, value in call.body.items() if name not in kept}
    made = call.world.send_message(
        text, call.user()["id"], call.body.get("to_channel"), call.body.get("to_contact"), reply_to or None, **extra
    )
    return call.done({"id": made["id"]})


def get_message(call: Call) -> Reply:
    """GET /chat/users/{userId}/messages/{messageId}."""
    return 200, _message(call, call.query)[1]


def edit_message(call: Call) -> Reply:
    """PUT /chat/users/{userId}/messages/{messageId}: by its sender only."""
    _, message = _message(call, call.body, own=True)
    if not isinstance(call.body.get("message"), str):
        raise validation("message")
    call.world.edit_message(message["id"], call.body["message"])
    return call.done()


def delete_message(call: Call) -> Reply:
    """DELETE /chat/users/{userId}/messages/{messageId}: by its sender only."""
    call.world.delete_message(_message(call, call.query, own=True)[1]["id"])
    return call.done()


def react(call: Call) -> Reply:
    """PATCH /chat/users/{userId}/messages/{messageId}/emoji_reactions."""
    _, message = _message(call, call.body)
    act, emoji = call.body.get("action"), call.body.get("emoji")
    if act not in ("add", "remove") or not isinstance(emoji, str):
        raise validation("emoji" if act in ("add", "remove") else "action")
    call.world.react(message["id"], emoji, call.user()["id"], act == "remove")
    return call.done()


def mark(call: Call) -> Reply:
    """PATCH /chat/users/{userId}/messages/{messageId}/status: read or unread."""
    _, message = _message(call, call.body)
    if call.body.get("action") not in ("read", "unread"):
        raise validation("action")
    call.world.set_document(f"/chat/read/{call.user()['id']}", {message["id"]: call.body["action"]})
    return call.done()


def thread(call: Call) -> Reply:
    """GET /chat/users/{userId}/messages/{messageId}/thread: a message and its replies."""
    place, main = _message(call, call.query)
    replies = [r for r in call.world.shelf(place).values() if r.get("reply_main_message_id") == main["id"]]
    ordered = sorted(replies, key=lambda row: int(row["timestamp"]), reverse=call.query.get("sort", "desc") == "desc")
    with_main = call.query.get("need_main_message", "true") == "true"
    limit = call.query.get("limit", "10")
    if not limit.isdigit() or int(limit) > 100:
        raise ApiError(400, 4231, "The 'limit' cannot exceed 100.")
    rows = [row for row in ordered if row.get("status") != "Deleted"][: int(limit)]
    return 200, {"messages": [*([main] if with_main else []), *rows], "replies_count": len(replies)}


def sessions(call: Call) -> Reply:
    """GET /chat/users/{userId}/sessions: conversations of a user with something said."""
    user_id, kind = call.user()["id"], call.query.get("type", "")
    rows = []
    for path, shelf in call.world.records.items():
        if not path.startswith(MESSAGES) or not shelf:
            continue
        session_id, last = path.removeprefix(MESSAGES), list(shelf.values())[-1]["date_time"]
        channel = call.world.shelf(CHANNELS).get(session_id)
        if channel is not None and user_id in call.world.shelf(members_path(session_id)):
            rows.append({"session_id": session_id, "name": channel["name"], "type": "groupchat",
                         "last_message_sent_time": last})  # fmt: skip
        elif channel is None and user_id in session_id.split(":"):
            peer = next((one for one in session_id.split(":") if one != user_id), user_id)
            other = call.world.find_user(peer) or {"display_name": "", "email": ""}
            rows.append({"session_id": session_id, "name": other["display_name"], "type": "1:1",
                         "peer_contact_email": other["email"], "last_message_sent_time": last})  # fmt: skip
    return listing(call, [row for row in rows if kind in ("", row["type"])])


def _conversation(call: Call, named: JSON) -> str:
    """Return the path of the messages that ``to_contact`` or ``to_channel`` names."""
    user = call.user()
    contact, channel = named.get("to_contact"), named.get("to_channel")
    if not contact and not channel:
        raise ApiError(400, 300, "Must provide either contact or channel parameter.")
    if not isinstance(channel or contact, str):
        raise validation("to_channel" if channel else "to_contact")
    try:
        return call.world.conversation(user["id"], channel or None, None if channel else contact)
    except ControlError:
        raise (call.world.collection(CHANNELS).no(str(channel)) if channel else no_user(str(contact))) from None


def _message(call: Call, named: JSON, own: bool = False) -> tuple[str, JSON]:
    place, message_id = _conversation(call, named), call.word("messageId")
    message = call.world.shelf(place).get(message_id)
    if message is None or message.get("status") == "Deleted":
        raise ApiError(400, 300, f"Message does not exist: {message_id}.")
    if own and message["sender_member_id"] != call.user()["id"]:
        raise ApiError(400, 200, "Only the sender of this message can make updates.")
    return place, message


def _window(call: Call) -> tuple[str, str]:
    now = call.world.now()
    if "from" in call.query:
        since, until = call.moment("from"), call.moment("to", last=True) if call.query.get("to") else now
    else:
        since = call.day("date", now)
        until = since.replace(hour=23, minute=59, second=59)
    if since < months_before(now, _OLDEST_MONTHS):
        raise ApiError(400, 300, "Only provide past chat messages in recent 6 months.")
    return iso(since), iso(until)


def _wanted(call: Call, row: JSON) -> bool:
    deleted = row.get("status") == "Deleted" and not call.flag("include_deleted_and_edited_message")
    return not deleted and not (call.flag("exclude_child_message") and "reply_main_message_id" in row)


_ONE = "/chat/users/{userId}/messages/{messageId}"
HANDLERS = {
    "GET /chat/users/{userId}/messages": list_messages,
    "POST /chat/users/{userId}/messages": send_message,
    f"GET {_ONE}": get_message,
    f"PUT {_ONE}": edit_message,
    f"DELETE {_ONE}": delete_message,
    f"PATCH {_ONE}/emoji_reactions": react,
    f"PATCH {_ONE}/status": mark,
    f"GET {_ONE}/thread": thread,
    "GET /chat/users/{userId}/sessions": sessions,
}
