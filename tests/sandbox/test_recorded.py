from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.sandbox.api import JSON, Api, double

PLACE = "/meetings/85512340003/recordings"


def files(api: Api) -> list[str]:
    return [one["id"] for one in api.get(PLACE)["recording_files"]]


def test_a_recording_goes_to_the_trash_and_comes_back(api: Api) -> None:
    recording = api.get(PLACE)
    uuid = double(recording["uuid"])
    assert api.call("DELETE", PLACE).status_code == 204
    api.error(PLACE, 404, 3301)
    trash = api.get("/users/me/recordings", trash="true")["meetings"]
    assert [one["uuid"] for one in trash] == [recording["uuid"]]
    assert api.call("PUT", f"/meetings/{uuid}/recordings/status", json={"action": "recover"}).status_code == 200
    assert api.get(PLACE)["recording_count"] == recording["recording_count"]


def test_one_file_goes_to_the_trash_and_comes_back(api: Api) -> None:
    first, *others = files(api)
    api.call("DELETE", f"{PLACE}/{first}", params={"action": "trash"})
    assert files(api) == others
    trash = api.get("/users/me/recordings", trash="true")["meetings"][0]
    assert [one["id"] for one in trash["recording_files"]] == [first]
    assert api.call("PUT", f"{PLACE}/{first}/status", json={"action": "recover"}).status_code == 204
    assert set(files(api)) == {first, *others}
    api.call("DELETE", f"{PLACE}/{first}", params={"action": "delete"})
    assert api.call("PUT", f"{PLACE}/{first}/status", json={"action": "recover"}).status_code == 404


def test_all_files_in_the_trash_are_a_recording_in_the_trash(api: Api) -> None:
    for one in files(api):
        api.call("DELETE", f"{PLACE}/{one}")
    api.error(PLACE, 404, 3301)
    assert api.get("/users/me/recordings")["meetings"] == []


def test_settings_of_a_recording_are_kept(api: Api) -> None:
    assert api.get(f"{PLACE}/settings")["share_recording"] == "publicly"
    assert api.call("PATCH", f"{PLACE}/settings", json={"share_recording": "internally"}).status_code == 204
    assert api.get(f"{PLACE}/settings")["share_recording"] == "internally"


def test_viewers_register_for_a_recording(api: Api) -> None:
    made = api.call("POST", f"{PLACE}/registrants", json={"email": "ari@example.org", "first_name": "Ari"})
    assert made.status_code == 201
    number = made.json()["registrant_id"]
    change = {"action": "deny", "registrants": [{"id": number}]}
    assert api.call("PUT", f"{PLACE}/registrants/status", json=change).status_code == 204
    assert [one["id"] for one in api.get(f"{PLACE}/registrants", status="denied")["registrants"]] == [number]


def test_views_are_counted(api: Api) -> None:
    place = f"/recordings/{quote(api.get(PLACE)['uuid'], safe='')}/analytics"
    for kind in ("by_view", "by_view", "by_download"):
        api.control("add_record", path=place, type=kind, name="Ari")
    day = api.get(f"{PLACE}/analytics_summary")["analytics_summary"][0]
    assert (day["views_total_count"], day["downloads_total_count"]) == (2, 1)
    assert len(api.get(f"{PLACE}/analytics_details", type="by_view")["analytics_details"]) == 2


def test_a_transcript_is_not_there_then_not_ready_then_to_be_had(api: Api) -> None:
    api.control("end_meeting", meeting_id=85512340001, recording="completed")
    path = "/meetings/85512340001/transcript"
    assert api.error(path, 404, 3322) == "This meeting transcript does not exist."
    file = api.control("add_recording_file", meeting_id=85512340001, file_type="TRANSCRIPT", status="processing")
    answer = api.get(path)
    assert (answer["can_download"], answer["download_restriction_reason"]) == (False, "NOT_READY")
    api.control("complete_recording", meeting_id=85512340001, file_id=file["file_id"])
    answer = api.get(path)
    assert answer["can_download"] is True
    assert api.call("GET", answer["download_url"]).text.startswith("WEBVTT")
    assert api.call("DELETE", path).status_code == 204
    api.error(path, 404, 3322)


def test_a_summary_is_deleted(api: Api) -> None:
    uuid = double(api.get(PLACE)["uuid"])
    assert api.call("DELETE", f"/meetings/{uuid}/meeting_summary").status_code == 204
    api.error(f"/meetings/{uuid}/meeting_summary", 404, 3001)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("PUT", f"{PLACE}/x/status", {}, 404, 3301),
        ("PUT", "/meetings/5/recordings/status", {"action": "recover"}, 404, 3301),
        ("PUT", "/meetings/5/recordings/status", {"action": "burn"}, 400, 300),
        ("GET", "/meetings/85512340001/recordings/settings", None, 404, 3301),
        ("POST", f"{PLACE}/registrants", {"email": "ari@example.org"}, 400, 300),
        ("PUT", f"{PLACE}/registrants/status", {"action": "burn", "registrants": []}, 400, 300),
    ],
)
def test_what_recordings_refuse(api: Api, method: str, path: str, body: JSON | None, status: int, code: int) -> None:
    answer = api.call(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
