from __future__ import annotations

from collections.abc import Iterator

import pytest

from changewire.sandbox import Sandbox
from tests.sandbox.api import Api


@pytest.fixture
def free() -> Iterator[Api]:
    with Sandbox(plan="free") as sandbox:
        api = Api(sandbox)
        yield api
        api.session.close()


def test_the_second_limit_says_so_without_retry_after(free: Api) -> None:
    answers = [free.call("GET", "/users/me/meetings") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["message"].startswith("You have reached the maximum per-second rate limit")
    headers = answers[2].headers
    assert (headers["X-RateLimit-Category"], headers["X-RateLimit-Type"]) == ("Medium", "QPS")
    assert "Retry-After" not in headers
    free.control("clock", advance_s=1)
    free.get("/users/me/meetings")


def test_the_daily_limit_names_the_instant(free: Api) -> None:
    free.control("spend_daily", label="Medium", used=2000)
    answer = free.call("GET", "/users/me/meetings")
    assert answer.status_code == 429
    assert answer.headers["X-RateLimit-Type"] == "Daily-limit"
    assert answer.headers["Retry-After"].endswith("T00:00:00Z")
    assert answer.json()["message"].startswith("You have reached the maximum daily rate limit")
    free.control("clock", advance_s=86400)
    free.sign_in()
    free.get("/users/me/meetings")


def test_heavy_calls_of_paid_plans_share_a_pool(free: Api) -> None:
    free.control("switch", plan="pro")
    free.control("spend_daily", label="Resource-intensive", used=30000)
    free.error("/report/daily", 429, 429)


def test_headers_can_be_the_category_alone(free: Api) -> None:
    free.control("switch", rate_headers="category")
    answer = free.call("GET", "/users/me")
    assert [name for name in answer.headers if name.startswith("X-Rate")] == ["X-RateLimit-Category"]


def test_a_host_has_a_hundred_changes_a_day(api: Api) -> None:
    api.control("switch", enforce_limits=True)
    for _ in range(100):
        api.control("clock", advance_s=1)
        api.call("PATCH", "/meetings/85512340001", json={"agenda": "x"})
    answer = api.call("PATCH", "/meetings/85512340001", json={"agenda": "x"})
    assert answer.status_code == 429
    assert "daily rate limit (100)" in answer.json()["message"]
    assert "Retry-After" not in answer.headers
    assert int(answer.headers["X-RateLimit-Remaining"]) > 0


def test_limits_can_be_off_and_peaks_are_measured(api: Api) -> None:
    for _ in range(70):
        api.get("/users/me/meetings")
    stats = api.control("stats")
    medium = stats["by_label"]["Medium"]
    assert medium["total"] == 70
    assert 10 < medium["peak"] <= 70
    assert medium["refused_second"] == 0
    assert stats["by_route"]["GET /users/{userId}/meetings"] == 70
