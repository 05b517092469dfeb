from __future__ import annotations

import requests

from tests.sandbox.api import Api, double

NUMBER = 85512340001
PATH = f"/meetings/{NUMBER}/recordings"
DAY = 86400


def test_a_recording_grows_from_nothing_to_a_transcript(api: Api) -> None:
    assert api.error(PATH, 404, 3301) == "There is no recording for this meeting."
    api.control("start_meeting", meeting_id=NUMBER)
    api.control("start_recording", meeting_id=NUMBER)
    early = api.get(PATH)
    assert (early["recording_count"], early["total_size"], early["duration"]) == (0, 0, 0)
    file = early["recording_files"][0]
    assert (file["file_type"], file["recording_end"], file["status"]) == ("", "", "processing")
    api.control("end_meeting", meeting_id=NUMBER, recording=True)
    assert len(api.get(PATH)["recording_files"]) == 1
    api.control("complete_recording", meeting_id=NUMBER, transcript="processing")
    done = api.get(PATH)["recording_files"]
    assert [(f["file_type"], f["status"]) for f in done] == [
        ("MP4", "completed"), ("M4A", "completed"), ("TRANSCRIPT", "processing"),
    ]  # fmt: skip
    assert done[0]["id"] == file["id"]
    api.control("complete_recording", meeting_id=NUMBER, file_id=done[2]["id"])
    assert api.get(PATH)["recording_files"][2]["file_size"] > 0
    assert api.get(PATH)["recording_count"] == 3


def test_processing_may_follow_the_clock(api: Api) -> None:
    api.control("switch", recording_delay_s=1800, transcript_delay_s=3600)
    api.control("end_meeting", meeting_id=NUMBER, recording=True)
    api.control("clock", advance_s=1801)
    kinds = [(f["file_type"], f["status"]) for f in api.get(PATH)["recording_files"]]
    assert kinds[-1] == ("TRANSCRIPT", "processing")
    api.control("clock", advance_s=3601)
    api.sign_in()
    assert {f["status"] for f in api.get(PATH)["recording_files"]} == {"completed"}
    assert "time" in {entry["source"] for entry in api.sandbox.world.history()}


def test_links_and_download_tokens_are_new_on_each_call(api: Api) -> None:
    query = {"include_fields": "download_access_token", "ttl": 60}
    first, second = (api.get("/meetings/85512340003/recordings", **query) for _ in range(2))
    assert first.pop("download_access_token") != second.pop("download_access_token")
    assert first["recording_files"][0]["download_url"] != second["recording_files"][0]["download_url"]
    assert first["share_url"] == second["share_url"]
    api.control("switch", new_urls=False)
    steady = [api.get("/meetings/85512340003/recordings") for _ in range(2)]
    assert steady[0] == steady[1]
    assert "download_access_token" not in steady[0]
    api.error("/meetings/85512340003/recordings", 400, 300, ttl=604801)


def test_audio_files_removals_and_metadata(api: Api) -> None:
    number = 85512340003
    path = f"/meetings/{number}/recordings"
    before = api.get(path)
    api.control("add_participant_audio", meeting_id=number, name="Ari")
    audio = api.get(path)["participant_audio_files"][0]
    assert audio["file_name"] == "Audio only - Ari"
    added = api.control("add_recording_file", meeting_id=number, file_type="TIMELINE")
    timeline = api.get(path)["recording_files"][-1]
    assert "id" not in timeline
    assert "status" not in timeline
    api.control("remove_recording_file", meeting_id=number, file_id=added["file_key"])
    api.control("update_recording", meeting_id=number, topic="Renamed")
    after = api.get(path)
    assert after["topic"] == "Renamed"
    assert len(after["recording_files"]) == len(before["recording_files"])


def test_recordings_go_to_the_trash_or_away(api: Api) -> None:
    path = "/meetings/85512340003/recordings"
    assert api.call("DELETE", path).status_code == 204
    api.error(path, 404, 3301)
    assert api.get("/users/me/recordings", trash="true")["total_records"] == 1
    uuid = api.control("end_meeting", meeting_id=NUMBER, recording="completed")["uuid"]
    file_id = api.get(PATH)["recording_files"][0]["id"]
    assert api.call("DELETE", f"/meetings/{double(uuid)}/recordings/{file_id}").status_code == 204
    assert len(api.get(PATH)["recording_files"]) == 1
    assert api.call("DELETE", PATH, params={"action": "delete"}).status_code == 204
    api.error(PATH, 404, 3301)


def test_the_list_shows_today_unless_told_and_never_over_a_month(api: Api) -> None:
    now = api.sandbox.clock.now()
    today = f"{now:%Y-%m-%d}"
    default = api.get("/users/me/recordings")
    assert (default["from"], default["to"]) == (today, today)
    assert default["meetings"] == []
    wide = api.get("/users/me/recordings", **{"from": "2020-01-01"})
    assert wide["total_records"] == 1
    assert wide["from"] > "2020-01-01"
    assert 27 <= (now.date() - now.date().fromisoformat(wide["from"])).days <= 31
    api.error("/users/me/recordings", 400, 300, **{"from": "yesterday"})
    api.error("/users/nobody/recordings", 404, 1001)


def test_a_download_wants_a_token(api: Api) -> None:
    answer = api.get("/meetings/85512340003/recordings", include_fields="download_access_token", ttl=60)
    file = answer["recording_files"][0]
    by_access = api.call("GET", file["download_url"])
    assert (len(by_access.content), by_access.headers["Content-Type"]) == (file["file_size"], "video/mp4")
    token = {"Authorization": f"Bearer {answer['download_access_token']}"}
    assert api.call("GET", file["download_url"], headers=token).content == by_access.content
    api.control("clock", advance_s=61)
    late = api.call("GET", file["download_url"], headers=token)
    assert (late.status_code, late.json()["errorCode"]) == (401, 124)
    api.control("switch", download_denied="html")
    page = requests.get(file["download_url"], timeout=5)
    assert (page.status_code, page.text[:9]) == (200, "<!DOCTYPE")


def test_a_download_may_be_redirected(api: Api) -> None:
    url = api.get("/meetings/85512340003/recordings")["recording_files"][2]["download_url"]
    for hop in ("same_host", "other_host"):
        api.control("switch", download_redirect=hop)
        answer = api.call("GET", url)
        assert len(answer.history) == 1
        assert answer.text.startswith("WEBVTT")
    assert answer.url.startswith("http://localhost:")
    api.control("switch", hop_needs_auth=True)
    assert api.call("GET", url).status_code == 401  # requests drops the header for another host


def test_a_part_of_a_download_is_handed_out_while_it_is_the_same_version(api: Api) -> None:
    file = api.get("/meetings/85512340003/recordings")["recording_files"][0]
    url, size = file["download_url"], file["file_size"]
    whole = api.call("GET", url)
    tag = whole.headers["ETag"]
    rest = api.call("GET", url, headers={"Range": "bytes=1000-", "If-Range": tag})
    assert (rest.status_code, rest.content) == (206, whole.content[1000:])
    assert rest.headers["Content-Range"] == f"bytes 1000-{size - 1}/{size}"
    assert api.call("GET", url, headers={"Range": "bytes=5-9"}).content == whole.content[5:10]
    assert api.call("GET", url, headers={"Range": "bytes=1000-", "If-Range": '"other"'}).status_code == 200
    beyond = api.call("GET", url, headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")
    api.control("switch", download_ranges="weak")
    assert api.call("GET", url).headers["ETag"] == f"W/{tag}"
    api.control("switch", download_ranges="none", download_names=True)
    plain = api.call("GET", url, headers={"Range": "bytes=1000-"})
    assert (plain.status_code, "ETag" in plain.headers) == (200, False)
    assert plain.headers["Content-Disposition"].startswith('attachment; filename="GMT20')


def test_a_new_session_without_recording_leaves_the_old_one_in_place(api: Api) -> None:
    first = api.control("end_meeting", meeting_id=NUMBER, recording="completed")["uuid"]
    api.control("end_meeting", meeting_id=NUMBER)
    assert api.get(PATH)["uuid"] == first
    third = api.control("end_meeting", meeting_id=NUMBER, recording=True)["uuid"]
    assert api.get(PATH)["uuid"] == third
