"""Apps and users of the stand-in: codes, devices, tokens that change with each use, and the errors on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from changewire.sandbox import (
    CLIENT_ID,
    CLIENT_SECRET,
    PUBLIC_CLIENT_ID,
    USER_CLIENT_ID,
    USER_CLIENT_SECRET,
    Sandbox,
)
from changewire.sandbox.sign_in.grants import DEVICE_CODE, challenge_of

KEYS = (USER_CLIENT_ID, USER_CLIENT_SECRET)
BACK = "http://127.0.0.1:4711/callback"
VERIFIER = "v" * 64


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(enforce_limits=False) as running:
        yield running


def ask(
    sandbox: Sandbox, app: str = USER_CLIENT_ID, secret: str = USER_CLIENT_SECRET, **form: str
) -> requests.Response:
    """A token request of an app."""
    return requests.post(f"{sandbox.url}/oauth/token", data=form, auth=(app, secret), timeout=5)


def code(sandbox: Sandbox, decision: str = "allow", **query: str) -> dict[str, str]:
    """What the browser brings back after a person decided."""
    asked = {
        "response_type": "code", "client_id": USER_CLIENT_ID, "redirect_uri": BACK, "state": "s",
        "code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256", **query,
    }  # fmt: skip
    page = requests.get(f"{sandbox.url}/oauth/authorize", params=asked, timeout=5)
    assert page.status_code == 200, page.text
    ticket = re.search(r'name="ticket" value="(\w+)"', page.text)
    assert ticket is not None
    form = {"ticket": ticket[1], "decision": decision}
    gone = requests.post(f"{sandbox.url}/oauth/authorize", data=form, timeout=5, allow_redirects=False)
    assert gone.status_code == 302
    assert gone.headers["Location"].startswith(f"{BACK}?")
    return {name: values[0] for name, values in parse_qs(urlsplit(gone.headers["Location"]).query).items()}


def by_code(sandbox: Sandbox, text: str, **more: str) -> requests.Response:
    form = {"grant_type": "authorization_code", "code": text, "redirect_uri": BACK, "code_verifier": VERIFIER}
    return ask(sandbox, **{**form, **more})


def renew(sandbox: Sandbox, token: str) -> requests.Response:
    return ask(sandbox, grant_type="refresh_token", refresh_token=token)


def works(sandbox: Sandbox, token: str) -> bool:
    answer = requests.get(f"{sandbox.url}/v2/users/me", headers={"Authorization": f"Bearer {token}"}, timeout=5)
    return answer.status_code == 200


def test_a_code_becomes_tokens_once(sandbox: Sandbox) -> None:
    back = code(sandbox)
    assert back["state"] == "s"
    answer = by_code(sandbox, back["code"]).json()
    assert {"access_token", "refresh_token", "expires_in", "scope", "token_type", "api_url"} == answer.keys()
    assert works(sandbox, answer["access_token"])
    again = by_code(sandbox, back["code"])
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_a_person_may_refuse(sandbox: Sandbox) -> None:
    assert code(sandbox, "decline") == {
        "state": "s", "error": "access_denied", "error_description": "The user refused.",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"code_verifier": "another"}, {"error": "invalid_grant", "reason": "Invalid code verifier."}),
        ({"redirect_uri": "http://127.0.0.1:1/x"}, {"error": "invalid_request", "reason": "Redirect URI mismatch."}),
        ({"code": "none"}, {"error": "invalid_grant", "reason": "Invalid authorization code."}),
        ({"grant_type": "password"}, {"error": "unsupported_grant_type", "reason": "unsupported grant type"}),
        ({"grant_type": ""}, {"error": "invalid_request", "reason": "The grant type is missing."}),
    ],
)
def test_what_does_not_fit_is_refused(sandbox: Sandbox, wrong: dict[str, str], said: dict[str, str]) -> None:
    answer = by_code(sandbox, code(sandbox)["code"], **wrong)
    assert (answer.status_code, answer.json()) == (400, said)


def test_a_code_lives_for_five_minutes(sandbox: Sandbox) -> None:
    text = code(sandbox)["code"]
    sandbox.control("clock", advance_s=301)
    assert by_code(sandbox, text).json()["reason"] == "The authorization code has expired."


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"client_id": "nobody"}, "Invalid client id (4702)."),
        ({"redirect_uri": "https://evil.example.com/"}, "Invalid redirect (4709)."),
        ({"response_type": "token"}, "Invalid response type."),
        ({"client_id": PUBLIC_CLIENT_ID}, "An app without a secret needs a code challenge."),
        ({"code_challenge_method": "plain"}, "The code challenge must be of method S256."),
    ],
)
def test_an_app_that_asks_wrongly_gets_a_page_that_says_so(sandbox: Sandbox, query: dict[str, str], words: str) -> None:
    asked = {"response_type": "code", "client_id": USER_CLIENT_ID, "redirect_uri": BACK} | query
    page = requests.get(f"{sandbox.url}/oauth/authorize", params=asked, timeout=5)
    assert page.status_code == 400
    assert words in page.text


def test_each_renewal_ends_the_refresh_token_before(sandbox: Sandbox) -> None:
    first = by_code(sandbox, code(sandbox)["code"]).json()
    second = renew(sandbox, first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    dead = renew(sandbox, first["refresh_token"])
    assert (dead.status_code, dead.json()) == (400, {"reason": "Invalid Token!", "error": "invalid_grant"})
    assert renew(sandbox, second["refresh_token"]).status_code == 200


def test_a_grace_for_the_old_one_can_be_switched_on(sandbox: Sandbox) -> None:
    sandbox.control("switch", refresh_grace_s=60)
    first = by_code(sandbox, code(sandbox)["code"]).json()
    renew(sandbox, first["refresh_token"])
    assert renew(sandbox, first["refresh_token"]).status_code == 200
    sandbox.control("clock", advance_s=61)
    assert renew(sandbox, first["refresh_token"]).status_code == 400


def test_a_refresh_token_lives_for_ninety_days(sandbox: Sandbox) -> None:
    token = by_code(sandbox, code(sandbox)["code"]).json()["refresh_token"]
    sandbox.control("clock", advance_s=90 * 86400 + 1)
    assert renew(sandbox, token).json()["reason"] == "Invalid Token!"


def test_signing_in_again_ends_the_pair_before(sandbox: Sandbox) -> None:
    first = by_code(sandbox, code(sandbox)["code"]).json()
    second = by_code(sandbox, code(sandbox)["code"]).json()
    assert not works(sandbox, first["access_token"])
    assert works(sandbox, second["access_token"])
    assert renew(sandbox, first["refresh_token"]).status_code == 400


def test_revoking_either_token_ends_both(sandbox: Sandbox) -> None:
    for which in ("access_token", "refresh_token"):
        pair = by_code(sandbox, code(sandbox)["code"]).json()
        done = requests.post(f"{sandbox.url}/oauth/revoke", data={"token": pair[which]}, auth=KEYS, timeout=5)
        assert done.json() == {"status": "success"}
        assert not works(sandbox, pair["access_token"])
        assert renew(sandbox, pair["refresh_token"]).status_code == 400


def test_a_device_waits_for_its_user_and_must_not_hurry(sandbox: Sandbox) -> None:
    given = requests.post(f"{sandbox.url}/oauth/devicecode", auth=KEYS, timeout=5).json()
    assert re.fullmatch(r"[A-Z]{4}-[A-Z]{4}", given["user_code"])
    assert (given["expires_in"], given["interval"]) == (900, 5)

    def poll() -> dict[str, str]:
        sandbox.control("clock", advance_s=5)
        found: dict[str, str] = ask(sandbox, grant_type=DEVICE_CODE, device_code=given["device_code"]).json()
        return found

    assert poll()["error"] == "authorization_pending"
    hurried = ask(sandbox, grant_type=DEVICE_CODE, device_code=given["device_code"]).json()
    assert hurried["error"] == "slow_down"
    assert poll()["error"] == "slow_down", "now it has to wait for ten seconds"
    form = {"user_code": given["user_code"].replace("-", "").lower(), "decision": "allow"}
    assert "The device was let in" in requests.post(f"{sandbox.url}/oauth_device", data=form, timeout=5).text
    sandbox.control("clock", advance_s=15)
    assert works(sandbox, poll()["access_token"])
    assert poll()["reason"] == "Invalid device code."
    unknown = requests.post(f"{sandbox.url}/oauth_device", data=form, timeout=5)
    assert (unknown.status_code, "Nothing waits for this code" in unknown.text) == (400, True)


def test_what_users_type_is_not_taken_for_html(sandbox: Sandbox) -> None:
    page = requests.get(f"{sandbox.url}/oauth_device", params={"user_code": '"><script>'}, timeout=5)
    assert "<script>" not in page.text


def test_an_app_may_act_as_itself_unless_it_is_public(sandbox: Sandbox) -> None:
    assert works(sandbox, ask(sandbox, grant_type="client_credentials").json()["access_token"])
    refused = ask(sandbox, PUBLIC_CLIENT_ID, "", grant_type="client_credentials")
    assert refused.json()["error"] == "unauthorized_client"


def test_scopes_that_are_asked_for_count_where_that_is_switched_on(sandbox: Sandbox) -> None:
    wanted = "user:read:user:admin nothing:known"
    ignored = ask(sandbox, grant_type="client_credentials", scope=wanted).json()["scope"].split()
    assert len(ignored) > 1
    sandbox.control("switch", scope_parameter="honour")
    assert ask(sandbox, grant_type="client_credentials", scope=wanted).json()["scope"] == "user:read:user:admin"


def test_wrong_keys_are_refused(sandbox: Sandbox) -> None:
    for keys in ((USER_CLIENT_ID, "wrong"), (CLIENT_ID, CLIENT_SECRET), ("", "")):
        answer = ask(sandbox, *keys, grant_type="refresh_token", refresh_token="x")
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")
