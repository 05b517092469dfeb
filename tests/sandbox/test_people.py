from __future__ import annotations

from changewire.sandbox import OWNER_ID
from tests.sandbox.api import Api


def test_a_user_is_found_by_id_email_and_me(api: Api) -> None:
    answers = [api.get(f"/users/{ref}") for ref in (OWNER_ID, "dana.host@example.com", "me")]
    assert {answer["id"] for answer in answers} == {OWNER_ID}
    assert answers[0]["role_name"] == "Owner"
    assert len({answer["pic_url"] for answer in answers}) == 3


def test_me_may_be_refused(api: Api) -> None:
    api.control("switch", me="error")
    api.error("/users/me", 404, 1001)
    api.error("/users/me/meetings", 404, 1001)


def test_a_plus_sign_in_an_email_needs_encoding(api: Api) -> None:
    assert api.get("/users/ari.member%2Bzoom@example.com")["first_name"] == "Ari"
    api.error("/users/ari.member+zoom@example.com", 404, 1001)


def test_paths_are_case_sensitive_and_known(api: Api) -> None:
    for path in ("/Users/me", "/users/me/nothing", "/users//me"):
        assert api.error(path, 404, 2300) == "This API endpoint is not recognized."
    assert api.call("PUT", "/users/me").status_code == 405


def test_a_user_changes_by_control_and_by_api(api: Api) -> None:
    api.control("update_user", user_id="me", dept="Support")
    assert api.call("PATCH", "/users/me", json={"job_title": "Chief", "id": "x"}).status_code == 204
    user = api.get("/users/me")
    assert (user["dept"], user["job_title"], user["id"]) == ("Support", "Chief", OWNER_ID)
    assert api.call("PATCH", "/users/me", json={"dept": 5}).json()["errors"][0]["field"] == "dept"
    api.error("/users/me", 400, 300, login_type="7")


def test_users_are_listed_by_status_in_pages_of_up_to_2000(api: Api) -> None:
    for number in range(3):
        api.control("create_user", email=f"u{number}@example.com", status="inactive")
    rows = api.crawl("/users", "users", status="inactive", page_size=2)
    assert [row["email"] for row in rows] == [f"u{n}@example.com" for n in range(3)]
    api.get("/users", page_size=2000)
    api.error("/users", 400, 300, page_size=2001)


def test_a_pending_user_is_as_old_as_the_call(api: Api) -> None:
    made = api.control("create_user", email="new@example.com", status="pending")
    api.control("clock", advance_s=100)
    user = api.get(f"/users/{made['user_id']}")
    assert user["created_at"] > user["user_created_at"]


def test_the_daily_report_moves_and_covers_six_months(api: Api) -> None:
    today = api.sandbox.clock.now()
    before = api.get("/report/daily")
    assert (before["year"], before["month"], len(before["dates"])) == (today.year, today.month, today.day)
    api.control("bump_report", meetings=2, participants=7)
    after = api.get("/report/daily")["dates"][-1]
    assert after["meetings"] == before["dates"][-1]["meetings"] + 2
    assert api.get("/report/daily", year=today.year, month=today.month)["dates"][-1] == after
    text = api.error("/report/daily", 400, 300, year=today.year - 1, month=today.month)
    assert "recent 6 months" in text
    api.error("/report/daily", 400, 300, month=13)
    api.control("bump_report", meetings=1, group_id="g1")
    assert api.get("/report/daily", group_id="g1")["dates"][-1]["meetings"] == 1
    api.control("switch", report_future_days=True)
    assert len(api.get("/report/daily")["dates"]) >= 28


def test_a_free_plan_is_refused_in_either_form(api: Api) -> None:
    api.control("switch", plan="free")
    assert "paid account" in api.error("/past_meetings/85512340003/participants", 400, 200)
    assert api.error("/report/daily", 400, 200) == "No permission."
    assert "Webinar plan is missing" in api.error("/users/me/webinars", 400, 200)
    api.control("switch", paid_error_form=200)
    assert api.error("/meetings/meeting_summaries", 200, 200) == "Only available for Paid account."
    api.control("switch", plan="business", webinar_plan=False)
    api.error("/webinars/91122233344", 400, 200)


def test_answers_grow_new_keys(api: Api) -> None:
    api.control("grow_schema", kind="meeting", key="settings.brand_new", value={"enable": True})
    api.control("grow_schema", kind="user", key="badge", value=[])
    assert api.get("/meetings/85512340001")["settings"]["brand_new"] == {"enable": True}
    assert api.get("/meetings/85512340002")["settings"]["brand_new"] == {"enable": True}
    assert api.get("/users/me")["badge"] == []
    assert "badge" not in api.sandbox.world.state()["users"][0]
