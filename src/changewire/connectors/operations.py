"""What an API can do: one line for each of its operations, in a table beside the connector's YAML.

Reading the table is cheap: it is cut into lines, and a line is understood when somebody asks for it. How the columns
are written is told at `COLUMNS`; ``scripts/operations.py`` brings the table up to date from OpenAPI documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple, TypeAlias

from changewire.errors import nearest

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Status = Literal["current", "new", "deprecated", "retired"]
Paging = Literal["none", "token", "page", "token_or_page", "camel", "start_index", "unknown"]
BodyKind: TypeAlias = Literal["none", "json", "form", "unknown"]

COLUMNS = (
    "name", "title", "domain", "method", "path", "path_parameters", "query_parameters", "body", "required_body",
    "paging", "items", "label", "classic", "granular", "plan", "status", "successor", "success",
)  # fmt: skip
"""Lists are separated by spaces, parameters by ``; ``. A parameter is ``name*:type``, the star where it must be given;
the type is string, integer, number, boolean, list, date, date-time or the words allowed, ``(a|b)``. Behind it may stand
``<=300`` and ``=30``: the largest value, and what the API takes when nothing is sent. ``?`` behind the query parameters
means that there may be more, as the body or the paging that nobody says, before a label that it is assumed."""
_PARAMETER = re.compile(r"([^:*]+)(\*?):(\([^)]*\)|[a-z-]+)(?:<=([\d.]+))?(?:=(.*))?")
_INSTANCES = frozenset({"meetingid", "meetinguuid", "webinarid", "webinaruuid", "uuid", "sessionid", "instanceid"})


class OperationParameter(NamedTuple):
    """One parameter in the path or the query."""

    name: str  # as the API spells it
    type: str  # string, integer, number, boolean, list, date or date-time
    required: bool
    enum: tuple[str, ...] | None  # the only words allowed; None: any
    max: float | None  # largest number, or most entries; None: no limit
    default: str | None  # what the API takes when nothing is sent; None: nobody says

    @property
    def uuid(self) -> bool:
        """Whether it may be the UUID of an instance, which Zoom wants encoded in its own way in a path."""
        return self.type == "string" and squash(self.name) in _INSTANCES


class Operation(NamedTuple):
    """One thing that an API can do."""

    name: str
    title: str
    domain: str  # which part of the API it belongs to, such as "Meetings"
    method: Method
    path: str  # below the connector's API prefix, with places such as {meetingId}
    path_parameters: tuple[OperationParameter, ...]
    query_parameters: tuple[OperationParameter, ...]
    open_query: bool  # the table does not know the query parameters, so any may be sent
    body: BodyKind
    required_body: tuple[str, ...]  # fields that the body must have; a dot leads into an object
    paging: Paging
    items: str | None  # field of the answer that holds the list; None: there is none, or nobody knows
    label: str  # rate label
    assumed_label: bool  # nobody says which label it has, so it is a cautious one
    classic: tuple[str, ...]  # scopes of which one is enough
    granular: tuple[str, ...]
    plan: str | None  # the smallest plan that will do; None: any, as far as is known
    status: Status
    successor: str | None  # operation that does the same job today; None: none does
    success: int | None  # status of a good answer; None: nobody says

    @property
    def has_body(self) -> bool:
        """Whether a body can be sent."""
        return self.body != "none"

    @property
    def for_sub_accounts(self) -> bool:
        """Whether a master account may ask it for one of its sub accounts, below /accounts/{accountId}."""
        return not self.path.startswith("/accounts/") and any(scope.endswith(":master") for scope in self.granular)


class Operations(Mapping[str, Operation]):
    """The operations of one connector by name. Look-up forgives case and underscores; iteration gives proper names."""

    def __init__(self, text: str) -> None:
        lines = text.splitlines()[1:]
        self._lines = {line[: line.index("\t")]: line for line in lines}
        self._known: dict[str, Operation] = {}
        self._squashed: dict[str, str] | None = None

    def __getitem__(self, name: str) -> Operation:
        proper = self.proper(name)
        if proper is None:
            raise KeyError(name)
        found = self._known.get(proper)
        if found is None:
            found = self._known[proper] = parse_operation(self._lines[proper])
        return found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.proper(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def proper(self, name: str) -> str | None:
        """The name as the table spells it; None where there is no such operation."""
        if name in self._lines:
            return name
        if self._squashed is None:
            self._squashed = {squash(known): known for known in self._lines}
        return self._squashed.get(squash(name))

    def near(self, name: str) -> str | None:
        """The name most like ``name``; None where none is near."""
        return self.proper(name) or nearest(name, self._lines)


@cache
def operations(connector: str) -> Operations:
    """The operations of a connector; none where it has no table."""
    table = files(__package__) / f"{connector}.tsv"
    return Operations(table.read_text(encoding="utf-8") if table.is_file() else "")


def squash(name: str) -> str:
    """What is left of a name when spellings do not count: ``meeting_id`` and ``meetingId`` are one.

    >>> squash("meeting_id") == squash("meetingId")
    True
    """
    return name.replace("_", "").replace("-", "").lower()


def parse_operation(line: str) -> Operation:
    """The operation that one line of the table writes. Raises ValueError for a line that is none."""
    row = dict(zip(COLUMNS, line.split("\t"), strict=True))
    query = row["query_parameters"]
    return Operation(
        name=row["name"],
        title=row["title"],
        domain=row["domain"],
        method=row["method"],  # type: ignore[arg-type]
        path=row["path"],
        path_parameters=tuple(one._replace(required=True) for one in _parameters(row["path_parameters"])),
        query_parameters=_parameters(query),
        open_query=query.endswith("?"),
        body={"": "none", "?": "unknown"}.get(row["body"], row["body"]),  # type: ignore[arg-type]
        required_body=tuple(row["required_body"].split()),
        paging={"": "none", "?": "unknown"}.get(row["paging"], row["paging"]),  # type: ignore[arg-type]
        items=row["items"] or None,
        label=row["label"].removeprefix("?"),
        assumed_label=row["label"].startswith("?"),
        classic=tuple(row["classic"].split()),
        granular=tuple(row["granular"].split()),
        plan=row["plan"] or None,
        status=row["status"],  # type: ignore[arg-type]
        successor=row["successor"] or None,
        success=int(row["success"]) if row["success"] else None,
    )


def _parameters(text: str) -> tuple[OperationParameter, ...]:
    return tuple(_parameter(part) for part in text.split("; ") if part not in ("", "?"))


def _parameter(text: str) -> OperationParameter:
    found = _PARAMETER.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no parameter")
    name, star, kind, most, default = found.groups()
    words = tuple(kind[1:-1].split("|")) if kind.startswith("(") else None
    return OperationParameter(
        name, "string" if words else kind, bool(star), words, float(most) if most else None, default
    )
