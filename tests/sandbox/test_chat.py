from __future__ import annotations

import pytest

from changewire.sandbox import OWNER_EMAIL, OWNER_ID
from tests.sandbox.api import JSON, Api

ARI = "ari.member+zoom@example.com"
ARI_PATH = "/chat/users/ari.member%2Bzoom@example.com"
MINE = "/chat/users/me"


def channel(api: Api, **fields: object) -> str:
    made = api.call("POST", f"{MINE}/channels", json={"name": "Launch", "type": 3, **fields})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def say(api: Api, text: str, place: str = MINE, **where: str) -> str:
    made = api.call("POST", f"{place}/messages", json={"message": text, **where})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def heard(api: Api, place: str = MINE, **query: str) -> list[str]:
    return [row["message"] for row in api.get(f"{place}/messages", **query)["messages"]]


def test_a_channel_is_made_renamed_and_deleted(api: Api) -> None:
    number = channel(api, members=[{"email": ARI}])
    for path in (f"/chat/channels/{number}", f"{MINE}/channels/{number}"):
        assert api.get(path)["name"] == "Launch"
    assert [row["id"] for row in api.get(f"{ARI_PATH}/channels")["channels"]] == [number]
    assert api.call("PATCH", f"/chat/channels/{number}", json={"name": "Launched"}).status_code == 204
    assert [row["name"] for row in api.get("/chat/channels")["channels"]] == ["Launched"]
    assert api.call("POST", "/chat/channels/search", json={"needle": "LAUNCH", "haystack": "x"}).json()["channels"]
    assert api.call("DELETE", f"{MINE}/channels/{number}").status_code == 204
    assert api.error(f"/chat/channels/{number}", 404, 4130) == f"Channel does not exist: {number}."


def test_a_group_chat_needs_no_name(api: Api) -> None:
    for _ in range(2):
        made = api.call("POST", f"{MINE}/channels", json={"type": 4, "members": [{"email": ARI}]})
        assert (made.status_code, made.json()["type"]) == (201, 4)


def test_members_join_lead_and_leave(api: Api) -> None:
    number = channel(api)
    path = f"/chat/channels/{number}/members"
    assert api.call("POST", path, json={"members": [{"email": ARI}]}).status_code == 201
    assert [(row["email"], row["role"]) for row in api.get(path)["members"]] == [
        (OWNER_EMAIL, "owner"), (ARI, "member"),
    ]  # fmt: skip
    admins = f"{MINE}/channels/{number}/admins"
    assert api.call("POST", admins, json={"admins": [{"email": ARI}]}).status_code == 201
    assert len(api.get(admins)["admins"]) == 2
    assert api.call("DELETE", admins, params={"admin_ids": ARI, "user_ids": ARI}).status_code == 204
    assert len(api.get(admins)["admins"]) == 1
    assert api.call("DELETE", f"{path}/{ARI.replace('+', '%2B')}").status_code == 204
    assert api.call("DELETE", f"{path}/me").status_code == 204
    assert api.call("POST", f"{path}/me").status_code == 201
    assert [row["id"] for row in api.get(path)["members"]] == [OWNER_ID]


def test_messages_are_sent_answered_edited_and_deleted(api: Api) -> None:
    where = {"to_channel": channel(api, members=[{"email": ARI}])}
    first = say(api, "Hello", **where)
    say(api, "Hi!", ARI_PATH, reply_main_message_id=first, **where)
    assert heard(api, **where) == ["Hi!", "Hello"]
    assert heard(api, exclude_child_message="true", **where) == ["Hello"]
    assert heard(api, search_key="hi", **where) == ["Hi!"]
    thread = api.get(f"{MINE}/messages/{first}/thread", **where, **{"from": "2026-01-01T00:00:00Z"})
    assert [row["message"] for row in thread["messages"]] == ["Hello", "Hi!"]
    path = f"{MINE}/messages/{first}"
    assert api.call("PUT", path, json={"message": "Hello all", **where}).status_code == 204
    assert api.get(path, **where)["message"] == "Hello all"
    assert api.call("DELETE", path, params=where).status_code == 204
    assert heard(api, **where) == ["Hi!"]
    assert heard(api, include_deleted_and_edited_message="true", **where) == ["Hi!", ""]
    api.error(path, 400, 300, **where)


def test_two_people_share_one_conversation(api: Api) -> None:
    say(api, "Lunch?", to_contact=ARI)
    say(api, "Yes", ARI_PATH, to_contact=OWNER_EMAIL)
    assert heard(api, to_contact=ARI) == heard(api, ARI_PATH, to_contact=OWNER_EMAIL) == ["Yes", "Lunch?"]
    session = api.get(f"{MINE}/sessions", type="1:1")["sessions"][0]
    assert session["peer_contact_email"] == ARI
    assert api.get(f"{MINE}/sessions", type="groupchat")["sessions"] == []


def test_messages_are_those_of_a_day_or_a_window(api: Api) -> None:
    where = {"to_channel": channel(api)}
    yesterday = api.sandbox.world.stamp()
    say(api, "Old", **where)
    api.control("clock", advance_s=86400)
    api.sign_in()
    say(api, "New", **where)
    assert heard(api, **where) == ["New"]
    assert heard(api, date=yesterday[:10], **where) == ["Old"]
    assert heard(api, **where, **{"from": yesterday, "to": api.sandbox.world.stamp()}) == ["New", "Old"]
    text = api.error(f"{MINE}/messages", 400, 300, **where, date="2020-01-01")
    assert text == "Only provide past chat messages in recent 6 months."


def test_emoji_are_added_and_taken_back(api: Api) -> None:
    where = {"to_channel": channel(api)}
    path = f"{MINE}/messages/{say(api, 'Done', **where)}"
    for action, count in (("add", 1), ("add", 1), ("remove", 0)):
        body = {"action": action, "emoji": "U+1F44D", **where}
        assert api.call("PATCH", f"{path}/emoji_reactions", json=body).status_code == 204
        assert sum(row["total_count"] for row in api.get(path, **where)["reactions"]) == count
    assert api.call("PATCH", f"{path}/status", json={"action": "unread", **where}).status_code == 204


def test_chat_happens_by_control_too(api: Api) -> None:
    made = api.control("create_channel", name="Ops", members=[ARI])
    sent = api.control("send_message", message="Ready", sender=ARI, channel_id=made["id"])
    assert heard(api, to_channel=made["id"]) == ["Ready"]
    api.control("edit_message", message_id=sent["id"], message="Ready now")
    api.control("react", message_id=sent["id"], emoji="U+1F44D")
    api.control("send_message", message="Go", channel_id=made["id"], reply_to=sent["id"])
    api.control("delete_message", message_id=sent["id"])
    assert heard(api, to_channel=made["id"]) == ["Go"]
    api.control("remove_channel_member", channel_id=made["id"], user_id=ARI)
    api.control("add_channel_member", channel_id=made["id"], user_id=ARI, role="admin")
    api.control("delete_channel", channel_id=made["id"])
    assert api.get("/chat/channels")["channels"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", f"{MINE}/messages", None, 400, 300),
        ("GET", f"{MINE}/messages?to_channel=x", None, 404, 4130),
        ("GET", f"{MINE}/messages?to_contact=x", None, 404, 1001),
        ("GET", "/chat/users/nobody/messages?to_contact=x", None, 404, 1001),
        ("POST", f"{MINE}/messages", {"message": "Hi", "to_channel": "x"}, 404, 4130),
        ("POST", f"{MINE}/messages", {"message": "Hi", "to_contact": "x"}, 404, 1001),
        ("POST", f"{MINE}/messages", {"to_contact": ARI}, 400, 300),
        ("POST", f"{MINE}/messages", {"message": "Hi", "to_contact": ARI, "reply_main_message_id": "x"}, 400, 300),
        ("PUT", f"{MINE}/messages/x", {"message": "Hi", "to_contact": ARI}, 400, 300),
        ("POST", f"{MINE}/channels", {"type": 1}, 400, 300),
        ("POST", f"{MINE}/channels", {"name": "x", "members": [{"email": "nobody"}]}, 404, 1001),
        ("GET", f"{MINE}/channels/x/members", None, 404, 4130),
        ("DELETE", f"{MINE}/channels?channel_ids=x", None, 404, 4400),
    ],
)
def test_what_chat_refuses(api: Api, method: str, path: str, body: JSON | None, status: int, code: int) -> None:
    answer = api.call(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_only_the_sender_edits_and_names_are_taken_once(api: Api) -> None:
    where = {"to_channel": channel(api, type=1, members=[{"email": ARI}])}
    mine = say(api, "Mine", **where)
    answer = api.call("PUT", f"{ARI_PATH}/messages/{mine}", json={"message": "Yours", **where})
    assert (answer.status_code, answer.json()["code"]) == (400, 200)
    again = api.call("POST", f"{MINE}/channels", json={"name": "Launch"})
    assert again.json()["message"] == "The channel name already exists."
    joined = api.call("POST", f"/chat/channels/{where['to_channel']}/members/me")
    assert joined.json()["code"] == 5301
