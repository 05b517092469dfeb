from __future__ import annotations

import pytest

from changewire.sandbox import OWNER_EMAIL, OWNER_ID
from tests.sandbox.api import JSON, Api

ARI = "ari.member%2Bzoom@example.com"


def create(api: Api, action: str = "autoCreate", email: str = "bo@example.com") -> JSON:
    body = {"action": action, "user_info": {"email": email, "type": 2, "first_name": "Bo", "last_name": "New"}}
    made = api.call("POST", "/users", json=body)
    assert made.status_code == 201, made.text
    answer: JSON = made.json()
    return answer


@pytest.mark.parametrize(("action", "status"), [("create", "pending"), ("autoCreate", "active")])
def test_an_invited_user_is_pending_and_others_are_active(api: Api, action: str, status: str) -> None:
    made = create(api, action)
    assert (made["email"], made["first_name"]) == ("bo@example.com", "Bo")
    assert made["id"] in [row["id"] for row in api.get("/users", status=status)["users"]]


def test_a_user_is_deactivated_activated_and_deleted(api: Api) -> None:
    made = create(api)
    for action, status in (("deactivate", "inactive"), ("activate", "active")):
        assert api.call("PUT", f"/users/{made['id']}/status", json={"action": action}).status_code == 200
        assert api.get(f"/users/{made['id']}")["status"] == status
    api.control("set_user_status", user_id=made["id"], status="inactive")
    assert api.get(f"/users/{made['id']}")["status"] == "inactive"
    assert api.call("DELETE", f"/users/{made['id']}").status_code == 204
    api.error(f"/users/{made['id']}", 404, 1001)


def test_a_deleted_user_hands_the_meetings_over(api: Api) -> None:
    made = create(api)
    meeting = api.control("create_meeting", user_id=made["id"])
    query = {"action": "delete", "transfer_email": OWNER_EMAIL, "transfer_meeting": "true"}
    assert api.call("DELETE", f"/users/{made['id']}", params=query).status_code == 204
    assert api.get(f"/meetings/{meeting['meeting_id']}")["host_id"] == OWNER_ID


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/users", {"action": "autoCreate", "user_info": {"email": OWNER_EMAIL, "type": 1}}, 409, 1005),
        ("POST", "/users", {"action": "autoCreate", "user_info": {"email": "x@example.com"}}, 400, 300),
        ("POST", "/users", {"action": "clone", "user_info": {"email": "x", "type": 77}}, 400, 300),
        ("DELETE", "/users/me", None, 400, 1117),
        ("DELETE", "/users/nobody", None, 404, 1001),
        ("DELETE", f"/users/{ARI}?transfer_email=nobody@example.com", None, 404, 1001),
        ("PUT", "/users/me/status", {"action": "deactivate"}, 400, 200),
        ("PUT", f"/users/{ARI}/status", {"action": "dance"}, 400, 300),
        ("PUT", f"/users/{ARI}/email", {"email": OWNER_EMAIL}, 409, 1005),
        ("PUT", f"/users/{ARI}/email", {"email": "x"}, 400, 300),
        ("PUT", f"/users/{ARI}/password", {"password": "short1"}, 400, 1124),
        ("PUT", f"/users/{ARI}/password", {"password": "longenough"}, 400, 1126),
        ("POST", f"/users/{ARI}/assistants", {"assistants": []}, 400, 300),
        ("DELETE", f"/users/{ARI}/assistants/{OWNER_ID}", None, 404, 1001),
    ],
)
def test_what_users_refuse(api: Api, method: str, path: str, body: JSON | None, status: int, code: int) -> None:
    answer = api.call(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_address_and_password_change(api: Api) -> None:
    made = create(api)
    assert api.call("PUT", f"/users/{made['id']}/email", json={"email": "bob@example.com"}).status_code == 204
    assert api.get("/users/bob@example.com")["id"] == made["id"]
    assert api.call("PUT", f"/users/{made['id']}/password", json={"password": "s3cret-word"}).status_code == 204
    assert "s3cret-word" not in str(api.sandbox.world.history())
    assert api.get("/users/email", email="bob@example.com") == {"existed_email": True}


def test_settings_of_a_user_are_full_and_keep_changes(api: Api) -> None:
    assert api.get("/users/me/settings")["in_meeting"]["chat"] is True
    assert api.call("PATCH", "/users/me/settings", json={"in_meeting": {"chat": False}}).status_code == 204
    settings = api.get(f"/users/{OWNER_ID}/settings")
    assert "userId" not in settings
    assert (settings["in_meeting"]["chat"], settings["in_meeting"]["polling"]) == (False, True)
    assert api.get(f"/users/{ARI}/settings")["in_meeting"]["chat"] is True


def test_assistants_schedule_for_a_user(api: Api) -> None:
    api.call("POST", "/users/me/assistants", json={"assistants": [{"email": "ari.member+zoom@example.com"}]})
    assert len(api.get("/users/me/assistants")["assistants"]) == 1
    assert api.get(f"/users/{ARI}/schedulers")["schedulers"] == [{"id": OWNER_ID, "email": OWNER_EMAIL}]
    assert api.call("DELETE", f"/users/{ARI}/schedulers").status_code == 204
    assert api.get("/users/me/assistants")["assistants"] == []


def test_presence_permissions_tokens_and_the_summary(api: Api) -> None:
    assert api.get("/users/me/presence_status")["status"] == "Available"
    api.call("PUT", "/users/me/presence_status", json={"status": "Away"})
    assert api.get("/users/me/presence_status")["status"] == "Away"
    assert "User:Edit" in api.get("/users/me/permissions")["permissions"]
    assert OWNER_ID in api.get("/users/me/zak")["token"]
    assert api.get("/users/summary")["total_users"] == 2
