from __future__ import annotations

import hashlib
from typing import Any

import pytest

from changewire.actions.calling import check_inputs, perform
from changewire.errors import ApiError
from tests.actions.rig import Rig
from tests.connectors.server import Reply, Server

VIDEO = {"Content-Type": "video/mp4"}


def download(rig: Rig, url: str, **given: Any) -> Any:
    action = rig.action("zoom.download_recording")
    return perform(action, check_inputs(action, {"url": url, **given}), rig.context("work"))


def files(rig: Rig) -> list[str]:
    root = rig.home / "state" / "downloads"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_file_is_saved_with_its_digest_and_the_credentials_are_sent(rig: Rig, server: Server) -> None:
    server.on("/rec/dl1", Reply(200, b"film", VIDEO))
    found = download(rig, f"{server.url}/rec/dl1", folder="Customer call/2026", file_name="film.mp4", file_size="4")
    assert found == {
        "path": "state/downloads/Customer call/2026/film.mp4",
        "size": 4,
        "content_type": "video/mp4",
        "sha256": hashlib.sha256(b"film").hexdigest(),
    }
    assert (rig.home / found["path"]).read_bytes() == b"film"
    assert server.seen[0].headers["authorization"] == "Bearer the-very-token"


def test_the_same_file_takes_its_own_place_and_another_one_does_not(rig: Rig, server: Server) -> None:
    server.on("/a", Reply(200, b"one", VIDEO))
    server.on("/b", Reply(200, b"two", VIDEO))
    for path in ("/a", "/b", "/a", "/b"):
        download(rig, f"{server.url}{path}", file_name="x.mp4")
    assert files(rig) == ["x (2).mp4", "x.mp4"]


@pytest.mark.parametrize(
    ("given", "headers", "name"),
    [
        ({"folder": "../../.."}, {}, "dl1"),
        ({"file_name": "../../x"}, {}, "_._x"),
        ({}, {"Content-Disposition": 'attachment; filename="../../../evil.sh"'}, "_.._.._evil.sh"),
        ({}, {"Content-Disposition": 'attachment; filename="GMT2026.mp4"'}, "GMT2026.mp4"),
        ({"folder": "Q1/Q2: plans?"}, {}, "Q1/Q2_ plans_/dl1"),
    ],
)
def test_names_from_anywhere_stay_in_the_downloads(
    rig: Rig, server: Server, given: Any, headers: dict[str, str], name: str
) -> None:
    server.on("/rec/dl1", Reply(200, b"x", {**VIDEO, **headers}))
    download(rig, f"{server.url}/rec/dl1", **given)
    assert files(rig) == [name]


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
        (Reply(403, {"status": False, "errorCode": 124, "errorMessage": "Forbidden"}), {}, "Forbidden"),
    ],
)
def test_what_is_not_the_file_is_not_kept(rig: Rig, server: Server, reply: Reply, given: Any, words: str) -> None:
    server.on("/rec/dl1", reply)
    with pytest.raises(ApiError, match=words):
        download(rig, f"{server.url}/rec/dl1", **given)
    assert files(rig) == []
    assert list((rig.home / "state" / "downloads").iterdir()) == []


def test_other_hosts_are_not_asked(rig: Rig) -> None:
    with pytest.raises(ApiError, match=r"files of Zoom come from zoom.us"):
        download(rig, "https://zoom.us.evil.example/rec/dl1")
