"""The table of the API's operations: what the sandbox answers when it has no better idea."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).parents[1] / "connectors" / "zoom.tsv"
"""The connector's own table, told about at ``changewire/connectors/operations.py``."""
FAMILIES = ("Phone", "Contact Center")
_USUAL = {"GET": 200, "POST": 201, "PUT": 204, "PATCH": 204, "DELETE": 204}
_PAGE_SIZE = re.compile(r"(?:page_size|maxResults)\*?:\w+(?:<=(\d+))?(?:=(\d+))?")
_MUST = re.compile(r"\b(?!page_size|next_page_token)(\w+)\*:")
_WORDS = re.compile(r"(\w+)\*?:\(([^)]*)\)")


class Operation(NamedTuple):
    """One operation; any one of the scopes, classic or granular, is enough, none are needed if there are none.

    ``items`` is the key of its list, empty if it has none; ``size`` and ``most`` are the usual and
    the largest page. ``required`` are dotted names of the body, ``asked`` names of the query that
    must be given. ``paid`` is what the free plan does not have, ``success`` the status of a good
    answer, ``query`` all that the table says of the query.
    """

    method: str
    path: str
    domain: str
    label: str
    classic: tuple[str, ...]
    granular: tuple[str, ...]
    items: str
    paging: str
    size: int
    most: int
    required: tuple[str, ...]
    asked: tuple[str, ...]
    paid: bool
    success: int
    query: str

    def unfit(self, query: dict[str, str]) -> list[str]:
        """Return the names in ``query`` whose values are not among the documented ones."""
        found = ((name, words.split("|")) for name, words in _WORDS.findall(self.query) if query.get(name))
        return [name for name, words in found if query[name] not in words]


@cache
def operations() -> tuple[Operation, ...]:
    """Return all operations that are still served."""
    header, *lines = TABLE.read_text(encoding="utf-8").splitlines()
    names = header.split("\t")
    rows = (dict(zip(names, line.split("\t"), strict=True)) for line in lines)
    return tuple(_operation(row) for row in rows if row["status"] != "retired")


def _operation(row: dict[str, str]) -> Operation:
    query = row["query_parameters"]
    found = _PAGE_SIZE.search(query)
    most, size = found.groups() if found else (None, None)
    return Operation(
        row["method"], row["path"], row["domain"], _label(row["label"]),
        tuple(row["classic"].split()), tuple(row["granular"].split()),
        row["items"], row["paging"], int(size or 30), int(most or 300),
        tuple(row["required_body"].split()), tuple(_MUST.findall(query)) if "*" in query else (),
        bool(row["plan"]), int(row["success"] or _USUAL[row["method"]]), query,
    )  # fmt: skip


def _label(text: str) -> str:
    """Return a label as headers write it, behind ``Phone `` or ``Contact Center `` where those have their own.

    An assumed label is a cautious one for clients; nobody knows the API to be as strict, so it counts as light.
    """
    if text.startswith("?"):
        text = text[1:].replace("HEAVY", "LIGHT")
    for family in FAMILIES:
        if text.startswith(family.upper().replace(" ", "-") + "-"):
            return f"{family} {text[len(family) + 1 :].capitalize()}"
    return text.capitalize() or "Light"
