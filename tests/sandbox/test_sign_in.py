from __future__ import annotations

import pytest
import requests

from changewire.sandbox import ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET, Sandbox
from tests.sandbox.api import Api

FORM = {"grant_type": "account_credentials", "account_id": ACCOUNT_ID}
KEYS = (CLIENT_ID, CLIENT_SECRET)


def test_the_form_and_the_query_both_sign_in(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/oauth/token"
    by_form = requests.post(url, data=FORM, auth=KEYS, timeout=5)
    by_query = requests.post(url, params=FORM, auth=KEYS, timeout=5)
    for answer in (by_form.json(), by_query.json()):
        assert answer["token_type"] == "bearer"
        assert answer["expires_in"] == 3599
        assert answer["api_url"] == sandbox.url
        assert "meeting:read:meeting:admin" in answer["scope"].split()


@pytest.mark.parametrize(
    ("form", "keys", "error"),
    [
        (FORM, (CLIENT_ID, "wrong"), "invalid_client"),
        (FORM | {"grant_type": "password"}, KEYS, "unsupported_grant_type"),
        (FORM | {"account_id": "other"}, KEYS, "invalid_request"),
    ],
)
def test_a_bad_sign_in_is_answered_with_reason_and_error(
    sandbox: Sandbox, form: dict[str, str], keys: tuple[str, str], error: str
) -> None:
    answer = requests.post(f"{sandbox.url}/oauth/token", data=form, auth=keys, timeout=5)
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert set(answer.json()) == {"reason", "error"}


def test_a_token_expires_by_the_sandbox_clock(api: Api) -> None:
    api.get("/users/me")
    api.control("clock", advance_s=3600)
    assert api.error("/users/me", 401, 124) == "Access token is expired."
    api.sign_in()
    api.get("/users/me")


def test_missing_and_unknown_tokens_have_their_own_texts(api: Api) -> None:
    missing = requests.get(f"{api.sandbox.url}/v2/users/me", timeout=5)
    assert (missing.status_code, missing.json()["message"]) == (401, "Requires an access token.")
    api.token = "nonsense"
    assert api.error("/users/me", 401, 124) == "Invalid access token."
    api.control("switch", token_error_status=400)
    api.error("/users/me", 400, 124)


def test_a_new_token_may_kill_the_old_one(api: Api) -> None:
    old = api.token
    api.sign_in()
    api.token, new = old, api.token
    api.get("/users/me")
    api.control("switch", new_token_kills_old=True)
    api.sign_in()
    api.token = new
    api.error("/users/me", 401, 124)


def test_a_missing_scope_is_named_and_either_kind_of_scope_will_do(api: Api) -> None:
    api.control("set_scopes", scopes=["user:read:admin"])
    api.get("/users/me/meetings")  # the old token keeps its scopes
    api.sign_in()
    api.get("/users/me")
    text = api.error("/users/me/meetings", 400, 4711)
    assert text == (
        "Invalid access token, does not contain scopes:[meeting:read:list_meetings, meeting:read:list_meetings:admin]."
    )
    api.control("set_scopes", scopes=["meeting:read:list_meetings:admin"])
    api.sign_in()
    api.get("/users/me/meetings")


def test_expire_tokens_ends_all_of_them(api: Api) -> None:
    assert api.control("expire_tokens")["expired"] >= 1
    api.error("/users/me", 401, 124)
