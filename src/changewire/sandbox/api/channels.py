"""Endpoints of chat channels and their members."""

from __future__ import annotations

from changewire.sandbox.api.call import Call, Reply
from changewire.sandbox.api.crud import listing
from changewire.sandbox.errors import JSON, ApiError, validation
from changewire.sandbox.world.chat import CHANNELS, GROUP_CHAT, PRIVATE, PUBLIC, members_path

_TYPES = (1, 2, 3, 4, 5)
_MOST_AT_ONCE = 20


def list_channels(call: Call) -> Reply:
    """GET /chat/users/{userId}/channels: the channels a user is in."""
    user_id = call.user()["id"]
    rows = call.world.shelf(CHANNELS).values()
    return listing(call, [row for row in rows if user_id in call.world.shelf(members_path(row["id"]))])


def create_channel(call: Call) -> Reply:
    """POST /chat/users/{userId}/channels."""
    user, body = call.user(), call.body
    nameless = body.get("type") == GROUP_CHAT
    wrong = [] if nameless or (isinstance(body.get("name"), str) and body["name"]) else ["name"]
    wrong += [] if body.get("type", PRIVATE) in _TYPES else ["type"]
    if wrong:
        raise validation(*wrong)
    if not nameless:
        _need_new_name(call, body["name"])
    fields = {key: value for key, value in body.items() if key not in ("name", "type", "members", "id", "owner")}
    emails = [one["id"] for one in call.people("members", _MOST_AT_ONCE, least=0)]
    made = call.world.create_channel(body.get("name", ""), user["id"], body.get("type", PRIVATE), emails, **fields)
    return call.done(made)


def get_channel(call: Call) -> Reply:
    """GET /chat/channels/{channelId} and the user's one."""
    return 200, _channel(call)


def update_channel(call: Call) -> Reply:
    """PATCH /chat/channels/{channelId} and the user's one."""
    channel = _channel(call)
    if call.body.get("name", channel["name"]) != channel["name"]:
        _need_new_name(call, call.body["name"])
    call.world.change(CHANNELS, channel["id"], call.body)
    return call.done()


def delete_channel(call: Call) -> Reply:
    """DELETE /chat/channels/{channelId} and the user's one."""
    call.world.delete_channel(_channel(call)["id"])
    return call.done()


def delete_channels(call: Call) -> Reply:
    """DELETE /chat/users/{userId}/channels: several, by ids."""
    wanted = call.query["channel_ids"].split(",")
    for channel_id in wanted:
        if channel_id not in call.world.shelf(CHANNELS):
            raise ApiError(404, 4400, f"Channel does not exist: {channel_id}.")
    for channel_id in wanted:
        call.world.delete_channel(channel_id)
    return call.done()


def members(call: Call) -> Reply:
    """GET /chat/channels/{channelId}/members and the user's one."""
    return listing(call, list(call.world.shelf(members_path(_channel(call)["id"])).values()))


def add_members(call: Call) -> Reply:
    """POST /chat/channels/{channelId}/members and the user's one."""
    channel, people = _channel(call), call.people("members", _MOST_AT_ONCE)
    for user in people:
        call.world.add_channel_member(channel["id"], user["id"])
    ids = ",".join(user["id"] for user in people)
    return call.done({"added_at": call.world.stamp(), "ids": ids, "member_ids": ids})


def remove_members(call: Call) -> Reply:
    """DELETE /chat/channels/{channelId}/members and the user's one: several, by ids or addresses."""
    named = [one for key in ("member_ids", "user_ids", "identifiers") for one in call.query.get(key, "").split(",")]
    channel_id = _channel(call)["id"]
    for one in filter(None, named):
        _remove(call, channel_id, one)
    return call.done()


def remove_member(call: Call) -> Reply:
    """DELETE /chat/channels/{channelId}/members/{identifier} and the user's one."""
    _remove(call, _channel(call)["id"], call.word("identifier"))
    return call.done()


def join(call: Call) -> Reply:
    """POST /chat/channels/{channelId}/members/me: anybody may join a public channel."""
    channel, user = _channel(call), call.user("me")
    if channel["type"] != PUBLIC:
        raise ApiError(400, 5301, "The request to join the channel failed.")
    call.world.add_channel_member(channel["id"], user["id"])
    return call.done({"added_at": call.world.stamp(), "id": user["id"], "member_id": user["id"]})


def leave(call: Call) -> Reply:
    """DELETE /chat/channels/{channelId}/members/me."""
    channel, user = _channel(call), call.user("me")
    if user["id"] not in call.world.shelf(members_path(channel["id"])):
        raise ApiError(400, 5301, "Request to leave the channel failed.")
    call.world.remove_channel_member(channel["id"], user["id"])
    return call.done()


def admins(call: Call) -> Reply:
    """GET /chat/users/{userId}/channels/{channelId}/admins."""
    rows = call.world.shelf(members_path(_channel(call)["id"])).values()
    return listing(call, [row for row in rows if row["role"] in ("admin", "owner")])


def add_admins(call: Call) -> Reply:
    """POST /chat/users/{userId}/channels/{channelId}/admins."""
    channel, people = _channel(call), call.people("admins", _MOST_AT_ONCE)
    for user in people:
        call.world.add_channel_member(channel["id"], user["id"], "admin")
    return call.done({"added_at": call.world.stamp(), "ids": ",".join(user["id"] for user in people)})


def remove_admins(call: Call) -> Reply:
    """DELETE /chat/users/{userId}/channels/{channelId}/admins: they stay members."""
    channel = _channel(call)
    named = {one for key in ("admin_ids", "user_ids") for one in call.query.get(key, "").split(",")}
    for row in call.world.shelf(members_path(channel["id"])).values():
        if row["role"] == "admin" and (row["id"] in named or row["email"] in named):
            row["role"] = "member"
    return call.done()


def search(call: Call) -> Reply:
    """POST /chat/channels/search: channels with the needle in their names."""
    needle = str(call.body["needle"]).lower()
    found = [row for row in call.world.shelf(CHANNELS).values() if needle in row["name"].lower()]
    return call.done({"channels": found, "next_page_token": "", "page_size": len(found), "total_records": len(found)})


def _channel(call: Call) -> JSON:
    """Return the channel of the path; of a user's path the user must exist, too."""
    if "userId" in call.args:
        call.user()
    channel_id = call.word("channelId")
    found = call.world.shelf(CHANNELS).get(channel_id)
    if found is None:
        raise call.world.collection(CHANNELS).no(channel_id)
    return found


def _need_new_name(call: Call, name: str) -> None:
    if any(row["name"] == name for row in call.world.shelf(CHANNELS).values()):
        raise ApiError(400, 300, "The channel name already exists.")


def _remove(call: Call, channel_id: str, reference: str) -> None:
    user = call.world.find_user(reference)
    if user is None or user["id"] not in call.world.shelf(members_path(channel_id)):
        raise ApiError(400, 5301, "Unable to remove channel member.")
    call.world.remove_channel_member(channel_id, user["id"])


_OF_A_USER = "/chat/users/{userId}/channels"
HANDLERS = {
    f"GET {_OF_A_USER}": list_channels,
    f"POST {_OF_A_USER}": create_channel,
    f"DELETE {_OF_A_USER}": delete_channels,
    f"GET {_OF_A_USER}/{{channelId}}/admins": admins,
    f"POST {_OF_A_USER}/{{channelId}}/admins": add_admins,
    f"DELETE {_OF_A_USER}/{{channelId}}/admins": remove_admins,
    "POST /chat/channels/search": search,
    "POST /chat/channels/{channelId}/members/me": join,
    "DELETE /chat/channels/{channelId}/members/me": leave,
    **{
        f"{method} {place}/{{channelId}}{rest}": handler
        for place in (CHANNELS, _OF_A_USER)
        for method, rest, handler in (
            ("GET", "", get_channel),
            ("PATCH", "", update_channel),
            ("DELETE", "", delete_channel),
            ("GET", "/members", members),
            ("POST", "/members", add_members),
            ("DELETE", "/members", remove_members),
            ("DELETE", "/members/{identifier}", remove_member),
        )
    },
}
