from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from changewire.actions.calling import check_inputs, perform
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.sandbox import Sandbox
from changewire.values import Json, loads
from tests.actions.rig import Rig
from tests.cli.rig import changewire, lines
from tests.connectors.server import Reply, Server
from tests.engine.rig import connection, write_home

PATH = "/v3/graphql"
LISTING = "query($after: String) { users(first: 2, after: $after) { edges { id } pageInfo { cursor } } }"


def ask(rig: Rig, **given: Json) -> Any:
    action = rig.action("zoom.graphql")
    return perform(action, check_inputs(action, given), rig.context("work"))


def page(ids: list[str], cursor: str) -> Reply:
    return Reply(body={"data": {"users": {"edges": [{"id": one} for one in ids], "pageInfo": {"cursor": cursor}}}})


def test_a_query_goes_to_the_graphql_endpoint_with_its_variables(rig: Rig, server: Server) -> None:
    server.on(PATH, Reply(body={"data": {"user": {"id": "a"}}}))
    found = ask(rig, query="query($id: String) { user(userId: $id) { id } }", variables={"id": "me"})
    assert found == {"data": {"user": {"id": "a"}}}
    assert server.seen[-1].method == "POST"
    assert loads(server.seen[-1].body)["variables"] == {"id": "me"}


@pytest.mark.parametrize(
    ("errors", "failure", "message"),
    [
        ([{"message": "No field", "path": ["users", 0]}], FailureClass.BAD_INPUT, "users.0: No field"),
        ([{"message": "no", "extensions": {"code": "FORBIDDEN"}}], FailureClass.SCOPE, "no"),
        ([{"message": "no", "extensions": {"code": "UNAUTHENTICATED"}}], FailureClass.CREDENTIAL, "no"),
        ("what", FailureClass.BAD_INPUT, "no explanation"),
    ],
)  # fmt: skip
def test_errors_in_a_good_answer_are_errors(
    rig: Rig, server: Server, errors: Any, failure: FailureClass, message: str
) -> None:
    server.on(PATH, Reply(body={"errors": errors, "data": None}))
    with pytest.raises(ApiError) as caught:
        ask(rig, query="{ users { edges { id } } }")
    assert (caught.value.failure, str(caught.value)) == (failure, f"GraphQL answered with errors: {message}")


@pytest.mark.parametrize("body", [{}, {"data": []}, []])
def test_an_answer_that_is_none_is_broken(rig: Rig, server: Server, body: Any) -> None:
    server.on(PATH, Reply(body=body))
    with pytest.raises(ApiError) as caught:
        ask(rig, query="{ x }")
    assert caught.value.failure is FailureClass.BROKEN


def test_all_pages_are_joined_by_the_cursor(rig: Rig, server: Server) -> None:
    server.on(PATH, page(["a", "b"], "c1"), page(["c"], ""))
    found = ask(rig, query=LISTING, all_pages=True)
    assert found["data"]["users"] == {"edges": [{"id": "a"}, {"id": "b"}, {"id": "c"}], "pageInfo": {"cursor": ""}}
    assert [loads(one.body)["variables"] for one in server.seen if one.path == PATH] == [{}, {"after": "c1"}]


def test_a_cursor_that_comes_again_is_an_error(rig: Rig, server: Server) -> None:
    server.on(PATH, *[page(["a"], "c1") for _ in range(3)])
    with pytest.raises(ApiError, match="again and again"):
        ask(rig, query=LISTING, all_pages=True)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ users { edges { id } pageInfo { cursor } } }", "needs a variable \\$after"),
        ("query($after: String) { user { id } }", "asks for no list"),
    ],
)
def test_what_all_pages_needs_of_a_query_is_told(rig: Rig, server: Server, query: str, message: str) -> None:
    server.on(PATH, Reply(body={"data": {"user": {"id": "a"}}}))
    with pytest.raises(UsageError, match=message):
        ask(rig, query=query, all_pages=True)


@pytest.fixture
def against(tmp_path: Path) -> Iterator[Path]:
    with Sandbox(enforce_limits=False) as sandbox:
        yield write_home(tmp_path, connection(sandbox.url))


def test_the_sandbox_is_asked_page_by_page(against: Path) -> None:
    query = LISTING.replace("first: 2", "first: 1")
    result = changewire("call", "zoom.graphql", "--home", against, "--json", f"query={query}", "all_pages=true")
    assert result.exit_code == 0, result.stderr
    (answer,) = lines(result.stdout)
    assert len(answer["output"]["data"]["users"]["edges"]) == 2


def test_errors_of_the_sandbox_are_told(against: Path) -> None:
    query = "{ users { edges { nme } pageInfo { cursor } } }"
    result = changewire("call", "zoom.graphql", "--home", against, f"query={query}")
    assert result.exit_code == 1
    assert "GraphQL answered with errors: Cannot query field 'nme' on type 'User'" in result.stderr
