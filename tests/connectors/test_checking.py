"""A connection that its connector can never use is told with its place, and the others are not concerned."""

from __future__ import annotations

from pathlib import Path

import pytest

from changewire.home.loading import load_home

GOOD = "good: {connector: http, base_url: 'https://shop.example.com'}\n"

WRONG = [
    pytest.param(
        "bad: {connector: zom, auth: {type: bearer, token: t}}",
        "2:18: there is no connector 'zom': write http or zoom (did you mean 'zoom'?)",
        id="an unknown connector",
    ),
    pytest.param(
        "bad: {connector: core}", "2:18: there is no connector 'core': write http or zoom", id="one without accounts"
    ),
    pytest.param(
        "bad: {connector: zoom, plan: proo, auth: {type: bearer, token: t}}",
        "2:30: Zoom has no plan 'proo': write free, pro or business (did you mean 'pro'?)",
        id="an unknown plan",
    ),
    pytest.param(
        "bad: {connector: zoom, auth: {type: basic, username: u, password: p}}",
        "2:37: Zoom has no sign-in 'basic': write type: server_to_server, oauth or bearer",
        id="a sign-in of another connector",
    ),
    pytest.param(
        "bad: {connector: zoom}",
        "2:6: Zoom has no sign-in 'none': write type: server_to_server, oauth or bearer",
        id="no sign-in where one is needed",
    ),
    pytest.param(
        "bad: {connector: http, auth: {type: oauth, client_id: a, authorize_url: 'https://x.example.com/a'}}",
        "2:30: nobody knows where tokens come from: write token_url",
        id="no place for tokens",
    ),
    pytest.param(
        "bad: {connector: http, auth: {type: oauth, client_id: a, token_url: 'https://x.example.com/t'}}",
        "2:30: nobody knows where a person signs in: write authorize_url, device_url or both",
        id="no place to sign in",
    ),
    pytest.param(
        "bad: {connector: http, auth: {type: client_credentials, client_id: a, client_secret: b, "
        "token_url: 'http://login.example.com/token'}}",
        "2:100: credentials are sent there, so it must begin with https://",
        id="credentials in the open",
    ),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_a_connection_that_can_never_work_is_told(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "connections.yaml").write_text(GOOD + text)
    home = load_home(tmp_path, {})
    assert [str(problem) for problem in home.problems] == [f"config/connections.yaml:{words}"]
    assert list(home.connections) == ["good"]
