from __future__ import annotations

import pytest

from tests.sandbox.api import Api

OWNER = "dana.host@example.com"
DAY = 86400


def test_a_created_meeting_is_listed_and_read(api: Api) -> None:
    made = api.control("create_meeting", user_id=OWNER, topic="Fresh", agenda="x" * 300)
    rows = {row["id"]: row for row in api.crawl("/users/me/meetings", "meetings")}
    row, detail = rows[made["meeting_id"]], api.get(f"/meetings/{made['meeting_id']}")
    assert (row["topic"], detail["topic"]) == ("Fresh", "Fresh")
    assert (len(row["agenda"]), len(detail["agenda"])) == (250, 300)
    assert row["uuid"] == detail["uuid"] == made["uuid"]
    assert "settings" not in row
    assert detail["settings"]["waiting_room"] is True


def test_the_start_link_is_new_on_each_call_and_nothing_else_is(api: Api) -> None:
    first, second = api.get("/meetings/85512340001"), api.get("/meetings/85512340001")
    assert first.pop("start_url") != second.pop("start_url")
    assert first == second


def test_the_api_creates_changes_and_deletes(api: Api) -> None:
    body = {"topic": "By API", "type": 2, "start_time": "2099-03-01T10:00:00", "timezone": "Europe/Berlin"}
    made = api.call("POST", f"/users/{OWNER}/meetings", json=body)
    assert made.status_code == 201
    number = made.json()["id"]
    assert made.json()["start_time"] == "2099-03-01T09:00:00Z"
    changed = api.call("PATCH", f"/meetings/{number}", json={"settings": {"waiting_room": False}})
    assert (changed.status_code, changed.content) == (204, b"")
    settings = api.get(f"/meetings/{number}")["settings"]
    assert (settings["waiting_room"], settings["host_video"]) == (False, True)
    assert api.call("DELETE", f"/meetings/{number}").status_code == 204
    assert api.error(f"/meetings/{number}", 404, 3001) == f"Meeting does not exist: {number}."
    kinds = [(e["kind"], e["source"]) for e in api.sandbox.world.history()][-3:]
    assert kinds == [("meeting_created", "api"), ("meeting_updated", "api"), ("meeting_deleted", "api")]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"topic": 5, "duration": 0}, ["topic", "duration"]),
        ({"type": 77}, ["type"]),
        ({"type": 8}, ["recurrence"]),
        ({"timezone": "Mars/Base"}, ["timezone"]),
        ({"start_time": "soon"}, ["start_time"]),
        ({"settings": [], "recurrence": {"type": "weekly"}}, ["settings", "recurrence"]),
    ],
)
def test_unfit_bodies_are_refused_field_by_field(api: Api, body: dict[str, object], fields: list[str]) -> None:
    answer = api.call("POST", "/users/me/meetings", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, 300)
    assert [error["field"] for error in answer.json()["errors"]] == fields


def test_a_body_that_is_no_object_is_refused(api: Api) -> None:
    for data in ("[1]", "{oops"):
        answer = api.call("POST", "/users/me/meetings", data=data)
        assert answer.json()["message"] == "Request Body should be a valid JSON object."


def test_a_recurrence_alone_makes_a_meeting_recur(api: Api) -> None:
    made = api.control("create_meeting", user_id=OWNER, recurrence={"type": 1, "end_times": 2})
    detail = api.get(f"/meetings/{made['meeting_id']}")
    assert (detail["type"], len(detail["occurrences"])) == (8, 2)


def test_a_start_in_the_past_is_refused_on_update(api: Api) -> None:
    answer = api.call("PATCH", "/meetings/85512340001", json={"start_time": "2001-01-01T00:00:00Z"})
    assert answer.json()["errors"][0]["field"] == "start_time"


def test_upcoming_lists_one_row_per_occurrence_and_scheduled_one_per_meeting(api: Api) -> None:
    def mine(kind: str) -> list[str]:
        rows = api.crawl("/users/me/meetings", "meetings", type=kind, page_size=5)
        return [row["start_time"] for row in rows if row["id"] == 85512340002]

    assert len(mine("scheduled")) == 1
    assert len(mine("upcoming")) == len(set(mine("upcoming_meetings"))) == 12


def test_the_meetings_of_the_next_day_include_invitations(api: Api) -> None:
    ari = "ari.member+zoom@example.com"
    invited = {"meeting_invitees": [{"email": ari}]}
    start = api.sandbox.clock.now().replace(microsecond=0).isoformat()
    api.control("create_meeting", user_id=OWNER, topic="Soon", start_time=start, settings=invited)
    for user in ("me", "ari.member%2Bzoom@example.com"):
        rows = api.get(f"/users/{user}/upcoming_meetings")["meetings"]
        assert [row["topic"] for row in rows if row["topic"] == "Soon"] == ["Soon"]
    assert "Quarterly planning" not in [row["topic"] for row in rows]


def test_upcoming_ends_after_six_months(api: Api) -> None:
    recurrence = {"type": 3, "monthly_day": 1, "end_times": 24}
    made = api.control("create_meeting", user_id=OWNER, type=8, recurrence=recurrence)
    rows = api.crawl("/users/me/meetings", "meetings", type="upcoming")
    assert 5 <= sum(row["id"] == made["meeting_id"] for row in rows) <= 7


def test_a_session_changes_status_lists_and_uuid(api: Api) -> None:
    before = api.get("/meetings/85512340001")
    assert before["status"] == "waiting"
    api.control("start_meeting", meeting_id=85512340001)
    assert api.get("/meetings/85512340001")["status"] == "started"
    live = api.get("/users/me/meetings", type="live")["meetings"]
    assert [(row["id"], row["uuid"]) for row in live] == [(85512340001, before["uuid"])]
    api.control("end_meeting", meeting_id=85512340001)
    after = api.get("/meetings/85512340001")
    assert after["status"] == "waiting"
    assert after["uuid"] != before["uuid"]
    previous = api.get("/users/me/meetings", type="previous_meetings")["meetings"]
    assert before["uuid"] in [row["uuid"] for row in previous]


def test_previous_meetings_forget_after_six_months(api: Api) -> None:
    assert api.get("/users/me/meetings", type="previous_meetings")["meetings"]
    api.control("clock", advance_s=200 * DAY)
    api.sign_in()
    assert not api.get("/users/me/meetings", type="previous_meetings")["meetings"]


def test_numbers_lapse_unused(api: Api) -> None:
    api.control("clock", advance_s=40 * DAY)
    api.sign_in()
    api.error("/meetings/85512340001", 404, 3001)
    api.get("/meetings/85512340002")


def test_a_cancelled_occurrence_stays_as_deleted_and_past_ones_leave(api: Api) -> None:
    rows = api.get("/meetings/85512340002")["occurrences"]
    key = rows[1]["occurrence_id"]
    assert api.call("DELETE", "/meetings/85512340002", params={"occurrence_id": key}).status_code == 204
    assert api.get("/meetings/85512340002")["occurrences"][1]["status"] == "deleted"
    api.control("clock", advance_s=4 * DAY)
    api.sign_in()
    later = api.get("/meetings/85512340002")
    assert len(later["occurrences"]) == len(rows) - 1
    assert later["start_time"] == rows[2]["start_time"]
    whole = api.get("/meetings/85512340002", show_previous_occurrences="true")
    assert len(whole["occurrences"]) == len(rows)


def test_one_occurrence_can_be_moved(api: Api) -> None:
    row = api.get("/meetings/85512340002")["occurrences"][0]
    api.control("update_meeting", meeting_id=85512340002, occurrence_id=row["occurrence_id"], duration=90)
    assert api.get("/meetings/85512340002", occurrence_id=row["occurrence_id"])["duration"] == 90
    api.error("/meetings/85512340002", 400, 300, occurrence_id="5")


def test_wrong_kinds_of_ids_have_their_own_errors(api: Api) -> None:
    assert api.error("/meetings/91122233344", 400, 3000) == "Cannot access webinar info."
    api.error("/webinars/85512340001", 404, 3001)
    api.error("/meetings/abc", 400, 300)
    api.error("/users/nobody@example.com/meetings", 404, 1001)
    api.error("/users/me/meetings", 400, 300, type="sometime")


def test_webinars_have_the_same_life(api: Api) -> None:
    made = api.control("create_webinar", user_id=OWNER, topic="Launch", recurrence={"type": 1, "end_times": 3})
    number = made["webinar_id"]
    detail = api.get(f"/webinars/{number}")
    assert (detail["type"], len(detail["occurrences"])) == (9, 3)
    assert "/webinar/register/" in detail["registration_url"]
    assert number in [row["id"] for row in api.crawl("/users/me/webinars", "webinars", page_size=1)]
    assert api.call("PATCH", f"/webinars/{number}", json={"agenda": "New"}).status_code == 204
    assert api.get(f"/webinars/{number}")["agenda"] == "New"
    assert api.call("DELETE", f"/webinars/{number}").status_code == 204
    api.error(f"/webinars/{number}", 404, 3001)
    created = api.call("POST", "/users/me/webinars", json={"topic": "W"})
    assert (created.status_code, created.json()["type"]) == (201, 5)


def test_a_meeting_can_change_hosts(api: Api) -> None:
    api.control("transfer_meeting", meeting_id=85512340001, user_id="ari.member+zoom@example.com")
    rows = api.get("/users/ari.member%2Bzoom@example.com/meetings")["meetings"]
    assert [row["id"] for row in rows] == [85512340001]
