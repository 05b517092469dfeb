from __future__ import annotations

import pytest

from tests.sandbox.api import JSON, Api

NUMBER = 85512340001


def test_a_running_meeting_is_on_the_dashboard_and_ended_by_the_api(api: Api) -> None:
    assert api.get("/metrics/meetings", type="live")["meetings"] == []
    started = api.control("start_meeting", meeting_id=NUMBER)
    api.control("join", meeting_id=NUMBER, name="Ari")
    row = api.get("/metrics/meetings")["meetings"][0]
    assert (row["id"], row["uuid"], row["participants"], row["end_time"]) == (NUMBER, started["uuid"], 1, "")
    assert api.get(f"/metrics/meetings/{NUMBER}")["topic"] == "Quarterly planning"
    assert [one["name"] for one in api.get(f"/metrics/meetings/{NUMBER}/participants")["participants"]] == ["Ari"]
    for _ in range(2):
        assert api.call("PUT", f"/meetings/{NUMBER}/status", json={"action": "end"}).status_code == 204
    assert api.get("/metrics/meetings")["meetings"] == []
    day = api.sandbox.clock.now().date().isoformat()
    past = api.get("/metrics/meetings", type="past", **{"from": day, "to": day})["meetings"]
    assert row["uuid"] in [one["uuid"] for one in past]


def test_a_webinar_is_ended_by_the_api(api: Api) -> None:
    api.control("start_webinar", webinar_id=91122233344)
    assert [one["id"] for one in api.get("/metrics/webinars")["webinars"]] == [91122233344]
    assert api.call("PUT", "/webinars/91122233344/status", json={"action": "end"}).status_code == 200
    assert api.get("/metrics/webinars")["webinars"] == []


def test_a_deleted_meeting_is_recovered(api: Api) -> None:
    api.call("DELETE", f"/meetings/{NUMBER}")
    api.error(f"/meetings/{NUMBER}", 404, 3001)
    assert api.call("PUT", f"/meetings/{NUMBER}/status", json={"action": "recover"}).status_code == 204
    assert api.get(f"/meetings/{NUMBER}")["id"] == NUMBER


def test_realtime_streams_start_and_stop_in_running_meetings_only(api: Api) -> None:
    def ask(action: str) -> tuple[int, int | None]:
        body = {"action": action, "settings": {"client_id": "app"}}
        answer = api.call("PATCH", f"/live_meetings/{NUMBER}/rtms_app/status", json=body)
        return answer.status_code, answer.json()["code"] if answer.content else None

    assert ask("start") == (400, 3000)
    api.control("start_meeting", meeting_id=NUMBER)
    assert [ask(each) for each in ("stop", "start", "pause", "resume", "stop", "dance")] == [
        (400, 13277), (204, None), (204, None), (204, None), (204, None), (400, 300),
    ]  # fmt: skip


def test_recording_is_started_from_outside(api: Api) -> None:
    api.control("start_meeting", meeting_id=NUMBER)
    answer = api.call("PATCH", f"/live_meetings/{NUMBER}/events", json={"method": "recording.start"})
    assert answer.status_code == 202
    assert api.get(f"/meetings/{NUMBER}/recordings")["recording_files"][0]["status"] == "processing"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("PUT", f"/meetings/{NUMBER}/status", {"action": "dance"}, 400, 300),
        ("PUT", "/meetings/5/status", {"action": "end"}, 404, 3001),
        ("PUT", "/meetings/5/status", {"action": "recover"}, 404, 3001),
        ("PUT", "/webinars/5/status", {"action": "end"}, 404, 3001),
        ("PATCH", f"/live_meetings/{NUMBER}/rtms_app/status", {"action": "start"}, 400, 300),
        ("GET", "/metrics/meetings?type=past", None, 400, 300),
        ("GET", f"/metrics/meetings/{NUMBER}", None, 404, 3001),
    ],
)
def test_what_a_session_refuses(api: Api, method: str, path: str, body: JSON | None, status: int, code: int) -> None:
    answer = api.call(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_polls_are_made_changed_answered_and_reported(api: Api) -> None:
    path = "/meetings/85512340003/polls"
    poll = api.call("POST", path, json={"title": "Mood", "questions": [{"name": "How?", "type": "single"}]}).json()
    assert (poll["title"], poll["status"]) == ("Mood", "notstart")
    assert api.call("PUT", f"{path}/{poll['id']}", json={"title": "Moods"}).status_code == 204
    assert [one["title"] for one in api.get(path)["polls"]] == ["Moods"]
    for question, answer in (("How?", "Well"), ("Again?", "Yes")):
        api.control("answer_poll", meeting_id=85512340003, question=question, answer=answer, email="ari@example.org")
    for place in ("/past_meetings", "/report/meetings"):
        person = api.get(f"{place}/85512340003/polls")["questions"][0]
        assert [one["answer"] for one in person["question_details"]] == ["Well", "Yes"]
    assert api.call("DELETE", f"{path}/{poll['id']}").status_code == 204
    assert api.error(f"{path}/{poll['id']}", 404, 404) == "Meeting Poll not found."


def test_several_polls_are_made_at_once_up_to_fifty(api: Api) -> None:
    path = "/meetings/85512340001/batch_polls"
    made = api.call("POST", path, json={"polls": [{"title": "One"}, {"title": "Two"}]})
    assert (made.status_code, [poll["title"] for poll in made.json()["polls"]]) == (201, ["One", "Two"])
    assert len(api.get("/meetings/85512340001/polls")["polls"]) == 2
    for polls, code in (([{"title": "x"}] * 49, 4400), ("x", 300)):
        assert api.call("POST", path, json={"polls": polls}).json()["code"] == code


def test_questions_are_asked_answered_and_reported(api: Api) -> None:
    asked = {"webinar_id": 91122233345, "question": "When?", "email": "ari@example.org"}
    api.control("ask_question", **asked)
    person = api.get("/past_webinars/91122233345/qa")["questions"][0]
    assert person["question_details"] == [{"question": "When?", "answer": ""}]
    api.control("ask_question", **asked, answer="Soon")
    assert api.get("/past_webinars/91122233345/qa")["questions"][0]["question_details"][0]["answer"] == "Soon"
    detail = api.get("/report/webinars/91122233345/qa")["questions"][0]["question_details"][0]
    assert detail["question_status"] == "answered"
    assert detail["answer_details"][0]["content"] == "Soon"
