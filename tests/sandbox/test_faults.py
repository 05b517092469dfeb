from __future__ import annotations

import time

import pytest
import requests

from tests.sandbox.api import Api

MEETINGS = "/users/me/meetings"


def test_a_rule_counts_matches_after_and_times(api: Api) -> None:
    api.control("faults", match="GET /v2/users/me$", kind="status", status=503, after=1, times=2)
    statuses = [api.call("GET", "/users/me").status_code for _ in range(5)]
    assert statuses == [200, 503, 503, 200, 200]
    assert api.call("GET", MEETINGS).status_code == 200
    rule = requests.get(f"{api.sandbox.url}/sandbox/faults", timeout=5).json()[0]
    assert (rule["seen"], rule["fired"]) == (5, 2)


def test_faults_are_cleared(api: Api) -> None:
    api.control("faults", rules=[{"kind": "html_200"}, {"kind": "reset"}])
    answer = requests.delete(f"{api.sandbox.url}/sandbox/faults", timeout=5)
    assert answer.json() == {"cleared": 2}
    api.get("/users/me")


def test_a_status_may_have_a_body_and_headers_of_its_own(api: Api) -> None:
    api.control("faults", kind="status", status=502, body="<html>gateway</html>", headers={"Retry-After": "7"})
    answer = api.call("GET", "/users/me")
    assert (answer.status_code, answer.text) == (502, "<html>gateway</html>")
    assert answer.headers["Retry-After"] == "7"


@pytest.mark.parametrize("kind", ["reset", "cut_body"])
def test_broken_connections(api: Api, kind: str) -> None:
    api.control("faults", match="users/me", kind=kind, times=1)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        api.call("GET", "/users/me")
    api.get("/users/me")


def test_a_delay_delays(api: Api) -> None:
    api.control("faults", kind="delay", delay_s=0.2, times=1)
    started = time.monotonic()
    api.get("/users/me")
    assert time.monotonic() - started >= 0.2


def test_wrong_answers_with_status_200(api: Api) -> None:
    for rule, text in [
        ({"kind": "empty_200"}, "{}"),
        ({"kind": "empty_200", "form": "nothing"}, ""),
        ({"kind": "error_200"}, '{"code":200,"message":"Only available for Paid account."}'),
    ]:
        api.control("faults", times=1, **rule)
        answer = api.call("GET", MEETINGS)
        assert (answer.status_code, answer.text) == (200, text)
    api.control("faults", kind="html_200", times=1)
    assert api.call("GET", MEETINGS).headers["Content-Type"].startswith("text/html")
    api.control("faults", kind="empty_200", form="list", times=1)
    assert api.get(MEETINGS)["meetings"] == []
    api.control("faults", kind="bad_json", times=1)
    with pytest.raises(requests.JSONDecodeError):
        api.call("GET", MEETINGS).json()
    api.control("faults", kind="huge_body", size=3_000_000, times=1)
    assert len(api.call("GET", MEETINGS).content) > 3_000_000


def test_page_tokens_may_repeat_or_go_round(api: Api) -> None:
    def tokens(count: int) -> list[str]:
        seen = [""]
        for _ in range(count):
            query = {"next_page_token": seen[-1]} if seen[-1] else {}
            seen.append(str(api.get(MEETINGS, page_size=1, **query)["next_page_token"]))
        return seen[1:]

    api.control("faults", kind="repeat_page_token")
    first, second, third = tokens(3)
    assert first == second == third != ""
    api.control("clear_faults")
    api.control("faults", kind="cycle_page_tokens")
    one, two, three, four = tokens(4)
    assert one != two
    assert (three, four) == (one, two)


def test_pages_may_shift_and_tokens_die(api: Api) -> None:
    rows = [row["id"] for row in api.crawl(MEETINGS, "meetings", page_size=1)]
    api.control("faults", kind="page_shift", times=1)
    assert [row["id"] for row in api.crawl(MEETINGS, "meetings", page_size=1)][:2] == [rows[0], rows[0]]
    api.control("faults", kind="page_shift", shift=1, times=1)
    assert rows[1] not in [row["id"] for row in api.crawl(MEETINGS, "meetings", page_size=1)]
    token = api.get(MEETINGS, page_size=1)["next_page_token"]
    api.control("faults", kind="dead_page_token", times=1)
    api.get(MEETINGS)
    api.error(MEETINGS, 400, 300, page_size=1, next_page_token=token)
    api.get(MEETINGS, page_size=1, next_page_token=token)


def test_rate_refusals_and_expiry_on_demand(api: Api) -> None:
    api.control("faults", kind="rate_second", times=1)
    second = api.call("GET", MEETINGS)
    assert (second.status_code, second.headers["X-RateLimit-Type"]) == (429, "QPS")
    api.control("faults", kind="rate_day", retry_after_s=30, times=1)
    day = api.call("GET", MEETINGS)
    assert (day.headers["X-RateLimit-Type"], day.headers["Retry-After"][-1]) == ("Daily-limit", "Z")
    api.control("faults", kind="expire_tokens", times=1)
    api.error(MEETINGS, 401, 124)


def test_sign_in_can_fail_too(api: Api) -> None:
    api.control("faults", match="POST /oauth/token", kind="status", status=500, times=1)
    with pytest.raises(KeyError):
        api.sign_in()
    api.sign_in()
