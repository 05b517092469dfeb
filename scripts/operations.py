"""Bring a connector's table of operations up to date from OpenAPI documents.

    python scripts/operations.py src/changewire/connectors/zoom.tsv Meetings.json Users.json …

Each document is one domain, named by its title. What a document tells replaces what the table says about the same
method and path; where it is silent, and for operations that are in no document, the table keeps what it has. Names stay
as they are, so that nobody's files break. Printed are operations that are new, and those of the documents' domains that
are gone.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from changewire.connectors.operations import COLUMNS, squash

Row: TypeAlias = dict[str, str]
Document: TypeAlias = Mapping[str, Any]

METHODS = ("get", "post", "put", "patch", "delete")
LABEL_PREFIXES = {"Phone": "PHONE-", "Contact Center": "CONTACT-CENTER-"}  # their limits are counted apart
UNLABELLED = "HEAVY"  # what is assumed where nobody says: to ask too seldom does no harm
FIRST = ("Meetings", "Users", "Accounts", "Rooms", "Team Chat", "Phone")  # whose names stay plain where two are equal
PAGING = ("page_size", "next_page_token", "page_number", "pageToken", "startIndex")  # never needed at first
SUCCESSORS = {  # the same job at a place that cannot be found by its path
    "GET /phone/call_logs": "GET /phone/call_history",
    "GET /phone/call_logs/{}": "GET /phone/call_history/{}",
    "PUT /phone/call_logs/{}/client_code": "PATCH /phone/call_history/{}/client_code",
    "GET /phone/users/{}/call_logs": "GET /phone/users/{}/call_history",
    "GET /phone/users/{}/call_logs/sync": "GET /phone/users/{}/call_history/sync",
    "DELETE /phone/users/{}/call_logs/{}": "DELETE /phone/users/{}/call_history/{}",
    "GET /phone/call_history_detail/{}": "GET /phone/call_element/{}",
    "GET /phone/carrier_peering/numbers": "GET /number_management/carrier/peering_numbers",
    "GET /phone/plans": "GET /number_management/plan",
    "GET /phone/sip_trunk/trunks": "GET /number_management/sip_trunks",
    "DELETE /phone/sms_campaigns/{}/phone_numbers/{}": "DELETE /number_management/sms_campaigns/{}/phone_numbers",
    "GET /metrics/im": "GET /metrics/chat",
    "GET /im/chat/sessions": "GET /report/chat/sessions",
    "GET /im/chat/sessions/{}": "GET /report/chat/sessions/{}",
}
MOVED = (  # and at places that can
    ("/iq/", "/zra/"),
    ("/phone/peering/numbers", "/number_management/peering_numbers"),
    ("/phone/", "/number_management/"),
)


def main(arguments: Sequence[str]) -> int:
    """The command: the table, and documents that say something about it. 0 done, 2 wrong use."""
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    table, documents = Path(arguments[0]), [json.loads(Path(name).read_text("utf-8")) for name in arguments[1:]]
    known = read_table(table) if table.is_file() else []
    rows, new, gone = update(known, documents)
    write_table(table, rows)
    for word, names in (("new", new), ("gone", gone)):
        print(f"{word}: {len(names)}", *names, sep="\n  ")
    return 0


def update(known: Sequence[Row], documents: Sequence[Document]) -> tuple[list[Row], list[str], list[str]]:
    """The rows of the table with what the documents tell, the names that are new, and those that are in none."""
    rows = {(row["method"], row["path"]): dict(row) for row in known}
    told: set[tuple[str, str]] = set()
    for row in (row for document in documents for row in read_document(document)):
        key = row["method"], row["path"]
        before = rows.get(key, {})
        told.add(key)
        kept = {name: value for name, value in before.items() if row.get(name, "")[:1] in ("", "?")}
        rows[key] = {**row, **kept, "name": before.get("name", "")}
    made = list(rows.values())
    fresh = [row for row in made if not row["name"]]
    name_rows(made)
    find_successors(made)
    domains = {row["domain"] for row in made if (row["method"], row["path"]) in told}
    alive = [row for row in made if row["domain"] in domains and row["status"] in ("current", "new")]
    gone = [row["name"] for row in alive if (row["method"], row["path"]) not in told]
    return made, [row["name"] for row in fresh], gone


def read_document(document: Document) -> Iterator[Row]:
    """The operations of one OpenAPI document as rows of the table, without names."""
    domain = str(document["info"]["title"])
    for path, entry in document.get("paths", {}).items():
        for method in METHODS:
            if method in entry:
                yield _row(document, domain, method, path, entry, entry[method])


def _row(document: Document, domain: str, method: str, path: str, entry: Any, operation: Any) -> Row:
    parameters = [_resolved(document, one) for one in (*entry.get("parameters", ()), *operation.get("parameters", ()))]
    query = [one for one in parameters if one["in"] == "query"]
    body, required = _body(document, operation)
    success, answer = _answer(document, operation)
    classic, granular, label = _notes(operation)
    return {
        "id": operation.get("operationId", ""),
        "title": plain_title(operation.get("summary", "")),
        "domain": domain,
        "method": method.upper(),
        "path": path,
        "path_parameters": "; ".join(_parameter(one) for one in parameters if one["in"] == "path"),
        "query_parameters": "; ".join(_parameter(one) for one in query),
        "body": body,
        "required_body": " ".join(required),
        "paging": _paging({one["name"] for one in query}, answer),
        "items": next((name for name, schema in answer.items() if schema.get("type") == "array"), ""),
        "label": full_label(domain, label),
        "classic": " ".join(sorted(classic)),
        "granular": " ".join(sorted(granular)),
        "plan": "",
        "status": "deprecated" if operation.get("deprecated") else "current",
        "successor": "",
        "success": success,
    }


def full_label(domain: str, label: str) -> str:
    """The label as the budget knows it; one that is only assumed begins with a question mark."""
    return ("" if label else "?") + LABEL_PREFIXES.get(domain, "") + (label or UNLABELLED)


def _resolved(document: Document, node: Any) -> Any:
    """``node``, or what its ``$ref`` points to."""
    for _ in range(20):
        if not isinstance(node, dict) or "$ref" not in node:
            break
        target: Any = document
        for part in str(node["$ref"]).removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def _parameter(one: Any) -> str:
    schema = one.get("schema", one)
    kind, words = schema.get("type", "string"), schema.get("enum")
    kind = "list" if kind == "array" else kind
    if kind == "string" and schema.get("format") in ("date", "date-time"):
        kind = schema["format"]
    if words and kind != "boolean":
        kind = "(" + "|".join(str(word) for word in words) + ")"
    most, default = schema.get("maximum", schema.get("maxItems")), schema.get("default")
    shown = json.dumps(default) if isinstance(default, bool) else str(default)
    limit = "" if most is None else f"<={most}"
    must = one.get("required") and one["in"] == "query" and one["name"] not in PAGING
    return f"{one['name']}{'*' if must else ''}:{kind}{limit}" + ("" if default is None else f"={shown}")


def _body(document: Document, operation: Any) -> tuple[str, list[str]]:
    """Which kind of body an operation takes, and the fields it must have."""
    content = _resolved(document, operation.get("requestBody", {})).get("content", {})
    if not content:
        return "", []
    kind = "form" if "multipart/form-data" in content else "json"
    schema = _resolved(document, next(iter(content.values())).get("schema", {}))
    return kind, sorted(schema.get("required", ()))


def _answer(document: Document, operation: Any) -> tuple[str, Mapping[str, Any]]:
    """The status of a good answer, and the fields it has."""
    for status, response in sorted(operation.get("responses", {}).items()):
        if str(status).startswith("2"):
            content = _resolved(document, response).get("content", {})
            first: Document = next(iter(content.values()), {})
            schema = _resolved(document, first.get("schema", {}))
            fields = schema.get("properties", {})
            return str(status), {name: _resolved(document, each) for name, each in fields.items()}
    return "", {}


def _paging(query: set[str], answer: Mapping[str, Any]) -> str:
    token, page = "next_page_token" in query or "next_page_token" in answer, "page_number" in query
    if token or page:
        return "token_or_page" if token and page else "token" if token else "page"
    if "nextPageToken" in answer or "pageToken" in query:
        return "camel"
    return "start_index" if "startIndex" in query else ""


def _notes(operation: Any) -> tuple[set[str], set[str], str]:
    """Classic scopes, granular scopes and rate label, from the description, where Zoom writes them."""
    text = operation.get("description", "")
    found = {
        word: re.findall(r"`([^`]+)`", line)
        for word in ("Scopes", "Granular Scopes", "Rate Limit Label")
        for line in re.findall(rf"\*\*\[?{word}\b(?:\]\([^)]*\))?:?\*\*:?(.*)", text)
    }
    named = [scope for one in operation.get("security", ()) for scopes in one.values() for scope in scopes]
    classic = {*found.get("Scopes", ()), *(scope for scope in named if scope.count(":") < 3)}
    label = next(iter(found.get("Rate Limit Label", ())), "").strip().upper()
    return _scopes(classic), _scopes([*found.get("Granular Scopes", ())]), label


def _scopes(listed: set[str] | list[str]) -> set[str]:
    return {scope.strip() for each in listed for scope in re.split(r"[,\s]+", each) if scope.strip()}


def plain_title(text: str) -> str:
    """A title on one line, without a full stop.

    >>> plain_title("List  archived files.")
    'List archived files'
    """
    text = " ".join(text.split()).rstrip(".")
    return text[:1].upper() + text[1:]


def plain_name(operation_id: str, method: str, path: str) -> str:
    """A name that is one plain word: the API's own id where it is one, else made of it, else of the path.

    >>> plain_name("Getuser'sfaxlogs", "GET", "/x"), plain_name("", "GET", "/scheduler/{id}/free_times")
    ('getusersfaxlogs', 'getSchedulerFreeTimes')
    """
    words: list[str] = re.findall(r"[A-Za-z0-9_]+", operation_id.replace("'", "").replace("[Deprecated]", ""))
    if not words:
        words = [method.lower(), *re.findall(r"[A-Za-z0-9]+", re.sub(r"\{\w+\}", "", path))]
    name = words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])
    return name[:1].lower() + name[1:]


def name_rows(rows: Sequence[Row]) -> None:
    """Give each row without a name one, such that spellings that do not count never make two of them equal."""
    taken = {squash(row["name"]) for row in rows if row.get("name")}
    order = {"current": 0, "new": 1, "deprecated": 2, "retired": 3}

    def rank(row: Row) -> tuple[int, int, str]:
        place = FIRST.index(row["domain"]) if row["domain"] in FIRST else len(FIRST)
        return order[row["status"]], place, row["domain"]

    for row in sorted((row for row in rows if not row.get("name")), key=rank):
        name = plain_name(row["id"], row["method"], row["path"])
        if squash(name) in taken:
            head = "".join(word[:1].upper() + word[1:].lower() for word in row["domain"].split())
            name = head[:1].lower() + head[1:] + name[:1].upper() + name[1:]
        if squash(name) in taken:
            name = plain_name("", row["method"], row["path"])
        taken.add(squash(name))
        row["name"] = name


def find_successors(rows: Sequence[Row]) -> None:
    """Name for each deprecated or retired row the current operation that does the same job, where there is one."""
    alive = {_call(row): row["name"] for row in rows if row["status"] in ("current", "new")}
    for row in rows:
        if row["status"] in ("deprecated", "retired") and not row.get("successor"):
            call = _call(row)
            moved = [call.replace(old, new, 1) for old, new in MOVED if f" {old}" in call]
            found = (alive.get(one) for one in (SUCCESSORS.get(call, ""), *moved))
            row["successor"] = next((name for name in found if name), "")


def _call(row: Row) -> str:
    return f"{row['method']} {re.sub(r'{[^}]*}', '{}', row['path'])}"


def read_table(path: Path) -> list[Row]:
    """The rows of a table."""
    lines = path.read_text("utf-8").splitlines()
    return [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in lines[1:]]


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """Write a table, by domain, path and method."""
    ordered = sorted(rows, key=lambda row: (row["domain"], row["path"], METHODS.index(row["method"].lower())))
    lines = ["\t".join(COLUMNS), *("\t".join(row.get(name, "") for name in COLUMNS) for row in ordered)]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
