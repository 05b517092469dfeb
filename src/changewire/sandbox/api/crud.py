"""Answers to operations that only keep, list, change and remove records, straight from the table."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from urllib.parse import unquote

from changewire.sandbox.api.call import Call, Reply
from changewire.sandbox.clock import iso, parse_iso
from changewire.sandbox.errors import JSON, ApiError, ControlError, validation
from changewire.sandbox.table import operations
from changewire.sandbox.world.records import Collection
from changewire.sandbox.world.templates import ZOOM_ACCOUNT_ID

_OF_PAGES = ("page_size", "page_number", "next_page_token", "from", "to")
_SEARCHES = ("search_text", "search_key", "keyword", "query_name")
_ANY = ("", "all", "-1")
_STRICT = ("Meetings", "Users", "Accounts", "Team Chat", "Phone")


def answer(call: Call) -> Reply:
    """Answer an operation from what is kept at its path."""
    if call.operation.paid:
        call.need_paid()
    if unfit := call.operation.unfit(call.query):
        raise validation(*unfit)
    place = canonical(call)
    parent, _, record_id = place.rpartition("/")
    template = call.operation.path
    if template in _lists():
        return _whole_list(call, place)
    if template.rpartition("/")[0] in _lists() and template.endswith("}"):
        return _one_record(call, parent, record_id)
    return _document(call, place)


def canonical(call: Call) -> str:
    """Return the call's path with every reference resolved; a missing owner raises its refusal."""
    place, template = "", ""
    parts = call.operation.path.split("/")[1:]
    for number, part in enumerate(parts):
        if not part.startswith("{"):
            place, template = f"{place}/{part}", f"{template}/{part}"
            continue
        owner = number < len(parts) - 1 or call.operation.path in _lists()
        value = _resolve(call, part.strip("{}"), place, owner and template in _lists())
        place, template = f"{place}/{value}", f"{template}/{part}"
    return place


def listing(call: Call, rows: list[JSON], kind: Collection | None = None) -> Reply:
    """Answer rows under the operation's list key, in pages of the operation's kind."""
    operation = call.operation
    key = (kind.items if kind else "") or operation.items or operation.path.rpartition("/")[2]
    name = "id" if kind is None else kind.key
    if operation.paging == "camel":
        return _camel_page(call, key, rows, name)
    if operation.paging == "start_index":
        return _numbered_page(call, key, rows)
    if operation.paging not in ("token", "page", "token_or_page"):
        return 200, {"total_records": len(rows), key: rows}
    return call.listing(key, rows, most=operation.most, by=name, usual=operation.size)


def _camel_page(call: Call, key: str, rows: list[JSON], name: str) -> Reply:
    """Answer a page as calendars do: ``pageToken`` and ``maxResults``, a sync token on the last page."""
    spelt = {"pageToken": "next_page_token", "maxResults": "page_size"}
    query = {spelt.get(given, given): value for given, value in call.query.items()}
    same = replace(call, query=query)
    http, page = same.listing(key, rows, most=call.operation.most, by=name, usual=call.operation.size)
    following = (page or {})["next_page_token"]
    last = {} if following else {"nextSyncToken": call.world.ids.nonce(16)}
    return http, {key: (page or {})[key], "nextPageToken": following, **last}


def _numbered_page(call: Call, key: str, rows: list[JSON]) -> Reply:
    """Answer a page as SCIM does: ``startIndex`` counts from 1."""
    start, count = call.query.get("startIndex", "1"), call.query.get("count", "100")
    if not (start.isdigit() and count.isdigit()):
        raise validation("startIndex", "count")
    first = max(1, int(start))
    page = rows[first - 1 : first - 1 + int(count)]
    return 200, {"totalResults": len(rows), "startIndex": first, "itemsPerPage": len(page), key: page}


def in_window(call: Call, rows: list[JSON], field: str) -> list[JSON]:
    """Return the rows whose time lies within the query's ``from`` and ``to`` (a plain day counts whole)."""
    since, until = call.query.get("from", ""), call.query.get("to", "")
    since, until = iso(call.moment("from")) if since else "", iso(call.moment("to", last=True)) if until else "~"
    return [row for row in rows if not row.get(field) or since <= iso(parse_iso(str(row[field]))) <= until]


@cache
def _lists() -> frozenset[str]:
    """Return the paths of the table under which single records lie."""
    known = operations()
    listed = {one.path for one in known if one.method == "GET" and one.items}
    items = {one.path.rpartition("/")[0] for one in known if one.path.endswith("}") and one.method != "POST"}
    return frozenset(listed | {one.path for one in known if one.method == "POST" and one.path in items})


def _resolve(call: Call, name: str, place: str, owner: bool) -> str:
    text = unquote(unquote(call.args[name]))
    if name == "userId" and (call.operation.domain in _STRICT or call.world.find_user(text)):
        return str(call.user()["id"])
    if name == "accountId":
        call.need_account(text)
        return "me" if text == ZOOM_ACCOUNT_ID else text
    if name == "webinarId" and call.operation.domain == "Meetings":
        call.need_webinars()
    if name in ("meetingId", "webinarId") and call.operation.domain == "Meetings":
        return str(call.event(name.removesuffix("Id")).number)
    if owner and call.world.find(place, text) is None:
        raise call.world.collection(place).no(text)
    return text


def _whole_list(call: Call, place: str) -> Reply:
    kind = call.world.collection(place)
    if kind.paid:
        call.need_paid()
    if call.method == "POST":
        return _add(call, place, kind)
    if call.method == "DELETE":
        return _remove_several(call, place)
    if call.method in ("PATCH", "PUT"):
        return call.done(call.world.set_document(place, call.body))
    if call.operation.items in call.world.document(place):
        return 200, call.world.document(place)
    rows = [row for row in call.world.shelf(place).values() if _asked_for(call, row)]
    if kind.when:
        rows = in_window(call, rows, kind.when)
    hidden = set(kind.hidden)
    return listing(call, [{k: v for k, v in row.items() if k not in hidden} for row in rows], kind)


def _add(call: Call, place: str, kind: Collection) -> Reply:
    several = _several(call.body)
    if lacking := [name for name in kind.must if several is None and not call.body.get(name)]:
        raise validation(*lacking)
    given = [{name: value for name, value in fields.items() if name != kind.key} for fields in several or [call.body]]
    try:
        made = [call.world.put(place, fields) for fields in given]
    except ControlError as error:
        raise _taken(call, kind) from error
    if several is not None:
        ids = ",".join(str(row[kind.key]) for row in made)
        return call.done({"ids": ids, "added_at": call.world.stamp()})
    return call.done(made[0])


def _several(body: JSON) -> list[JSON] | None:
    """Return the records of a body that is nothing but a list of them, None for other bodies."""
    only = next(iter(body.values())) if len(body) == 1 else None
    found = [row for row in only if isinstance(row, dict)] if isinstance(only, list) else []
    return found or None


def _remove_several(call: Call, place: str) -> Reply:
    named = {one for text in call.query.values() for one in text.split(",")}
    for value in call.body.values():
        several = value if isinstance(value, list) else [value]
        named |= {str(one.get("id") if isinstance(one, dict) else one) for one in several}
    for record_id in [one for one in call.world.shelf(place) if one in named or not named]:
        call.world.drop(place, record_id)
    return call.done()


def _one_record(call: Call, place: str, record_id: str) -> Reply:
    kind = call.world.collection(place)
    if kind.paid:
        call.need_paid()
    record = call.world.find(place, record_id)
    if record is None:
        raise kind.no(record_id)
    if call.method == "GET":
        return 200, record
    call.world.hold(place, record_id)
    if call.method == "DELETE":
        call.world.drop(place, record_id)
        return call.done()
    try:
        return call.done(call.world.change(place, record_id, call.body))
    except ControlError as error:
        raise _taken(call, kind) from error


def _taken(call: Call, kind: Collection) -> ApiError:
    status, code, text = kind.taken
    return ApiError(status, code, text.format(value=call.body.get(kind.unique)))


def _document(call: Call, place: str) -> Reply:
    if call.method == "GET":
        kept, option = call.world.document(place), call.query.get("option", "")
        if option:
            return 200, {option: kept.get(option, {})}
        return 200, kept or {name: unquote(text) for name, text in call.args.items()}
    if call.method == "DELETE":
        call.world.documents.pop(place, None)
        return call.done()
    if call.method == "POST":
        return call.done({"id": call.world.ids.word(), **call.body})
    return call.done(call.world.set_document(place, call.body))


def _asked_for(call: Call, row: JSON) -> bool:
    """Whether a row has the plain values that the query names, and what it searches for."""
    for name, wanted in call.query.items():
        if name in _SEARCHES and wanted.lower() not in str(list(row.values())).lower():
            return False
        value = row.get(name)
        plain = isinstance(value, str | int) and name not in _OF_PAGES and wanted not in _ANY
        if plain and str(value).lower() != wanted.lower():
            return False
    return True
