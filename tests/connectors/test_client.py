from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from changewire.config.settings import Settings
from changewire.connectors.client import Client, Patience, Request
from changewire.connectors.clients import Clients
from changewire.errors import ApiError, DelayedError, FailureClass, UsageError
from changewire.testing import START, ManualClock
from tests.connectors.server import Reply, Seen, Server, connection

MakeClient = Callable[..., Client]
MEETINGS = Request("GET", "/users/me/meetings", query=(("page_size", "300"),), label="MEDIUM")
LABEL = "RESOURCE-INTENSIVE"
QPS = {"code": 429, "message": "You have reached the maximum per-second rate limit for this API. Try again later."}


def test_a_good_answer(server: Server, make_client: MakeClient) -> None:
    server.on("/v2/users/me/meetings", Reply(body={"meetings": []}))

    answer = make_client().send(MEETINGS)
    assert (answer.status, answer.data, answer.asked_at) == (200, {"meetings": []}, START)
    assert answer.url == f"{server.url}/v2/users/me/meetings?page_size=300"
    assert isinstance(answer.date, datetime)
    seen = server.seen[0]
    assert seen.path == "/v2/users/me/meetings?page_size=300"
    assert seen.headers["authorization"] == "Bearer the-bearer-token"
    assert seen.headers["user-agent"].startswith("changewire/")


def test_headers_and_bodies_are_sent(server: Server, make_client: MakeClient) -> None:
    server.on("/things", Reply(201, {"id": 1}))
    headers = (("Content-Type", "application/json"), ("Idempotency-Key", "k1"))

    assert make_client("http").send(Request("POST", "/things", headers=headers, body=b"{}")).status == 201
    seen = server.seen[0]
    assert (seen.body, seen.headers["idempotency-key"]) == (b"{}", "k1")


def test_an_error_dressed_as_a_good_answer_is_an_error(server: Server, make_client: MakeClient) -> None:
    server.on("/v2/report/daily", Reply(body={"code": 200, "message": "Only available for Paid account."}))

    with pytest.raises(ApiError) as caught:
        make_client().send(Request("GET", "/report/daily"))
    assert caught.value.failure is FailureClass.PLAN
    assert str(caught.value) == (
        "Zoom (work) answered 200, code 200 to /report/daily: Only available for Paid account: "
        "the account needs a plan that includes this"
    )


def test_errors_never_contain_secrets(server: Server, make_client: MakeClient) -> None:
    server.on("/v2/users/the-bearer-token", Reply(400, {"code": 300, "message": "bad: the-bearer-token"}))

    with pytest.raises(ApiError) as caught:
        make_client().send(Request("GET", "/users/the-bearer-token"))
    assert str(caught.value) == "Zoom (work) answered 400, code 300 to /users/***: bad: ***: check the parameters"


class TestBudget:
    def test_short_waits_are_waited(self, server: Server, clock: ManualClock, make_client: MakeClient) -> None:
        server.on("/v2/users/me/meetings", Reply())
        client = make_client(plan="free")
        for _ in range(5):
            client.send(MEETINGS)

        assert clock.waits == [1.0, 1.0]
        assert len(server.seen) == 5

    def test_long_waits_are_delays(self, server: Server, make_client: MakeClient) -> None:
        server.on("/v2/metrics", Reply())
        client, request = make_client(plan="free"), Request("GET", "/metrics", label="RESOURCE-INTENSIVE")
        for _ in range(10):
            client.send(request)

        with pytest.raises(DelayedError) as caught:
            client.send(request)
        assert caught.value.until == START + timedelta(seconds=60)
        assert len(server.seen) == 10

    def test_nothing_is_waited_for_past_the_deadline(
        self, server: Server, clock: ManualClock, make_client: MakeClient
    ) -> None:
        server.on("/v2/users/me/meetings", Reply())
        client = make_client(plan="free")
        for _ in range(2):
            client.send(MEETINGS)

        with pytest.raises(DelayedError):
            client.send(MEETINGS, deadline=clock.monotonic() + 0.5)
        assert clock.waits == []

    def test_a_patient_client_waits_for_a_minute_and_shows_each_wait(
        self, server: Server, clock: ManualClock, make_client: MakeClient
    ) -> None:
        server.on("/v2/metrics", Reply())
        shown: list[tuple[str, float]] = []
        patience = Patience(90.0, lambda name, wait_s: shown.append((name, wait_s)))
        client, request = make_client(plan="free", patience=patience), Request("GET", "/metrics", label=LABEL)
        for _ in range(11):
            client.send(request)

        assert (shown, clock.waits, len(server.seen)) == ([("work", 60.0)], [60.0], 11)

    def test_a_wait_that_is_interrupted_gives_up_its_place(
        self, server: Server, clock: ManualClock, make_client: MakeClient
    ) -> None:
        def interrupted(name: str, wait_s: float) -> None:
            raise KeyboardInterrupt

        server.on("/v2/users/me/meetings", Reply())
        client = make_client(plan="free", patience=Patience(90.0, interrupted))
        for _ in range(2):
            client.send(MEETINGS)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                client.send(MEETINGS)
        assert client.budget.take("MEDIUM", clock.now()).wait_s == 1.0

    def test_a_sign_in_that_takes_long_does_not_pile_up_requests_that_have_been_counted(
        self, server: Server, clock: ManualClock, make_client: MakeClient
    ) -> None:
        def sign_in(seen: Seen) -> Reply:
            waits.append(client.budget.take("MEDIUM", clock.now()).wait_s)
            return Reply(body={"access_token": "a-new-token", "token_type": "bearer", "expires_in": 3599})

        waits: list[float] = []
        server.on("/oauth/token", sign_in)
        server.on("/v2/users/me/meetings", Reply())
        auth = {"type": "server_to_server", "account_id": "a", "client_id": "c", "client_secret": "a-client-secret"}
        client = make_client(plan="free", share=0.5, auth=auth)
        clock.wait(1)
        client.send(MEETINGS)
        assert waits == [0.0], "the request took its place after the sign-in"

    def test_a_rate_limit_without_a_moment_is_waited_out_for_a_second(
        self, server: Server, clock: ManualClock, make_client: MakeClient
    ) -> None:
        server.on("/v2/users/me/meetings", Reply(429, QPS), Reply())

        assert make_client().send(MEETINGS).status == 200
        assert clock.waits == [1.0]

    def test_a_rate_limit_again_and_again_is_a_delay_that_grows_until_an_answer_comes(
        self, server: Server, clock: ManualClock, make_client: MakeClient
    ) -> None:
        server.on("/v2/users/me/meetings", *[Reply(429, QPS)] * 4, Reply(), Reply(429, QPS), Reply())
        client = make_client()

        with pytest.raises(DelayedError) as caught:
            client.send(MEETINGS)
        assert clock.waits == [1.0, 2.0]
        assert caught.value.until == START + timedelta(seconds=3 + 4)
        assert (caught.value.status, caught.value.reason) == (429, "per_second")
        assert str(caught.value).startswith("Zoom (work) answered 429, code 429 to /users/me/meetings: You have")
        with pytest.raises(DelayedError) as caught:
            client.send(MEETINGS)
        assert caught.value.until == START + timedelta(seconds=7 + 8)
        clock.advance(8)
        assert client.send(MEETINGS).status == 200
        assert client.send(MEETINGS).status == 200
        assert clock.waits == [1.0, 2.0, 4.0, 1.0]

    def test_a_rate_limit_that_holds_for_long_is_a_delay_at_once(
        self, server: Server, clock: ManualClock, make_client: MakeClient
    ) -> None:
        server.on("/v2/users/me/meetings", Reply(429, QPS, {"Retry-After": "30"}))

        with pytest.raises(DelayedError) as caught:
            make_client().send(MEETINGS)
        assert caught.value.until == START + timedelta(seconds=30)
        assert (clock.waits, len(server.seen)) == ([], 1)

    def test_a_rate_limit_is_not_waited_out_beyond_the_time_there_is(
        self, server: Server, clock: ManualClock, make_client: MakeClient
    ) -> None:
        server.on("/v2/users/me/meetings", Reply(429, QPS))

        with pytest.raises(DelayedError):
            make_client().send(MEETINGS, deadline=clock.monotonic() + 0.5)
        assert (clock.waits, len(server.seen)) == ([], 1)

    def test_a_daily_limit_holds_until_the_moment_that_was_told(
        self, server: Server, clock: ManualClock, make_client: MakeClient
    ) -> None:
        body = {"code": 429, "message": "You have reached the maximum daily rate limit for this API."}
        server.on("/v2/users/me/meetings", Reply(429, body, {"Retry-After": "2026-11-22T00:00:00Z"}), Reply())
        client = make_client()

        for _ in range(2):
            with pytest.raises(ApiError) as caught:
                client.send(MEETINGS)
            assert caught.value.retry_at == datetime(2026, 11, 22, tzinfo=UTC)
        assert isinstance(caught.value, DelayedError)
        assert len(server.seen) == 1
        clock.advance(14 * 3600)
        assert client.send(MEETINGS).status == 200

    def test_retry_after_is_a_floor_without_any_table_too(
        self, server: Server, clock: ManualClock, make_client: MakeClient
    ) -> None:
        server.on("/x", Reply(429, b"", {"Retry-After": "60"}), Reply())
        client = make_client("http")

        with pytest.raises(ApiError):
            client.send(Request("GET", "/x"))
        with pytest.raises(DelayedError) as caught:
            client.send(Request("GET", "/x"))
        assert caught.value.until == START + timedelta(seconds=60)
        assert len(server.seen) == 1


class TestAddresses:
    def test_an_own_address_gets_the_credentials(self, server: Server, make_client: MakeClient) -> None:
        server.on("/deep/x", Reply())
        client = make_client("http", auth={"type": "bearer", "token": "a-token"}, base_url=f"{server.url}/deep")

        client.send(Request("GET", "/x"))
        client.send(Request("GET", f"{server.url}/deep/x"))
        assert [seen.headers["authorization"] for seen in server.seen] == ["Bearer a-token"] * 2

    def test_a_foreign_address_does_not(self, server: Server, other_server: Server, make_client: MakeClient) -> None:
        other_server.on("/x", Reply())
        auth = {"type": "api_key", "name": "key", "value": "a-secret-key", "in": "query"}

        request = Request("GET", f"{other_server.url}/x?a=1", query=(("b", "2"),), named=other_server.url)
        make_client("http", auth=auth).send(request)
        assert other_server.seen[0].path == "/x?a=1&b=2"

    def test_a_foreign_address_from_data_must_be_public(self, other_server: Server, make_client: MakeClient) -> None:
        request = Request("GET", f"{other_server.url}/x")

        with pytest.raises(ApiError, match="refused for addresses that come from data"):
            make_client("http").send(request)
        other_server.on("/x", Reply())
        assert make_client("http", allow_private=True).send(request).status == 200

    def test_a_path_needs_an_address_to_belong_to(self, make_client: MakeClient) -> None:
        with pytest.raises(ApiError) as caught:
            make_client("http", base_url=None).send(Request("GET", "/x"))
        assert str(caught.value) == (
            "connection 'work' has no base_url: add one in connections.yaml, or give a full URL"
        )


class TestShared:
    def test_an_equal_question_is_asked_once_while_the_answer_is_fresh(
        self, server: Server, clock: ManualClock, make_client: MakeClient
    ) -> None:
        server.on("/v2/users/me/meetings", Reply())
        client = make_client()

        first = client.send_shared(MEETINGS, fresh_s=5)
        assert client.send_shared(MEETINGS, fresh_s=5) is first
        clock.advance(6)
        assert client.send_shared(MEETINGS, fresh_s=5) is not first
        assert len(server.seen) == 2

    def test_what_changes_something_is_never_shared(self, server: Server, make_client: MakeClient) -> None:
        server.on("/v2/meetings", Reply())
        client, request = make_client(), Request("POST", "/meetings")
        for _ in range(2):
            client.send_shared(request, fresh_s=60)

        assert len(server.seen) == 2


class TestClients:
    def clients(self, server: Server, clock: ManualClock, **fields: Any) -> Clients:
        return Clients({"work": connection(server.url, **fields)}, clock, Settings())

    def test_a_client_is_made_once(self, server: Server, clock: ManualClock) -> None:
        clients = self.clients(server, clock)

        assert clients.get("work") is clients.get("work")
        clients.close()

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("wrok", "there is no connection 'wrok': did you mean 'work'?"),
            ("home", "there is no connection 'home': add it to connections.yaml"),
        ],
    )
    def test_an_unknown_connection_is_told(self, server: Server, clock: ManualClock, name: str, words: str) -> None:
        with pytest.raises(UsageError) as caught:
            self.clients(server, clock).get(name)
        assert str(caught.value) == words

    def test_an_unknown_plan_is_told_when_the_client_is_asked_for(self, server: Server, clock: ManualClock) -> None:
        with pytest.raises(UsageError, match="Zoom has no plan 'gold': write one of free, pro, business"):
            self.clients(server, clock, plan="gold").get("work")

    def test_a_reload_keeps_what_did_not_change(self, server: Server, clock: ManualClock) -> None:
        clients = self.clients(server, clock)
        before = clients.get("work")

        clients.replace({"work": connection(server.url), "more": connection(server.url)})
        assert clients.get("work") is before
        clients.close()

    def test_a_reload_does_not_refill_the_budget(self, server: Server, clock: ManualClock) -> None:
        clients = self.clients(server, clock)
        before = clients.get("work")

        clients.replace({"work": connection(server.url, auth={"type": "bearer", "token": "another-token"})})
        after = clients.get("work")
        assert after is not before
        assert after.budget is before.budget
        clients.replace({"work": connection(server.url, plan="business")})
        assert clients.get("work").budget is not before.budget
        clients.replace({})
        with pytest.raises(UsageError):
            clients.get("work")

    def test_a_reload_to_a_broken_connection_does_not_fail(self, server: Server, clock: ManualClock) -> None:
        clients = self.clients(server, clock)
        clients.get("work")

        clients.replace({"work": connection(server.url, auth={"type": "none"})})
        with pytest.raises(UsageError, match="Zoom cannot sign in by 'none'"):
            clients.get("work")
