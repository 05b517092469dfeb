from __future__ import annotations

import pytest

from changewire.sandbox import Sandbox
from tests.sandbox.api import JSON, Api

MEETING, WEBINAR = "/meetings/85512340001", "/webinars/91122233344"
ARI = {"email": "ari@example.org", "first_name": "Ari", "last_name": "Guest"}


def open_registration(api: Api, approval_type: int = 0) -> None:
    api.call("PATCH", MEETING, json={"settings": {"approval_type": approval_type}})


@pytest.mark.parametrize("place", [MEETING, WEBINAR])
def test_a_registrant_is_added_listed_read_and_deleted(api: Api, place: str) -> None:
    open_registration(api)
    made = api.call("POST", f"{place}/registrants", json=ARI)
    assert made.status_code == 201
    answer = made.json()
    assert str(answer["id"]) == place.rpartition("/")[2]
    rows = api.crawl(f"{place}/registrants", "registrants")
    assert [(row["email"], row["status"]) for row in rows] == [("ari@example.org", "approved")]
    assert rows[0]["join_url"] == answer["join_url"]
    path = f"{place}/registrants/{answer['registrant_id']}"
    assert api.get(path)["first_name"] == "Ari"
    assert api.call("DELETE", path).status_code == 204
    assert api.error(path, 400, 3079) == f"This registrant does not exist: {answer['registrant_id']}."


@pytest.mark.parametrize(("action", "status"), [("approve", "approved"), ("deny", "denied"), ("cancel", None)])
def test_registrations_wait_for_approval_where_that_is_set(api: Api, action: str, status: str | None) -> None:
    open_registration(api, 1)
    number = api.call("POST", f"{MEETING}/registrants", json=ARI).json()["registrant_id"]
    assert api.get(f"{MEETING}/registrants")["registrants"] == []
    assert api.get(f"{MEETING}/registrants", status="pending")["total_records"] == 1
    change = {"action": action, "registrants": [{"id": number, "email": ARI["email"]}]}
    assert api.call("PUT", f"{MEETING}/registrants/status", json=change).status_code == 204
    for each in ("pending", "approved", "denied"):
        assert api.get(f"{MEETING}/registrants", status=each)["total_records"] == (each == status)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (f"{MEETING}/registrants", ARI, 400, 300),  # registration is off
        (f"{MEETING}/batch_registrants", {"registrants": [ARI]}, 400, 404),
        ("/meetings/5/registrants", ARI, 404, 1001),
        (f"{WEBINAR}/registrants", {"email": "ari@example.org"}, 400, 300),
        (f"{WEBINAR}/registrants", {"email": "ari", "first_name": "Ari"}, 400, 300),
        ("/webinars/5/registrants", ARI, 404, 3001),
        (f"{WEBINAR}/batch_registrants", {"registrants": []}, 400, 300),
        (f"{WEBINAR}/panelists", {"panelists": [{"name": "Ari"}]}, 400, 300),
        (f"{MEETING}/invite_links", {"attendees": "Ari"}, 400, 300),
    ],
)
def test_what_cannot_be_registered_is_refused(api: Api, path: str, body: JSON, status: int, code: int) -> None:
    answer = api.call("POST", path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_several_register_at_once_and_the_same_address_is_the_same_registrant(api: Api) -> None:
    people = [ARI, {"email": "bo@example.org", "first_name": "Bo"}]
    made = api.call("POST", f"{WEBINAR}/batch_registrants", json={"registrants": people})
    again = api.call("POST", f"{WEBINAR}/registrants", json=ARI)
    assert again.json()["registrant_id"] == made.json()["registrants"][0]["registrant_id"]
    assert api.get(f"{WEBINAR}/registrants")["total_records"] == 2


def test_a_person_registers_three_times_a_day_and_no_more() -> None:
    with Sandbox() as sandbox:
        api = Api(sandbox)
        statuses = [api.call("POST", f"{WEBINAR}/registrants", json=ARI) for _ in range(4)]
        api.session.close()
    assert [answer.status_code for answer in statuses] == [201, 201, 201, 429]
    assert "(3) of Add webinar registrant" in statuses[-1].json()["message"]


def test_questions_to_registrants_are_kept(api: Api) -> None:
    assert api.get(f"{MEETING}/registrants/questions") == {"questions": [], "custom_questions": []}
    questions = [{"field_name": "city", "required": True}]
    api.call("PATCH", f"{MEETING}/registrants/questions", json={"questions": questions})
    assert api.get(f"{MEETING}/registrants/questions")["questions"] == questions


def test_panelists_come_and_go(api: Api) -> None:
    body = {"panelists": [{"name": "Ari", "email": "ari@example.org"}, {"name": "Bo", "email": "bo@example.org"}]}
    for _ in range(2):
        assert api.call("POST", f"{WEBINAR}/panelists", json=body).status_code == 201
    rows = api.get(f"{WEBINAR}/panelists")
    assert (rows["total_records"], [row["name"] for row in rows["panelists"]]) == (2, ["Ari", "Bo"])
    assert api.call("DELETE", f"{WEBINAR}/panelists/{rows['panelists'][0]['id']}").status_code == 204
    assert api.call("DELETE", f"{WEBINAR}/panelists/x").status_code == 400
    api.control("add_panelist", webinar_id=91122233344, email="cy@example.org", name="Cy")
    assert [row["name"] for row in api.get(f"{WEBINAR}/panelists")["panelists"]] == ["Bo", "Cy"]
    assert api.call("DELETE", f"{WEBINAR}/panelists").status_code == 204
    assert api.get(f"{WEBINAR}/panelists")["panelists"] == []


def test_registrants_come_from_tracking_sources(api: Api) -> None:
    source = api.control("add_record", path=f"{WEBINAR}/tracking_sources", source_name="Newsletter")
    assert [row["source_name"] for row in api.get(f"{WEBINAR}/tracking_sources")["tracking_sources"]] == ["Newsletter"]
    api.control("add_registrant", webinar_id=91122233344, email="a@example.org", tracking_source_id=source["id"])
    api.control("add_registrant", webinar_id=91122233344, email="b@example.org")
    rows = api.get(f"{WEBINAR}/registrants", tracking_source_id=source["id"])["registrants"]
    assert [row["email"] for row in rows] == ["a@example.org"]


def test_links_tokens_and_the_invitation(api: Api) -> None:
    links = api.call("POST", f"{MEETING}/invite_links", json={"attendees": [{"name": "Ari"}]}).json()["attendees"]
    assert links[0]["name"] == "Ari"
    assert "tk=" in links[0]["join_url"]
    assert api.get(f"{MEETING}/jointoken/local_recording")["expire_in"] == 120
    assert "token=" in api.get(f"{MEETING}/token")["token"]
    assert "Topic: Quarterly planning\r\n" in api.get(f"{MEETING}/invitation")["invitation"]
    api.error("/meetings/5/invitation", 404, 3001)


def test_registrants_come_by_control_too(api: Api) -> None:
    made = api.control("add_registrant", webinar_id=91122233344, email="ari@example.org", status="pending")
    assert api.get(f"{WEBINAR}/registrants", status="pending")["total_records"] == 1
    api.control("set_registrant_status", webinar_id=91122233344, registrant_id=made["registrant_id"], status="approved")
    assert api.get(f"{WEBINAR}/registrants")["registrants"][0]["id"] == made["registrant_id"]


def test_who_registered_and_did_not_come_is_absent(api: Api) -> None:
    for email in ("ari@example.org", "bo@example.org"):
        api.control("add_registrant", webinar_id=91122233345, email=email)
    assert [row["email"] for row in api.get("/past_webinars/91122233345/absentees")["registrants"]] == [
        "bo@example.org"
    ]
