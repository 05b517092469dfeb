"""Answers to operations that only keep, list, change and remove records, straight from the table."""

from __future__ import annotations

from functools import cache
from urllib.parse import unquote

from changewire.sandbox.call import Call, Reply
from changewire.sandbox.clock import iso, parse_iso
from changewire.sandbox.errors import JSON, ApiError, ControlError
from changewire.sandbox.records import Collection
from changewire.sandbox.table import operations
from changewire.sandbox.templates import ZOOM_ACCOUNT_ID

_OF_PAGES = ("page_size", "page_number", "next_page_token", "from", "to")
_STRICT = ("Meetings", "Users", "Accounts", "Team Chat", "Phone")


def answer(call: Call) -> Reply:
    """Answer an operation from what is kept at its path."""
    if call.operation.paid:
        call.need_paid()
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
        owner = number < len(parts) - 1
        value = _resolve(call, part.strip("{}"), place, owner and template in _lists())
        place, template = f"{place}/{value}", f"{template}/{part}"
    return place


def listing(call: Call, rows: list[JSON], kind: Collection | None = None) -> Reply:
    """Answer rows under the operation's list key, in pages of the operation's kind."""
    operation = call.operation
    key = (kind.items if kind else "") or operation.items or operation.path.rpartition("/")[2]
    name = "id" if kind is None else kind.key
    if operation.paging == "camel":
        return 200, {key: rows, "nextPageToken": "", "nextSyncToken": call.world.ids.nonce(16)}
    if operation.paging == "start_index":
        return 200, {"totalResults": len(rows), "startIndex": 1, "itemsPerPage": len(rows), key: rows}
    if operation.paging not in ("token", "page", "token_or_page"):
        return 200, {key: rows}
    return call.listing(key, rows, most=operation.most, by=name, usual=operation.size)


def in_window(call: Call, rows: list[JSON], field: str) -> list[JSON]:
    """Return the rows whose time lies within the query's ``from`` and ``to`` (a plain day counts whole)."""
    since, until = call.query.get("from", ""), call.query.get("to", "")
    since, until = iso(call.moment("from")) if since else "", iso(call.moment("to", last=True)) if until else "~"
    return [row for row in rows if since <= iso(parse_iso(str(row[field]))) <= until]


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
    try:
        several = _several(call.body)
        made = [call.world.put(place, fields) for fields in (several or [call.body])]
    except ControlError as error:
        status, code, text = kind.taken
        raise ApiError(status, code, text.format(value=call.body.get(kind.unique))) from error
    if several is not None:
        ids = ",".join(str(row[kind.key]) for row in made)
        return call.done({"ids": ids, "added_at": call.world.stamp()})
    names = made[0] if kind.created is None else kind.created
    return call.done({name: made[0][name] for name in names if name in made[0]})


def _several(body: JSON) -> list[JSON] | None:
    """Return the records of a body that is nothing but a list of them, None for other bodies."""
    only = next(iter(body.values())) if len(body) == 1 else None
    found = [row for row in only if isinstance(row, dict)] if isinstance(only, list) else []
    return found or None


def _remove_several(call: Call, place: str) -> Reply:
    named = {one for text in call.query.values() for one in text.split(",")}
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
    call.world.found(place, record_id)
    if call.method == "DELETE":
        call.world.drop(place, record_id)
        return call.done()
    return call.done(call.world.change(place, record_id, call.body))


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
    """Whether a row has the plain values that the query names."""
    for name, wanted in call.query.items():
        value = row.get(name)
        plain = isinstance(value, str | int) and name not in _OF_PAGES and wanted not in ("", "all")
        if plain and str(value).lower() != wanted.lower():
            return False
    return True
