from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changewire.actions.calling import check_inputs, perform
from changewire.actions.downloading import Wanted, file_name, fill_template
from changewire.actions.files import safe_name
from changewire.connectors.client import DownloadInfo
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.sandbox import OWNER_EMAIL, Sandbox
from tests.actions.rig import Rig, connection
from tests.connectors.server import Reply, Server

VIDEO = {"Content-Type": "video/mp4"}
FILM = b"\0\0\0\x18ftypmp42film"
RECORDED = 85512340003  # a meeting of the sandbox with a finished recording


def do(rig: Rig, name: str, **given: Any) -> Any:
    action = rig.action(f"zoom.{name}")
    return perform(action, check_inputs(action, given), rig.context("work"))


def download(rig: Rig, url: str, **given: Any) -> Any:
    return do(rig, "download_recording", url=url, **given)


def files(rig: Rig) -> list[str]:
    root = rig.home / "state" / "downloads"
    found = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    return sorted(str(path) for path in found if path.parts[0] != ".parts")


def parts(rig: Rig) -> list[str]:
    found = (rig.home / "state" / "downloads" / ".parts").iterdir()
    return sorted(path.name for path in found if path.name != "names.lock")


def asked(sandbox: Sandbox, part: str) -> int:
    return sum(part in request["path"] for request in sandbox.control("requests"))


def test_the_folder_that_is_told_is_the_one_that_was_made(zoom: Rig, sandbox: Sandbox) -> None:
    sandbox.control("update_recording", meeting_id=RECORDED, topic="../../etc\0 \x1b[2J\n a: b")
    told = do(zoom, "download_recordings", meetingId=str(RECORDED), folder="../{topic}/x")
    assert (zoom.home / "state" / "downloads" / told["folder"]).is_dir()
    assert {str(Path(file["path"]).parent) for file in told["files"]} == {f"state/downloads/{told['folder']}"}


def test_a_file_is_saved_with_its_digest_and_the_credentials_are_sent(rig: Rig, server: Server) -> None:
    server.on("/rec/dl1", Reply(200, b"film", VIDEO))
    found = download(rig, f"{server.url}/rec/dl1", folder="Customer call/2026", file_name="film.mp4", file_size="4")
    assert found == {
        "path": "state/downloads/Customer call/2026/film.mp4",
        "size": 4,
        "content_type": "video/mp4",
        "sha256": hashlib.sha256(b"film").hexdigest(),
        "downloaded": True,
    }
    assert (rig.home / found["path"]).read_bytes() == b"film"
    assert server.seen[0].headers["authorization"] == "Bearer the-very-token"
    assert parts(rig) == []


def test_the_same_file_takes_its_own_place_and_another_one_does_not(rig: Rig, server: Server) -> None:
    server.on("/a", Reply(200, b"one", VIDEO))
    server.on("/b", Reply(200, b"two", VIDEO))
    for path in ("/a", "/b", "/a", "/b"):
        download(rig, f"{server.url}{path}", file_name="x.mp4")
    assert files(rig) == ["x (2).mp4", "x.mp4"]
    assert download(rig, f"{server.url}/b", file_name="x.mp4", overwrite=True)["path"] == "state/downloads/x.mp4"
    assert (rig.home / "state/downloads/x.mp4").read_bytes() == b"two"


def test_a_folder_is_never_overwritten(rig: Rig, server: Server) -> None:
    server.on("/a", Reply(200, b"one", VIDEO))
    (rig.home / "state/downloads/x.mp4").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"'x\.mp4' is a folder: give the file another name"):
        download(rig, f"{server.url}/a", file_name="x.mp4", overwrite=True)
    assert download(rig, f"{server.url}/a", file_name="x.mp4")["path"] == "state/downloads/x (2).mp4"


def test_a_file_is_downloaded_once_whoever_asks(rig: Rig, server: Server) -> None:
    server.on("/a", Reply(200, FILM, VIDEO))
    first = download(rig, f"{server.url}/a", file_id="f1", folder="one")
    second = download(rig, f"{server.url}/another/address", file_id="f1", folder="two", file_size=len(FILM))
    assert second == {**first, "downloaded": False}
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("change", "given"),
    [
        (lambda path: path.unlink(), {}),
        (lambda path: path.write_bytes(b"another film"), {}),
        (lambda path: path.write_bytes(FILM.swapcase()), {}),
        (lambda path: None, {"again": True}),
    ],
    ids=["gone", "other size", "other content", "asked for"],
)
def test_a_file_that_does_not_stand_any_more_is_downloaded_again(
    rig: Rig, server: Server, change: Callable[[Path], None], given: Any
) -> None:
    server.on("/a", Reply(200, FILM, VIDEO))
    change(rig.home / download(rig, f"{server.url}/a", file_id="f1", file_name="x.mp4")["path"])
    found = download(rig, f"{server.url}/a", file_id="f1", file_name="x.mp4", **given)
    assert found["downloaded"] is True
    assert (rig.home / found["path"]).read_bytes() == FILM
    assert len(server.seen) == 2


def test_a_file_that_was_only_touched_still_stands(rig: Rig, server: Server) -> None:
    server.on("/a", Reply(200, FILM, VIDEO))
    path = rig.home / download(rig, f"{server.url}/a", file_id="f1")["path"]
    path.touch()
    assert download(rig, f"{server.url}/a", file_id="f1")["downloaded"] is False


def test_a_file_of_another_size_is_another_file(rig: Rig, server: Server) -> None:
    server.on("/a", Reply(200, FILM, VIDEO), Reply(200, FILM + b"more", VIDEO))
    download(rig, f"{server.url}/a", file_id="f1", file_size=len(FILM))
    assert download(rig, f"{server.url}/a", file_id="f1", file_size=len(FILM) + 4)["downloaded"] is True


def test_ids_of_two_accounts_have_nothing_to_do_with_each_other(server: Server, make_rig: Callable[..., Rig]) -> None:
    server.on("/a", Reply(200, FILM, VIDEO))
    rig = make_rig(connection("work", server.url), connection("other", f"{server.url}/elsewhere"))
    action = rig.action("zoom.download_recording")
    for name in ("work", "other"):
        values = check_inputs(action, {"url": f"{server.url}/a", "file_id": "f1"})
        assert perform(action, values, rig.context(name))["downloaded"] is True


@pytest.mark.parametrize(
    ("given", "headers", "name"),
    [
        ({"folder": "../../..", "file_name": "x"}, {}, "x"),
        ({"file_name": "../../x"}, {}, "_._x"),
        ({}, {"Content-Disposition": 'attachment; filename="../../../evil.sh"'}, "_.._.._evil.sh"),
        ({}, {"Content-Disposition": 'attachment; filename="GMT2026.mp4"'}, "GMT2026.mp4"),
        ({}, {"Content-Disposition": 'attachment; filename="GMT2026"'}, "GMT2026.mp4"),
        ({"file_type": "MP4"}, {"Content-Disposition": 'attachment; filename="evil.sh"'}, "evil.sh.mp4"),
        ({"folder": "Q1/Q2: plans?", "file_name": "y.mp4"}, {}, "Q1/Q2_ plans_/y.mp4"),
        ({"file_id": "a/b"}, {}, "recording-a_b.mp4"),
        ({"file_id": "f1", "recording_type": "audio_only", "file_type": "m4a"}, {}, "audio_only-f1.m4a"),
        ({"file_id": "f1", "file_extension": "../M4A"}, {}, "recording-f1.mp4"),
    ],
)
def test_names_from_anywhere_stay_in_the_downloads_and_tell_what_they_are(
    rig: Rig, server: Server, given: Any, headers: dict[str, str], name: str
) -> None:
    server.on("/rec/dl1.dGhlIHRhaWwgb2YgYSBsaW5r", Reply(200, FILM, {**VIDEO, **headers}))
    download(rig, f"{server.url}/rec/dl1.dGhlIHRhaWwgb2YgYSBsaW5r", **given)
    assert files(rig) == [name]


def test_without_anything_known_the_name_is_made_of_address_and_type(rig: Rig, server: Server) -> None:
    for path in ("/rec/x", "/rec/talk.mp4"):
        server.on(path, Reply(200, FILM, VIDEO))
        download(rig, f"{server.url}{path}")
    made, kept = files(rig)
    assert (made[:5], made[-4:], kept) == ("file-", ".mp4", "talk.mp4")


@settings(deadline=None)
@given(
    st.text(max_size=300) | st.none(),
    st.text(max_size=300) | st.none(),
    st.text(max_size=300),
    st.sampled_from(["mp4", "vtt", ""]),
    st.sampled_from(["video/mp4", "text/plain", "", "x/y"]),
)
def test_a_name_is_safe_whatever_it_is_made_of(
    own: str | None, suggested: str | None, stem: str, ending: str, kind: str
) -> None:
    wanted = Wanted("https://zoom.us/rec/download/abc.def", name=own, stem=stem, ending=ending)
    name = file_name(wanted, DownloadInfo(1, kind, suggested, ""))
    assert name
    assert name == name.strip(" .")
    assert len(name.encode()) <= 180
    assert not set(name) & set('/\\:*?"<>|\0\n\r\u202e\u200b')
    assert safe_name(name) == name
    assert own or not ending or name.lower().endswith(f".{ending}")


@pytest.mark.parametrize(
    ("reply", "given", "words"),
    [
        (
            Reply(200, b"<html>passcode</html>", {"Content-Type": "text/html"}),
            {},
            "a web page came in place",
        ),
        (Reply(200, b"abc", VIDEO), {"file_size": 9}, "the file has 3 bytes where 9 were expected"),
        (Reply(200, b"", VIDEO), {}, "the file is empty"),
        (Reply(200, b"no film", VIDEO), {"file_type": "MP4"}, "does not begin as a file of type mp4 does"),
        (Reply(403, {"status": False, "errorCode": 124, "errorMessage": "Forbidden"}), {}, "Forbidden"),
    ],
)
def test_what_is_not_the_file_is_not_kept(rig: Rig, server: Server, reply: Reply, given: Any, words: str) -> None:
    server.on("/rec/dl1", reply)
    with pytest.raises(ApiError, match=words):
        download(rig, f"{server.url}/rec/dl1", file_id="f1", **given)
    assert (files(rig), parts(rig)) == ([], [])


def test_other_hosts_are_not_asked(rig: Rig) -> None:
    with pytest.raises(ApiError, match=r"files of Zoom come from zoom.us"):
        download(rig, "https://zoom.us.evil.example/rec/dl1")


def test_all_files_of_a_recording_are_downloaded_in_one_step(zoom: Rig, sandbox: Sandbox) -> None:
    told = do(zoom, "download_recordings", meetingId=RECORDED)
    assert [file["file_type"] for file in told["files"]] == ["MP4", "M4A", "TRANSCRIPT"]
    assert told["processing"] == []
    assert sorted(file["path"] for file in told["files"]) == [f"state/downloads/{name}" for name in files(zoom)]
    assert {Path(file["path"]).suffix for file in told["files"]} == {".mp4", ".m4a", ".vtt"}
    assert all(Path(file["path"]).parent.name == told["folder"] for file in told["files"])
    before = asked(sandbox, "/rec/")

    again = do(zoom, "download_recordings", meetingId=told["uuid"], folder="{topic}/{date}")
    assert [file["path"] for file in again["files"]] == [file["path"] for file in told["files"]]
    assert not any(file["downloaded"] for file in again["files"])
    assert asked(sandbox, "/rec/") == before


def test_a_type_that_there_is_not_is_told_before_anything_is_asked(zoom: Rig) -> None:
    with pytest.raises(UsageError, match="TRANSCIRPT"):
        do(zoom, "download_recordings", meetingId=RECORDED, types=["MP4", "TRANSCIRPT"])


def test_some_types_are_downloaded_and_what_is_still_made_is_named(zoom: Rig, sandbox: Sandbox) -> None:
    sandbox.control("add_recording_file", meeting_id=RECORDED, file_type="CHAT", status="processing")
    for kind in ("TIMELINE", "CC"):  # these have no id
        sandbox.control("add_recording_file", meeting_id=RECORDED, file_type=kind)
    told = do(zoom, "download_recordings", meetingId=RECORDED, types=["M4A", "CHAT", "TIMELINE", "CC"], folder="x/y")
    assert [file["file_type"] for file in told["files"]] == ["M4A", "TIMELINE", "CC"]
    assert told["processing"] == ["CHAT"]
    assert all(name.startswith("x/y/") for name in files(zoom))
    again = do(zoom, "download_recordings", meetingId=RECORDED, types=["TIMELINE", "CC"])
    assert [file["downloaded"] for file in again["files"]] == [False, False]


def test_the_voices_of_participants_are_downloaded_by_their_names(zoom: Rig, sandbox: Sandbox) -> None:
    sandbox.control("add_participant_audio", meeting_id=RECORDED, name="../Dana")
    told = do(zoom, "download_recordings", meetingId=RECORDED, types=["M4A"], folder="")
    assert len(told["files"]) == 2
    assert any(name.startswith("Audio only - .._Dana-") and name.endswith(".m4a") for name in files(zoom))


def test_one_bad_file_does_not_keep_the_others_away(zoom: Rig, sandbox: Sandbox) -> None:
    sandbox.control("faults", match="/rec/", kind="html_200", times=2)  # once more with a new token
    with pytest.raises(ApiError, match=r"1 of 3 files could not be downloaded, the others are there: .*a web page"):
        do(zoom, "download_recordings", meetingId=RECORDED)
    assert len(files(zoom)) == 2
    told = do(zoom, "download_recordings", meetingId=RECORDED)
    assert sorted(file["downloaded"] for file in told["files"]) == [False, False, True]


def test_files_are_named_as_zoom_suggests_where_it_does(zoom: Rig, sandbox: Sandbox) -> None:
    sandbox.control("switch", download_names=True)
    do(zoom, "download_recordings", meetingId=RECORDED, folder="", types=["MP4"])
    (name,) = files(zoom)
    assert name.startswith("GMT20")
    assert name.endswith("_Recording.mp4")


def test_the_transcript_alone(zoom: Rig, sandbox: Sandbox) -> None:
    told = do(zoom, "download_transcript", meetingId=RECORDED, folder="{date}")
    assert (zoom.home / told["path"]).read_text().startswith("WEBVTT")
    assert (told["path"][-4:], told["file_type"]) == (".vtt", "TRANSCRIPT")
    assert len(files(zoom)) == 1


@pytest.mark.parametrize("status", ["processing", None])
def test_a_transcript_that_is_not_there_yet_is_worth_another_try(
    zoom: Rig, sandbox: Sandbox, status: str | None
) -> None:
    number = sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic="New one")["meeting_id"]
    sandbox.control("end_meeting", meeting_id=number, recording="completed")
    if status is not None:
        sandbox.control("add_recording_file", meeting_id=number, file_type="TRANSCRIPT", status=status)
    with pytest.raises(ApiError, match=r"the transcript of 'New one' (is still being|has not been) made") as caught:
        do(zoom, "download_transcript", meetingId=number)
    assert caught.value.failure is FailureClass.NOT_YET


def test_a_meeting_without_a_recording_has_none_yet(zoom: Rig, sandbox: Sandbox) -> None:
    number = sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic="New one")["meeting_id"]
    with pytest.raises(ApiError) as caught:
        do(zoom, "download_recordings", meetingId=number)
    assert caught.value.failure is FailureClass.NOT_YET


@pytest.mark.parametrize(
    ("template", "folder"),
    [
        ("{date} {topic}", "2026-11-20 a_b_ .._x"),
        ("{topic}/{time}", "a_b_ .._x/1402"),
        ("{host_email}{meeting_id}", "unnamed5"),
        ("plain", "plain"),
    ],
)
def test_what_is_filled_into_a_folder_makes_no_folder(template: str, folder: str) -> None:
    recording = {"topic": "a/b\\ ../x", "start_time": "2026-11-20T14:02:40Z", "id": 5}
    assert fill_template(template, recording) == folder


def test_an_unknown_name_in_a_folder_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"there is no \{topics\}; did you mean \{topic\}\?"):
        fill_template("{topics}", {})
