"""The client against the Zoom stand-in: signs in, reads pages, and meets its faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from changewire.clock import SystemClock
from changewire.config.settings import HttpSettings
from changewire.connectors.client import Client, Request
from changewire.connectors.downloads import Expected
from changewire.connectors.partial_file import Part
from changewire.errors import ApiError, FailureClass
from changewire.sandbox import ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET, OWNER_EMAIL, Sandbox
from tests.connectors.server import connection
from tests.sandbox.api import Api

MEETINGS = Request("GET", f"/users/{OWNER_EMAIL}/meetings", query=(("page_size", "1"),), label="MEDIUM")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as one:
        yield one


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    secrets = {"account_id": ACCOUNT_ID, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    auth = {"type": "server_to_server", **secrets}
    one = Client(connection(sandbox.url, plan="business", auth=auth), SystemClock(), HttpSettings())
    yield one
    one.close()


def pages(client: Client) -> list[dict[str, Any]]:
    """All meetings, page by page as the connector's paging says."""
    paging, request, found = client.connector.paging, MEETINGS, []
    while True:
        data = client.send(request).data
        found += data["meetings"]
        if not data.get(paging.token_field):
            return found
        request = replace(MEETINGS, query=(*MEETINGS.query, (paging.token_query, data[paging.token_field])))


def test_signs_in_and_reads_all_pages(client: Client) -> None:
    assert len({meeting["id"] for meeting in pages(client)}) > 2


def test_goes_on_when_all_tokens_end(sandbox: Sandbox, client: Client) -> None:
    before = pages(client)
    sandbox.control("expire_tokens")

    assert pages(client) == before


def test_a_missing_scope_names_the_scopes(sandbox: Sandbox, client: Client) -> None:
    sandbox.control("set_scopes", scopes=["user:read:user:admin"])

    with pytest.raises(ApiError, match=r"does not contain scopes:\[.*\]: add one of these scopes") as caught:
        client.send(MEETINGS)
    assert (caught.value.failure, caught.value.reason) == (FailureClass.SCOPE, "missing_scope")


def test_an_unknown_meeting_is_gone(client: Client) -> None:
    with pytest.raises(ApiError) as caught:
        client.send(Request("GET", "/meetings/81234567890", label="LIGHT"))
    assert (caught.value.failure, caught.value.code) == (FailureClass.GONE, "3001")


def test_a_meeting_that_did_not_end_is_not_there_yet(client: Client) -> None:
    with pytest.raises(ApiError) as caught:
        client.send(Request("GET", "/past_meetings/85512340001", label="LIGHT"))
    assert caught.value.failure is FailureClass.NOT_YET


@pytest.mark.parametrize(
    ("kind", "failure", "reason"),
    [
        ({"kind": "status", "status": 500}, FailureClass.TRANSIENT, None),
        ({"kind": "reset", "times": 2}, FailureClass.TRANSIENT, None),
        ({"kind": "cut_body"}, FailureClass.TRANSIENT, None),
        ({"kind": "error_200"}, FailureClass.PLAN, None),
        ({"kind": "html_200"}, FailureClass.BROKEN, None),
        ({"kind": "bad_json"}, FailureClass.BROKEN, None),
        ({"kind": "rate_second", "times": 9}, FailureClass.RATE, "per_second"),
        ({"kind": "rate_day"}, FailureClass.RATE, "daily"),
    ],
)
def test_faults_are_told_apart(
    sandbox: Sandbox, client: Client, kind: dict[str, Any], failure: FailureClass, reason: str | None
) -> None:
    sandbox.control("faults", match="/meetings", **{"times": 1, **kind})

    with pytest.raises(ApiError) as caught:
        _ = client.send(MEETINGS).data
    assert (caught.value.failure, caught.value.reason) == (failure, reason)


def test_a_dead_page_token_is_named(client: Client) -> None:
    request = replace(MEETINGS, query=(*MEETINGS.query, ("next_page_token", "nonsense")))

    with pytest.raises(ApiError) as caught:
        client.send(request)
    assert (caught.value.failure, caught.value.reason) == (FailureClass.TRANSIENT, "dead_page_token")


@pytest.mark.parametrize("hop", ["none", "same_host"])
def test_recordings_are_downloaded(sandbox: Sandbox, client: Client, tmp_path: Path, hop: str) -> None:
    sandbox.control("switch", download_redirect=hop)
    file, part = recording(client), Part(tmp_path / "x.part")

    info = client.download(file["download_url"], part, expected=Expected(file["file_size"], "mp4"))
    assert info.size == part.size == file["file_size"]


def test_a_recording_that_is_cut_again_and_again_arrives_whole(
    sandbox: Sandbox, client: Client, tmp_path: Path
) -> None:
    file, part = recording(client), Part(tmp_path / "x.part")
    sandbox.control("faults", match="/rec/", kind="cut_body", times=3)
    for _ in range(3):
        with pytest.raises(ApiError, match="broke off"):
            client.download(file["download_url"], part)

    info = client.download(recording(client)["download_url"], part, expected=Expected(file["file_size"], "mp4"))
    assert info.resumed_at == file["file_size"] * 7 // 8
    api = Api(sandbox)
    assert part.path.read_bytes() == api.call("GET", file["download_url"]).content
    api.session.close()


def test_a_passcode_page_is_no_recording(sandbox: Sandbox, client: Client, tmp_path: Path) -> None:
    url = recording(client)["download_url"]
    sandbox.control("faults", match="/rec/", kind="html_200")

    with pytest.raises(ApiError, match="a web page came in place of the file"):
        client.download(url, Part(tmp_path / "x.part"))


def recording(client: Client) -> dict[str, Any]:
    since = str((SystemClock().now() - timedelta(days=7)).date())
    request = Request("GET", f"/users/{OWNER_EMAIL}/recordings", query=(("from", since),), label="MEDIUM")
    files: list[dict[str, Any]] = client.send(request).data["meetings"][0]["recording_files"]
    return files[0]
