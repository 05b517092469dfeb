"""``POST /v3/graphql``: users and their meetings, in lists with cursors. Errors come with status 200, as they do there.

It is a small part of the real schema. What is not in it is an error that says so, never an empty answer.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from changewire.sandbox.api.graphql_words import Field, QueryError, parse
from changewire.sandbox.api.views import Views
from changewire.sandbox.errors import JSON, ApiError
from changewire.sandbox.world.schedule import expired
from changewire.sandbox.world.world import World

PATH = "/v3/graphql"
LABEL = "Heavy"
CLASSIC, GRANULAR = ("user:read:admin",), ("user:read:list_users:admin",)
MOST = 100  # records on a page
_USUAL = 30


class GraphQL:
    """Answers queries about one world."""

    def __init__(self, world: World, views: Views) -> None:
        self._world = world
        self._views = views

    def answer(self, body: JSON) -> JSON:
        """Return ``{"data": …}``, or ``{"errors": […], "data": null}``."""
        query, variables = body.get("query"), body.get("variables") or {}
        try:
            if not isinstance(query, str) or not isinstance(variables, dict):
                raise QueryError("A query must be text, and variables an object.")
            roots: dict[str, Callable[[Field], Any]] = {
                "users": self._users, "user": self._user, "meetings": self._meetings,
            }  # fmt: skip
            return {"data": {one.key: _known(roots, one, "Query")(one) for one in parse(query, variables)}}
        except QueryError as error:
            return _errors(str(error), "GRAPHQL_VALIDATION_FAILED")
        except ApiError as error:
            return _errors(error.message, "NOT_FOUND" if error.status == 404 else "BAD_REQUEST")

    def _users(self, asked: Field) -> JSON:
        _only(asked, "first", "after")
        people = [user for user in self._world.users.values() if user["status"] == "active"]
        return _page(asked, [self._views.user_row(user) for user in people], "User")

    def _user(self, asked: Field) -> JSON:
        _only(asked, "userId")
        return _chosen(asked, self._views.user(self._find(asked)), "User")

    def _meetings(self, asked: Field) -> JSON:
        _only(asked, "userId", "first", "after")
        host, now = self._find(asked)["id"], self._world.now()
        events = [e for e in self._world.events.values() if e.kind == "meeting" and e.data["host_id"] == host]
        rows = [self._views.event(event) for event in events if not event.deleted and not expired(event, now)]
        return _page(asked, rows, "Meeting")

    def _find(self, asked: Field) -> JSON:
        ref = asked.arguments.get("userId")
        if not isinstance(ref, str):
            raise QueryError(f"Field '{asked.name}' argument 'userId' of type 'String!' is required.")
        user = self._world.find_user(ref)
        if user is None:
            raise ApiError(404, 1001, f"User does not exist: {ref}.")
        return user


def _errors(message: str, code: str) -> JSON:
    return {"errors": [{"message": message, "extensions": {"code": code}}], "data": None}


def _only(asked: Field, *known: str) -> None:
    for name in asked.arguments:
        if name not in known:
            raise QueryError(
                f"Unknown argument '{name}' on field '{asked.name}'; the sandbox knows {', '.join(known)}."
            )


def _known(rows: dict[str, Any], asked: Field, kind: str) -> Any:
    if asked.name not in rows:
        raise QueryError(f"Cannot query field '{asked.name}' on type '{kind}'; the sandbox knows {', '.join(rows)}.")
    return rows[asked.name]


def _chosen(asked: Field, row: JSON, kind: str) -> JSON:
    """Return what is asked for of a record; plain fields have nothing inside."""
    if not asked.fields:
        raise QueryError(f"Field '{asked.name}' of type '{kind}' must have a selection of subfields.")
    found = {}
    for one in asked.fields:
        value = _known(row, one, kind)
        found[one.key] = _chosen(one, value, one.name) if isinstance(value, dict) else value
    return found


def _page(asked: Field, rows: list[JSON], kind: str) -> JSON:
    """Return ``edges`` and ``pageInfo``; a cursor names the last record of a page, and is empty after the last one."""
    first, after = asked.arguments.get("first"), asked.arguments.get("after")
    size = _USUAL if first is None else first
    if not isinstance(size, int) or not 1 <= size <= MOST:
        raise QueryError(f"Argument 'first' must be from 1 to {MOST}.")
    rows = sorted(rows, key=lambda row: str(row["id"]))
    rest = [row for row in rows if not after or str(row["id"]) > _opened(after)]
    page = rest[:size]
    cursor = _cursor(str(page[-1]["id"])) if len(rest) > size else ""
    whole = {"edges": page, "pageInfo": {"cursor": cursor, "hasNextPage": bool(cursor)}}
    found: JSON = {}
    for one in asked.fields:
        value = _known(whole, one, f"{kind}List")
        chosen = [_chosen(one, row, kind) for row in value] if one.name == "edges" else _chosen(one, value, "PageInfo")
        found[one.key] = chosen
    if not found:
        raise QueryError(f"Field '{asked.name}' of type '{kind}List' must have a selection of subfields.")
    return found


def _cursor(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode()


def _opened(cursor: object) -> str:
    try:
        return base64.b64decode(str(cursor), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise QueryError("Argument 'after' is no cursor of this list.") from None
