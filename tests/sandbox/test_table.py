"""Every operation of the table answers, in the shape and with the errors that the table knows of."""

from __future__ import annotations

import json
import random
import re

import pytest

from changewire.sandbox import ACCOUNT_ID, OWNER_ID, Sandbox
from changewire.sandbox.api.routes import all_scopes
from changewire.sandbox.gateway import Gateway
from changewire.sandbox.table import Operation, operations
from changewire.sandbox.wire import Request, Response
from changewire.sandbox.world.kinds import COLLECTIONS
from tests.sandbox.api import Api

_ORDER = ("GET", "POST", "PATCH", "PUT", "DELETE")
OPERATIONS = sorted(operations(), key=lambda one: (_ORDER.index(one.method), -len(one.path)))


class Table:
    """Asks the gateway without a network, so that two thousand operations take a second or two."""

    def __init__(self) -> None:
        sandbox = Sandbox(enforce_limits=False)
        sandbox.close()
        for path, kind in COLLECTIONS.items():
            if "{}" not in path:
                sandbox.world.put(path, {kind.key: "x1"})
        self.gateway = Gateway(sandbox.world, 1, list(all_scopes()))
        basic = "Basic c2FuZGJveC1jbGllbnQ6c2FuZGJveC1zZWNyZXQ="
        target = f"/oauth/token?grant_type=account_credentials&account_id={ACCOUNT_ID}"
        signed_in = self.gateway.handle(Request("POST", target, {"authorization": basic}, b""))
        self.token = json.loads(signed_in.body)["access_token"]

    def ask(self, operation: Operation, body: dict[str, object] | None = None, query: str = "") -> Response:
        path = re.sub(r"\{(\w+)\}", lambda found: KNOWN.get(found[1], "x1"), operation.path)
        content = json.dumps(BODIES.get(operation.path, {}) if body is None else body).encode()
        headers = {"authorization": f"Bearer {self.token}"}
        return self.gateway.handle(Request(operation.method, f"/v2{path}?{query}", headers, content))


KNOWN = {"userId": OWNER_ID, "accountId": "me", "meetingId": "85512340001", "webinarId": "91122233344"}
BODIES: dict[str, dict[str, object]] = {}


HANDLED = ("Meetings", "Users", "Team Chat", "Phone", "Accounts")
ODD: list[object] = [None, 1, -1, True, "x", "", [], [1], ["x"], [{}], [{"id": 1}], [{"email": 5}], {}, {"x": []}, 1.5]
ODD_WORDS = ("", "x", "-1", "5", "2026-11-01", "2026-99-99", "true", "%FF", "999999999999")
BODY_NAMES = (
    "members", "admins", "registrants", "attendees", "panelists", "polls", "assistants", "action", "user_info",
    "settings", "name", "type", "to_channel", "to_contact", "message", "emoji", "email", "to_members", "sender",
    "method", "recurrence", "start_time", "topic", "duration", "timezone", "reply_main_message_id",
)  # fmt: skip
QUERY_NAMES = (
    "from", "to", "date", "type", "status", "page_size", "next_page_token", "option", "to_contact", "ttl", "limit",
)  # fmt: skip


def filled(names: tuple[str, ...]) -> dict[str, object]:
    body: dict[str, object] = {}
    for name in sorted(names):
        first, _, rest = name.partition(".")
        if rest:
            inner = body.get(first)
            body[first] = {**(inner if isinstance(inner, dict) else {}), **filled((rest,))}
        else:
            body.setdefault(first, "x@example.com" if "email" in first else "x")
    return body


def asked(operation: Operation) -> str:
    """The query that an operation wants at the least: days, or the first of the words it knows."""
    words = dict(re.findall(r"(\w+)\*:\((\w[^|)]*)", operation.query))
    return "&".join(f"{name}={words.get(name, '2026-11-01')}" for name in operation.asked)


@pytest.fixture(scope="module")
def table() -> Table:
    return Table()


def test_no_operation_breaks_the_sandbox_and_each_good_answer_has_its_documented_status(table: Table) -> None:
    wrong, well = [], 0
    for operation in OPERATIONS:
        query = asked(operation)
        response = table.ask(operation, filled(operation.required), query)
        good = response.status == operation.success and (bool(response.body) == (operation.success != 204))
        refused = 400 <= response.status < 500 and set(json.loads(response.body or b"{}")) >= {"code", "message"}
        well += good
        if not (good or refused):
            wrong.append(f"{operation.method} {operation.path}: {response.status} {response.body[:120]!r}")
    assert wrong == []
    assert well / len(OPERATIONS) > 0.93


def test_nothing_that_is_sent_breaks_the_sandbox(table: Table) -> None:
    dice = random.Random(7)
    broken = []
    for operation in [
        one for one in OPERATIONS if one.domain in ("Meetings", "Users", "Team Chat", "Phone", "Accounts")
    ]:
        for _ in range(4):
            names = [*BODY_NAMES, *(name.partition(".")[0] for name in operation.required)]
            odd = {name: dice.choice(ODD) for name in dice.sample(names, dice.randint(1, len(names)))}
            query = "&".join(f"{name}={dice.choice(ODD_WORDS)}" for name in dice.sample(QUERY_NAMES, 3))
            response = table.ask(operation, {**filled(operation.required), **odd}, f"{asked(operation)}&{query}")
            if response.status >= 500:
                broken.append(f"{operation.method} {operation.path}: {response.body[:120]!r} for {odd} {query}")
    assert broken == []


def test_lists_come_under_their_key_with_the_fields_of_their_paging(table: Table) -> None:
    for operation in OPERATIONS:
        if operation.method == "GET" and operation.items and "{" not in operation.path:
            response = table.ask(operation, query=asked(operation))
            body = json.loads(response.body)
            if response.status == 200:
                assert isinstance(body[operation.items], list), operation.path
                if operation.paging == "token":
                    assert body["next_page_token"] == "", operation.path


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.required][::25], ids=lambda one: one.path)
def test_a_body_that_lacks_something_is_refused_naming_it(table: Table, operation: Operation) -> None:
    response = table.ask(operation, {}, asked(operation))
    assert response.status == 400
    body = json.loads(response.body)
    assert (body["code"], body["message"]) == (300, "Validation Failed.")
    assert [error["field"] for error in body["errors"]] == list(operation.required)


def test_a_query_that_lacks_something_is_refused_naming_it(api: Api) -> None:
    body = api.get("/contacts", 400)
    assert (body["code"], [error["field"] for error in body["errors"]]) == (300, ["search_key"])


def test_paths_the_api_has_not_and_methods_a_path_has_not(api: Api) -> None:
    assert api.error("/nothing/here", 404, 2300) == "This API endpoint is not recognized."
    answer = api.call("DELETE", "/users")
    assert (answer.status_code, answer.json()["code"]) == (405, 405)


def test_scopes_and_plans_are_asked_for_everywhere(api: Api) -> None:
    api.control("set_scopes", scopes=["user:read:admin"])
    api.sign_in()
    assert "contains" not in api.error("/phone/sites", 400, 4711)
    api.control("set_scopes", scopes=["phone:read:admin"])
    api.sign_in()
    api.get("/phone/sites")


def test_what_is_kept_is_made_read_changed_and_removed_by_the_table_alone(api: Api) -> None:
    made = api.call("POST", "/rooms/locations", json={"name": "Berlin", "parent_location_id": "x"})
    assert made.status_code == 200
    number = made.json()["id"]
    assert [row["name"] for row in api.crawl("/rooms/locations", "locations")] == ["Berlin"]
    assert api.call("PATCH", f"/rooms/locations/{number}", json={"name": "Hamburg"}).status_code == 204
    assert api.get(f"/rooms/locations/{number}")["name"] == "Hamburg"
    api.control("change_record", path=f"/rooms/locations/{number}", name="Bremen")
    assert api.get(f"/rooms/locations/{number}")["name"] == "Bremen"
    api.control("remove_record", path=f"/rooms/locations/{number}")
    assert api.get("/rooms/locations")["locations"] == []
    api.error(f"/rooms/locations/{number}", 404, 4801)


def test_settings_keep_what_is_set(api: Api) -> None:
    assert api.call("PATCH", f"/phone/users/{OWNER_ID}/settings", json={"voice_mail": {"x": 1}}).status_code == 204
    assert api.get("/phone/users/me/settings")["voice_mail"] == {"x": 1}
    api.error("/phone/users/nobody/settings", 404, 1001)


def test_a_master_account_asks_below_the_id_of_a_sub_account(api: Api) -> None:
    api.control("add_record", path="/accounts", id="sub-1", account_name="Branch")
    assert api.get("/accounts/sub-1/archive_files")["meetings"] == []
    assert api.error("/accounts/sub-2/archive_files", 404, 2001) == "Account does not exist: sub-2."


@pytest.mark.parametrize(
    ("path", "status", "code", "text"),
    [
        ("/phone/sites", 400, 400, "Site does not exist: x1."),
        ("/contact_center/queues", 404, 1201, "Queue does not exist: x1."),
        ("/rooms/locations", 404, 4801, "Location does not exist: x1."),
        ("/divisions", 404, 404, "Resource does not exist: x1."),
    ],
)
def test_a_removed_record_is_missed_with_the_code_of_its_list(
    api: Api, path: str, status: int, code: int, text: str
) -> None:
    transfer = {"transfer_site_id": "x2"}
    assert api.call("DELETE", f"{path}/x1", params=transfer).status_code < 300
    assert api.error(f"{path}/x1", status, code) == text


@pytest.mark.parametrize(("path", "served"), [("/phone/call_queues", 10), ("/contact_center/queues", 10)])
def test_phone_and_contact_center_have_limits_of_their_own(path: str, served: int) -> None:
    with Sandbox(plan="pro") as sandbox:
        api = Api(sandbox)
        for _ in range(25):
            api.get("/users/me")  # has another bucket
        answers = [api.call("GET", path) for _ in range(served + 10)]
        api.session.close()
    assert 429 in {answer.status_code for answer in answers}
    assert answers[-1].headers["X-RateLimit-Category"] == "Medium"
    assert answers[-1].headers["X-RateLimit-Limit"] == str(served)
