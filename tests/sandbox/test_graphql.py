"""The sandbox's GraphQL endpoint: a small part of the schema, and errors in answers of status 200."""

from __future__ import annotations

from typing import Any

import pytest

from changewire.sandbox import OWNER_EMAIL
from tests.sandbox.api import Api

USERS = """
query($after: String, $first: Int = 1) {
  users(first: $first, after: $after) { edges { id email } pageInfo { cursor } }
}
"""


def ask(api: Api, query: str, status: int = 200, **variables: Any) -> Any:
    url = f"{api.sandbox.url}/v3/graphql"
    answer = api.call("POST", url, json={"query": query, "variables": variables})
    assert answer.status_code == status, answer.text
    return answer.json()


def test_lists_come_in_pages_with_a_cursor(api: Api) -> None:
    expected = {user["id"]: user["email"] for user in api.crawl("/users", "users")}
    found: dict[str, str] = {}
    cursor, pages = None, 0
    while cursor != "":
        listed = ask(api, USERS, after=cursor)["data"]["users"]
        assert len(listed["edges"]) <= 1
        found |= {user["id"]: user["email"] for user in listed["edges"]}
        cursor, pages = listed["pageInfo"]["cursor"], pages + 1
    assert found == expected
    assert pages == len(expected) > 1


def test_records_and_the_meetings_of_a_user(api: Api) -> None:
    made = api.control("create_meeting", user_id=OWNER_EMAIL, topic="Asked for")
    query = """
        query One($who: String!) {  # with an alias
          owner: user(userId: $who) { email }
          meetings(userId: $who, first: 100) { edges { id topic settings { host_video } } }
        }
    """
    data = ask(api, query, who=OWNER_EMAIL)["data"]
    assert data["owner"] == {"email": OWNER_EMAIL}
    (meeting,) = [each for each in data["meetings"]["edges"] if each["id"] == made["meeting_id"]]
    assert meeting["topic"] == "Asked for"
    assert list(meeting["settings"]) == ["host_video"]


WRONG = [
    ("{ users { edges { id nme } } }", "GRAPHQL_VALIDATION_FAILED", "Cannot query field 'nme' on type 'User'"),
    ("{ webinars { edges { id } } }", "GRAPHQL_VALIDATION_FAILED", "Cannot query field 'webinars' on type 'Query'"),
    ("{ users }", "GRAPHQL_VALIDATION_FAILED", "must have a selection of subfields"),
    ("{ users(first: 500) { edges { id } } }", "GRAPHQL_VALIDATION_FAILED", "from 1 to 100"),
    ('{ users(after: "no!") { edges { id } } }', "GRAPHQL_VALIDATION_FAILED", "is no cursor of this list"),
    ("{ users(last: 5) { edges { id } } }", "GRAPHQL_VALIDATION_FAILED", "Unknown argument 'last'"),
    ("{ user { id } }", "GRAPHQL_VALIDATION_FAILED", "'userId' of type 'String!' is required"),
    ("query($who: String!) { user(userId: $who) { id } }", "GRAPHQL_VALIDATION_FAILED", "'$who' of a required type"),
    ('{ user(userId: "nobody@example.com") { id } }', "NOT_FOUND", "User does not exist: nobody@example.com."),
    ("mutation { deleteUser { id } }", "GRAPHQL_VALIDATION_FAILED", "queries only, no mutation"),
    ("{ users { edges { id } }", "GRAPHQL_VALIDATION_FAILED", "Unexpected <EOF>"),
    ("", "GRAPHQL_VALIDATION_FAILED", "Expected '{', found '<EOF>'"),
]


@pytest.mark.parametrize(("query", "code", "message"), WRONG, ids=[query for query, _, _ in WRONG])
def test_errors_come_with_status_200(api: Api, query: str, code: str, message: str) -> None:
    answer = ask(api, query)
    assert answer["data"] is None
    assert answer["errors"][0]["extensions"] == {"code": code}
    assert message in answer["errors"][0]["message"]


def test_without_a_token_nothing_is_answered(api: Api) -> None:
    api.token = "wrong"
    assert ask(api, "{ users { edges { id } } }", 401)["code"] == 124
