"""Answers of status 200 that are errors by the connection's own rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from changewire.connectors.client import Client, Request
from changewire.errors import ApiError, CredentialError, FailureClass
from tests.connectors.server import Reply, Server

Make = Callable[..., Client]
RULES = [
    {
        "when": "{{ answer.error.code | default(0) == 401 }}",
        "failure": "credential",
        "message": "{{ answer.error.text }}",
    },
    {"when": "{{ answer.error is defined }}", "failure": "gone"},
    "{{ answer.state != 'ok' }}",
]


@pytest.mark.parametrize(
    ("body", "failure", "said"),
    [
        ({"error": {"code": 401, "text": "log in"}}, FailureClass.CREDENTIAL, "log in"),
        ({"error": {"text": "x"}}, FailureClass.GONE, "error_when: {{ answer.error is defined }}"),
        ({"state": "down"}, FailureClass.TRANSIENT, "error_when: {{ answer.state != 'ok' }}"),
        ({"items": []}, FailureClass.BROKEN, "error_when cannot be worked out: "),
    ],
)
def test_the_first_fitting_rule_says_what_it_is(
    server: Server, make_client: Make, body: dict[str, Any], failure: FailureClass, said: str
) -> None:
    server.on("/a", Reply(200, body))
    auth = {"type": "bearer", "token": "the-bearer-token"}
    with pytest.raises(ApiError) as caught:
        make_client("http", auth=auth, error_when=RULES).send(Request("GET", "/a"))
    assert (caught.value.failure, caught.value.status) == (failure, 200)
    assert isinstance(caught.value, CredentialError) is (failure is FailureClass.CREDENTIAL)
    assert f"HTTP (work) answered 200 to /a: {said}" in str(caught.value)


@pytest.mark.parametrize("body", [{"state": "ok"}, b"<html>no JSON</html>"])
def test_other_answers_are_as_good_as_they_look(server: Server, make_client: Make, body: Any) -> None:
    server.on("/a", Reply(200, body))
    assert make_client("http", error_when=RULES).send(Request("GET", "/a")).status == 200


def test_the_rules_are_for_the_connections_own_api(server: Server, other_server: Server, make_client: Make) -> None:
    other_server.on("/a", Reply(200, {"state": "down"}))
    client = make_client("http", error_when=RULES, allow_private=True)
    assert client.send(Request("GET", f"{other_server.url}/a")).data == {"state": "down"}
