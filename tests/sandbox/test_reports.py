from __future__ import annotations

from datetime import timedelta

import pytest

from changewire.sandbox import OWNER_ID
from tests.sandbox.api import JSON, Api


def window(api: Api, days: int = 3) -> dict[str, str]:
    today = api.sandbox.clock.now().date()
    return {"from": (today - timedelta(days=days)).isoformat(), "to": today.isoformat()}


def test_hosts_are_reported_with_and_without_meetings(api: Api) -> None:
    active = api.get("/report/users", **window(api))
    assert [row["email"] for row in active["users"]] == ["dana.host@example.com"]
    assert active["total_meetings"] == 2
    inactive = api.get("/report/users", type="inactive", **window(api))
    assert [row["email"] for row in inactive["users"]] == ["ari.member+zoom@example.com"]


def test_the_meetings_of_a_host_and_one_of_them_are_reported(api: Api) -> None:
    rows = api.get(f"/report/users/{OWNER_ID}/meetings", **window(api))["meetings"]
    row = next(one for one in rows if one["id"] == 85512340003)
    assert (row["topic"], row["participants_count"]) == ("Customer call", 3)
    assert api.get("/report/meetings/85512340003")["uuid"] == row["uuid"]
    assert api.get("/report/webinars/91122233345")["topic"] == "Product preview"
    assert len(api.get("/report/webinars/91122233345/participants")["participants"]) == 2


def test_what_administrators_do_is_logged(api: Api) -> None:
    api.control("update_user", user_id="me", dept="Support")
    logs = api.get("/report/operationlogs", **window(api, 0))["operation_logs"]
    assert [(row["action"], row["category_type"]) for row in logs][-1] == ("Update", "user")
    assert api.get("/report/operationlogs", category_type="billing", **window(api))["operation_logs"] == []


def test_telephone_use_and_storage_are_reported_by_day(api: Api) -> None:
    api.control("add_record", path="/report/telephone", phone_number="+49 30 1", start_time=api.sandbox.world.stamp())
    assert [row["phone_number"] for row in api.get("/report/telephone", **window(api))["telephony_usage"]] == [
        "+49 30 1"
    ]
    assert len(api.get("/report/cloud_recording", **window(api))["cloud_recording_storage"]) == 4


def test_signing_in_moves_the_user_and_is_reported(api: Api) -> None:
    api.control("clock", advance_s=60)
    before = api.get("/users/me")["last_login_time"]
    api.control("sign_in", user_id="me", client_type="win")
    assert api.get("/users/me")["last_login_time"] > before
    row = api.get("/report/activities", **window(api, 0))["activity_logs"][0]
    assert (row["email"], row["type"], row["client_type"]) == ("dana.host@example.com", "Sign in", "win")


def test_what_is_to_come_is_reported_once_for_each_occurrence(api: Api) -> None:
    today = api.sandbox.clock.now().date()
    ahead = {"from": today.isoformat(), "to": (today + timedelta(days=20)).isoformat()}
    rows = api.get("/report/upcoming_events", **ahead)["upcoming_events"]
    assert [row["topic"] for row in rows].count("Weekly standup") == 3
    only = api.get("/report/upcoming_events", type="webinar", **ahead)["upcoming_events"]
    assert {row["topic"] for row in only} == {"Product launch", "Product preview"}


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("/report/users", {}, 400, 300),
        ("/report/users", {"from": "2026-01-01", "to": "2026-11-01"}, 400, 300),
        ("/report/users", {"from": "soon", "to": "2026-11-01"}, 400, 300),
        ("/report/users/nobody/meetings", {"from": "2026-11-01", "to": "2026-11-01"}, 404, 1001),
        ("/report/meetings/85512340001", {}, 404, 3001),
    ],
)
def test_what_reports_refuse(api: Api, path: str, query: JSON, status: int, code: int) -> None:
    api.error(path, status, code, **query)


def test_reports_are_not_for_the_free_plan(api: Api) -> None:
    api.control("switch", plan="free")
    assert api.error("/report/users", 400, 200, **window(api)) == "No permission."
