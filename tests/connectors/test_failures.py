from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from changewire.connectors.definition import load_connector
from changewire.connectors.failures import Failure, judge, read_error, retry_at
from changewire.connectors.remote_numbers import Wait
from changewire.connectors.transport.messages import Request
from changewire.errors import FailureClass
from changewire.secret import learn
from changewire.values import dumps

ZOOM, HTTP = load_connector("zoom"), load_connector("http")
NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)


def zoom(path: str, status: int, code: int | None, message: str, method: str = "GET") -> Failure | None:
    body = dumps({"message": message} if code is None else {"code": code, "message": message})
    return judge(ZOOM, Request(method, path), status, body)


@pytest.mark.parametrize(
    ("path", "status", "code", "message", "failure", "reason"),
    [
        ("/users", 401, 124, "Invalid access token.", "credential", "token"),
        ("/users", 400, 124, "Access token is expired.", "credential", "token"),
        ("/users", 401, 4700, "Invalid access token...", "credential", "token"),
        ("/users", 400, 4711, "Invalid access token, does not contain scopes:[a, b].", "scope", "missing_scope"),
        ("/users", 401, 4700, "Invalid access token, does not contain scopes:[a].", "scope", "missing_scope"),
        ("/users", 400, 300, "The next page token is invalid or expired.", "transient", "dead_page_token"),
        ("/phone/x", 400, 400, "The next page token is invalid or expired.", "transient", "dead_page_token"),
        ("/docs", 400, 30051005, "Invalid parameter.", "transient", "dead_page_token"),
        ("/users", 400, 300, "Validation Failed.", "bad_input", None),
        ("/phone/users/1/call_history", 404, 300, "User does not exist", "gone", None),
        ("/report/daily", 400, 200, "Only available for paid account: abc.", "plan", None),
        ("/report/daily", 200, 200, "Only available for Paid account.", "plan", None),
        ("/users/me/webinars", 400, 200, "Webinar plan is missing. You must subscribe to it.", "plan", None),
        ("/groups", 200, 200, "You do not have the right permissions.", "scope", None),
        ("/groups", 400, 200, "No permission.", "scope", None),
        ("/meetings/1", 403, 2306, "not permitted", "scope", None),
        ("/meetings/1", 404, 3001, "Meeting does not exist: 1.", "gone", None),
        ("/past_meetings/1", 404, 3001, "Meeting does not exist: 1.", "not_yet", None),
        ("/past_webinars/1/participants", 404, 3001, "Webinar does not exist.", "not_yet", None),
        ("/report/meetings/1/participants", 404, 3001, "Meeting does not exist: 1.", "not_yet", None),
        ("/meetings/a%3D/meeting_summary", 404, 3001, "Meeting does not exist: a=.", "not_yet", None),
        ("/meetings/1/recordings", 404, 3301, "There is no recording for this meeting.", "not_yet", None),
        ("/meetings/1/transcript", 404, 3322, "This meeting transcript does not exist.", "not_yet", None),
        ("/metrics/meetings/1", 400, 3000, "Meeting 1 has not started.", "not_yet", None),
        ("/users/x", 404, 1001, "User does not exist: x.", "gone", None),
        ("/users/x", 400, 1010, "User does not belong to this account: a.", "gone", None),
        ("/past_meetings/1", 400, 12702, "Can not access a meeting a year ago.", "gone", None),
        ("/nothing", 404, 2300, "This API endpoint is not recognized.", "bad_input", None),
        ("/users", 409, 1005, "Email has already been used.", "bad_input", None),
        ("/users", 429, 429, "You have reached the maximum per-second rate limit.", "rate", "per_second"),
        ("/users", 429, 429, "You have reached the maximum daily rate limit for this API.", "rate", "daily"),
        ("/users", 429, 429, "the daily rate limit (100) permitted for this particular user", "rate", "user_daily"),
        ("/users", 429, 429, "Too many concurrent requests.", "rate", "concurrent"),
        ("/users", 500, None, "Internal error", "transient", None),
        ("/users", 503, None, "", "transient", None),
    ],
)
def test_what_zoom_says_and_what_it_means(
    path: str, status: int, code: int | None, message: str, failure: str, reason: str | None
) -> None:
    found = zoom(path, status, code, message)

    assert found is not None
    assert (found.failure, found.reason) == (failure, reason)


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (400, "bad_input"),
        (401, "credential"),
        (402, "plan"),
        (403, "scope"),
        (404, "gone"),
        (408, "transient"),
        (409, "bad_input"),
        (410, "gone"),
        (422, "bad_input"),
        (425, "transient"),
        (429, "rate"),
        (500, "transient"),
        (502, "transient"),
        (304, "transient"),
        (305, "bad_input"),
    ],
)
def test_an_unknown_api_is_judged_by_its_status(status: int, failure: str) -> None:
    found = judge(HTTP, Request("GET", "/"), status, b"<html>oh no</html>")

    assert found is not None
    assert found.failure == failure
    assert (found.code, found.message) == (None, "")


@pytest.mark.parametrize(
    "body",
    [
        b'{"meetings": []}',
        b'{"code": 0, "message": "success"}',
        b'{"code": 7}',
        b'{"message": "hello"}',
        b'{"settings": {"code": 1, "message": "nested"}}',
        b'[{"code": 1, "message": "in a list"}]',
        b"",
        b'{"topic": "\\"code\\": 1, \\"message\\""}',
    ],
)
def test_good_answers_are_good(body: bytes) -> None:
    assert judge(ZOOM, Request("GET", "/users"), 200, body) is None


def test_only_connectors_that_do_so_dress_errors_as_good_answers() -> None:
    assert judge(HTTP, Request("GET", "/"), 200, b'{"code": 5, "message": "a film about codes"}') is None


def test_the_request_says_which_statuses_are_good() -> None:
    assert judge(HTTP, Request("GET", "/", ok_statuses=(200, 304)), 304, b"") is None
    assert judge(HTTP, Request("GET", "/", ok_statuses=(404,)), 200, b"") is not None


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b'{"code": 3001, "message": "gone"}', "3001", "gone"),
        (
            b'{"code": 300, "message": "Validation Failed.", "errors": [{"field": "a", "message": "Invalid."}]}',
            "300",
            "Validation Failed. a: Invalid.",
        ),
        (b'{"error": {"code": 7, "message": "nested"}}', "7", "nested"),
        (b'{"status": false, "errorCode": 124, "errorMessage": "Forbidden"}', "124", "Forbidden"),
        (b'{"error": "invalid_client", "error_description": "bad id"}', "invalid_client", "bad id"),
        (b'{"code": 104, "message": "does not contain "scopes":[a]"}', "104", 'does not contain "scopes":[a]'),
        (b"<html></html>", None, ""),
        (b"[]", None, ""),
        (b"", None, ""),
    ],
)
def test_codes_and_messages_are_found_in_all_their_places(body: bytes, code: str | None, message: str) -> None:
    assert read_error(HTTP.error_body, body) == (code, message)


DEEP = b"[" * 1000 + b"]" * 1000


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b'{"code": %s, "message": %s}' % (DEEP, DEEP), None, ""),
        (b'{"code": 1, "message": "No.", "errors": [{"field": "a", "message": %s}]}' % DEEP, "1", "No."),
        (b'{"code": 1, "message": "No.", "errors": [{"field": %s, "message": "b"}]}' % DEEP, "1", "No. b"),
        (b'{"code": 1, "message": "No.", "errors": [%s, {"message": "c"}]}' % DEEP, "1", "No. c"),
        (b'{"error": {"code": 7, "message": %s}}' % DEEP, "7", ""),
        (b'{"code": true, "message": false}', None, ""),
    ],
    ids=["both", "message", "field", "entry", "inside", "true"],
)  # fmt: skip
def test_lists_and_objects_in_place_of_words_say_nothing(body: bytes, code: str | None, message: str) -> None:
    assert read_error(HTTP.error_body, body) == (code, message)


def test_messages_are_masked_and_cut() -> None:
    learn("very-secret-value")
    found = zoom("/users", 400, 1, "very-secret-value " + "x" * 1000)
    assert found is not None
    assert found.message.startswith("*** xxx")
    assert len(found.message) == 500


def test_a_secret_that_is_a_common_word_does_not_hide_what_an_api_said() -> None:
    learn("token")
    found = zoom("/users", 400, 300, "The next page token is invalid or expired.")
    assert found is not None
    assert (found.reason, found.message) == ("dead_page_token", "The next page *** is invalid or expired.")


@pytest.mark.parametrize(
    ("reason", "headers", "span", "moment"),
    [
        ("per_second", {}, 1.0, NOW + timedelta(seconds=1)),
        ("per_second", {}, 60.0, NOW + timedelta(seconds=60)),
        ("per_second", {"Retry-After": "9"}, 1.0, NOW + timedelta(seconds=9)),
        ("daily", {}, 1.0, MIDNIGHT),
        ("daily", {"Retry-After": "2026-11-21T12:00:00Z"}, 1.0, datetime(2026, 11, 21, 12, tzinfo=UTC)),
        ("user_daily", {"X-RateLimit-Remaining": "5893"}, 1.0, MIDNIGHT),
        (None, {"X-RateLimit-Type": "Daily-limit"}, 1.0, MIDNIGHT),
    ],
)
def test_how_long_a_rate_limit_holds(
    reason: str | None, headers: dict[str, str], span: float, moment: datetime
) -> None:
    failure = Failure(FailureClass.RATE, 429, "429", "", reason, None)

    assert retry_at(failure, headers, NOW, span) == Wait(moment)


@pytest.mark.parametrize("wrong_by", [-365, -2, 2, 365])
@pytest.mark.parametrize("instant", ["Sun, 22 Nov 2026 00:00:00 GMT", "2026-11-22T00:00:00Z"])
def test_an_instant_is_measured_by_the_clock_of_the_api_if_the_one_here_is_wrong(wrong_by: int, instant: str) -> None:
    failure = Failure(FailureClass.RATE, 429, "429", "", "daily", None)
    headers = {"Retry-After": instant, "Date": "Sat, 21 Nov 2026 22:00:00 GMT"}
    here = datetime(2026, 11, 21, 22, tzinfo=UTC) + timedelta(days=wrong_by)

    assert retry_at(failure, headers, here, 1.0) == Wait(here + timedelta(hours=2))
    assert retry_at(failure, {**headers, "Retry-After": "80000"}, here, 1.0) == Wait(here + timedelta(seconds=80_000))


def test_other_failures_hold_as_long_as_they_say() -> None:
    failure = Failure(FailureClass.TRANSIENT, 503, None, "", None, None)

    assert retry_at(failure, {}, NOW, 1.0) is None
    assert retry_at(failure, {"Retry-After": "30"}, NOW, 1.0) == Wait(NOW + timedelta(seconds=30))


@pytest.mark.parametrize(
    ("kind", "status", "most"),
    [(FailureClass.RATE, 429, timedelta(days=1)), (FailureClass.TRANSIENT, 503, timedelta(hours=1))],
)
@pytest.mark.parametrize("asked", ["999999999", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT", "2058-01-01T00:00:00Z"])
def test_no_answer_parks_a_connection_for_longer_than_a_day_and_the_error_says_so(
    kind: FailureClass, status: int, most: timedelta, asked: str
) -> None:
    failure = Failure(kind, status, None, "slow", None, None)
    found = retry_at(failure, {"Retry-After": asked}, NOW, 1.0)
    assert found is not None
    assert found.until == NOW + most
    error = failure.error(ZOOM, "work", "/x", found.until, capped=found.capped)
    assert f"it asked for a wait of {asked[:40]!r}, which is cut to {'1d' if status == 429 else '1h'}" in str(error)


def test_an_error_says_who_said_what_and_what_to_do() -> None:
    found = zoom("/meetings/5", 404, 3001, "Meeting does not exist: 5.")

    assert found is not None
    error = found.error(ZOOM, "work", "/meetings/5", None)
    assert str(error) == (
        "Zoom (work) answered 404, code 3001 to /meetings/5: Meeting does not exist: 5: "
        "check the id and that it belongs to this account"
    )
    assert (error.status, error.code, error.sent) == (404, "3001", True)
