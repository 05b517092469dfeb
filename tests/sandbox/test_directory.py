from __future__ import annotations

from datetime import timedelta

import pytest

from changewire.sandbox import OWNER_ID
from tests.sandbox.api import JSON, Api, double

GROUP = "/groups/RSMaSp8sTEGK0_oamiA2_w"
ARI = {"email": "ari.member+zoom@example.com"}


def ari(api: Api) -> str:
    return str(api.get("/users/ari.member%2Bzoom@example.com")["id"])


def test_groups_are_made_renamed_and_deleted(api: Api) -> None:
    made = api.call("POST", "/groups", json={"name": "Support", "id": "mine"})
    assert made.json()["id"] != "mine"
    assert (made.status_code, made.json()["total_members"]) == (201, 0)
    path = f"/groups/{made.json()['id']}"
    assert api.call("PATCH", path, json={"name": "Service"}).status_code == 204
    assert [row["name"] for row in api.crawl("/groups", "groups")] == ["Sales", "Service"]
    assert api.call("DELETE", path).status_code == 204
    assert api.error(path, 404, 4130).startswith("A group with this ")


def test_members_of_a_group_come_move_and_go(api: Api) -> None:
    made = api.call("POST", f"{GROUP}/members", json={"members": [ARI]})
    assert (made.status_code, made.json()["ids"]) == (201, ari(api))
    assert api.get(GROUP)["total_members"] == 2
    assert {row["id"] for row in api.get(f"{GROUP}/members")["members"]} == {OWNER_ID, ari(api)}
    other = api.control("create_group", name="Support")["id"]
    move = {"action": "move", "target_group_id": other}
    assert api.call("PATCH", f"{GROUP}/members/{ari(api)}", json=move).status_code == 204
    assert [row["id"] for row in api.get(f"/groups/{other}/members")["members"]] == [ari(api)]
    assert api.call("DELETE", f"/groups/{other}/members/{ari(api)}").status_code == 204
    assert api.get(f"/users/{ari(api)}")["group_ids"] == []
    api.control("add_group_member", group_id=other, user_id="me")
    api.control("remove_group_member", group_id=other, user_id="me")
    kinds = [entry["kind"] for entry in api.sandbox.world.history()][-2:]
    assert kinds == ["group_member_created", "group_member_deleted"]


def test_a_group_has_administrators_and_settings(api: Api) -> None:
    assert api.call("POST", f"{GROUP}/admins", json={"admins": [ARI]}).status_code == 201
    assert [row["email"] for row in api.get(f"{GROUP}/admins")["admins"]] == [ARI["email"]]
    assert api.call("DELETE", f"{GROUP}/admins/{ari(api)}").status_code == 204
    api.call("PATCH", f"{GROUP}/settings", json={"recording": {"cloud_recording": False}})
    assert api.get(f"{GROUP}/settings")["recording"]["cloud_recording"] is False
    assert api.get(f"{GROUP}/lock_settings")["recording"]["cloud_recording"] is False


def test_roles_are_made_and_given(api: Api) -> None:
    made = api.call("POST", "/roles", json={"name": "Auditor", "privileges": ["Report:Read"]}).json()
    rows = {row["name"]: row["total_members"] for row in api.get("/roles")["roles"]}
    assert rows == {"Owner": 1, "Admin": 0, "Member": 1, "Auditor": 0}
    assert api.get(f"/roles/{made['id']}")["privileges"] == ["Report:Read"]
    assert api.call("POST", f"/roles/{made['id']}/members", json={"members": [ARI]}).status_code == 201
    assert [row["id"] for row in api.get(f"/roles/{made['id']}/members")["members"]] == [ari(api)]
    assert api.get(f"/users/{ari(api)}")["role_name"] == "Auditor"
    assert api.call("DELETE", f"/roles/{made['id']}/members/{ari(api)}").status_code == 204
    api.control("set_role", user_id=ari(api), role_id="1")
    assert [row["id"] for row in api.get("/users", role_id="1")["users"]] == [ari(api)]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/groups", {"name": "Sales"}, 409, 4132),
        ("PATCH", "/roles/1", {"name": "Member"}, 400, 1224),
        ("POST", "/groups", {}, 400, 300),
        ("POST", "/roles", {"description": "x"}, 400, 300),
        ("GET", "/rooms?status=Haunted", None, 400, 300),
        ("GET", "/groups/x/members", None, 404, 4130),
        ("PATCH", "/groups/x/settings", {}, 404, 4130),
        ("POST", f"{GROUP}/members", {"members": []}, 400, 300),
        ("POST", f"{GROUP}/members", {"members": [{"id": "nobody"}]}, 404, 1001),
        ("DELETE", f"{GROUP}/members/nobody", None, 404, 4131),
        ("PATCH", f"{GROUP}/members/{OWNER_ID}", {"action": "move"}, 400, 300),
        ("PATCH", f"{GROUP}/members/{OWNER_ID}", {"action": "move", "target_group_id": "x"}, 404, 4130),
        ("DELETE", f"{GROUP}/admins/{OWNER_ID}", None, 400, 4138),
        ("GET", "/roles/x", None, 400, 1034),
        ("GET", "/roles/x/members", None, 400, 1034),
        ("POST", "/roles", {"name": "Admin"}, 400, 1224),
        ("POST", "/roles/0/members", {"members": [ARI]}, 400, 300),
        ("DELETE", f"/roles/1/members/{OWNER_ID}", None, 404, 1001),
        ("GET", "/tracking_fields/x", None, 404, 5110),
        ("GET", "/devices/x", None, 404, 30055012),
        ("GET", "/accounts/x/settings", None, 404, 2001),
        ("GET", "/chat/users/me/contacts/nobody", None, 404, 1001),
        ("GET", "/archive_files?from=2026-01-01&to=2026-02-01", None, 400, 300),
        ("GET", "/past_meetings/abc==/archive_files", None, 404, 3001),
    ],
)
def test_what_is_refused(api: Api, method: str, path: str, body: JSON | None, status: int, code: int) -> None:
    answer = api.call(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_the_free_plan_has_no_groups(api: Api) -> None:
    api.control("switch", plan="free")
    assert "paid account" in api.error("/groups", 400, 200)
    api.error(f"{GROUP}/members", 400, 200)


def test_account_settings_are_full_and_keep_changes(api: Api) -> None:
    api.control("change_account_settings", in_meeting={"chat": False})
    assert api.get("/accounts/me/settings")["in_meeting"]["chat"] is False
    assert api.call("PATCH", "/accounts/me/lock_settings", json={"recording": {"x": True}}).status_code == 200
    assert api.get("/accounts/me/lock_settings")["recording"]["x"] is True
    assert api.get("/accounts/me/settings", option="meeting_security").keys() == {"meeting_security"}
    api.control("add_record", path="/accounts", id="sub-1")
    assert api.get("/accounts/sub-1/settings")["in_meeting"]["chat"] is True
    assert api.get("/accounts/me/trusted_domains")["trusted_domains"] == ["example.com"]


def test_contacts_are_of_the_company_external_and_searched(api: Api) -> None:
    api.control("add_contact", email="guest@example.org", first_name="Guest")
    assert [row["email"] for row in api.get("/chat/users/me/contacts")["contacts"]] == [ARI["email"]]
    external = api.get("/chat/users/me/contacts", type="external")["contacts"]
    assert [row["email"] for row in external] == ["guest@example.org"]
    assert api.get("/chat/users/me/contacts/guest@example.org")["first_name"] == "Guest"
    assert [row["first_name"] for row in api.get("/contacts", search_key="DANA")["contacts"]] == ["Dana"]


def test_devices_are_enrolled_and_go_offline(api: Api) -> None:
    body = dict.fromkeys(("device_name", "mac_address", "model", "serial_number", "vendor"), "x")
    assert api.call("POST", "/devices", json={**body, "device_type": 0}).status_code == 202
    assert [row["device_name"] for row in api.crawl("/devices", "devices")] == ["Conference bar", "x"]
    api.control("set_device_status", device_id="sandbox-device-1", online=False)
    assert api.get("/devices/sandbox-device-1")["device_status"] == 0
    assert len(api.get("/devices", device_type=-1, search_text="BAR")["devices"]) == 1
    assert [row["device_name"] for row in api.get("/devices", device_status=0)["devices"]] == ["Conference bar"]
    assert api.call("PATCH", "/devices/sandbox-device-1", json={"device_name": "Bar"}).status_code == 204
    assert api.call("DELETE", "/devices/sandbox-device-1").status_code == 204


@pytest.mark.parametrize(
    ("path", "key", "body"),
    [
        ("/h323/devices", "devices", {"name": "Room", "protocol": "H.323", "ip": "10.0.0.1", "encryption": "auto"}),
        ("/tracking_fields", "tracking_fields", {"field": "Cost centre", "required": False}),
        ("/rooms", "rooms", {"name": "Elbe", "type": "ZoomRoom"}),
    ],
)
def test_simple_lists_are_kept(api: Api, path: str, key: str, body: JSON) -> None:
    made = api.call("POST", path, json=body)
    assert made.status_code == 201
    rows = api.get(path)[key]
    assert body.items() <= rows[0].items()
    assert api.call("DELETE", f"{path}/{rows[0]['id']}").status_code < 300
    assert api.get(path)[key] == []


def test_a_room_is_read_and_changed_by_chapters(api: Api) -> None:
    made = api.control("add_record", path="/rooms", name="Elbe")
    assert api.get(f"/rooms/{made['id']}")["basic"]["name"] == "Elbe"
    change = {"basic": {"name": "Oder"}, "setup": {"checkin_and_checkout": {"enable": True}}}
    assert api.call("PATCH", f"/rooms/{made['id']}", json=change).status_code == 204
    assert api.get(f"/rooms/{made['id']}")["setup"]["checkin_and_checkout"] == {"enable": True}
    assert [row["name"] for row in api.get("/rooms", query_name="ode")["rooms"]] == ["Oder"]
    api.control("change_record", path=f"/rooms/{made['id']}", status="Offline")
    assert api.get("/rooms", status="Available")["rooms"] == []
    assert api.get("/metrics/zoomrooms")["zoom_rooms"][0]["status"] == "Offline"
    api.error("/rooms/x", 404, 1012)


def test_archived_files_are_listed_read_and_deleted(api: Api) -> None:
    made = api.control("add_archive_file", meeting_id=85512340003, file_type="MP4")
    api.control("add_archive_file", meeting_id=85512340003, file_type="TXT")
    rows = api.crawl("/archive_files", "meetings")
    assert [(row["uuid"], row["recording_count"]) for row in rows] == [(made["uuid"], 2)]
    path = f"/past_meetings/{double(made['uuid'])}/archive_files"
    assert [file["file_type"] for file in api.get(path)["archive_files"]] == ["MP4", "TXT"]
    link = api.get(path)["archive_files"][0]["download_url"]
    assert len(api.call("GET", link).content) == 1024
    assert api.call("GET", link, headers={"Authorization": "Bearer x"}).status_code == 401
    assert api.call("GET", f"{link}x").status_code == 404
    assert api.call("PATCH", f"/archive_files/{made['file_id']}", json={"auto_delete": False}).status_code == 204
    assert api.get(path)["archive_files"][0]["auto_delete"] is False
    assert api.get("/archive_files/statistics")["statistic_by_file_extension"]["mp4_file_count"] == 1
    old = (api.sandbox.clock.now() - timedelta(days=30)).date().isoformat()
    assert api.get("/archive_files", **{"from": old, "to": old})["meetings"] == []
    assert api.call("DELETE", path).status_code == 204
    api.get(path, 404)
