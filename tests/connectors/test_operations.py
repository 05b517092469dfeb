"""The table of operations: complete, unambiguous, quickly read."""

from __future__ import annotations

import re

import pytest

from changewire.connectors.definition import load_connector
from changewire.connectors.operations import operations, parse_operation, squash

ZOOM = operations("zoom")
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


def test_the_whole_api_is_there() -> None:
    assert len(ZOOM) > 1900
    counts = [one.status for one in map(ZOOM.__getitem__, ZOOM)]
    assert counts.count("current") + counts.count("new") > 1800
    assert {"deprecated", "retired"} <= set(counts)


def test_a_connector_without_a_table_has_no_operations() -> None:
    assert len(operations("http")) == 0
    assert "x" not in operations("http")


def test_each_line_says_what_can_be_asked() -> None:
    labels = {label for plan in load_connector("zoom").rates.values() for label in plan}
    for name in ZOOM:
        one = ZOOM[name]
        assert re.fullmatch(r"[a-z][A-Za-z0-9_]*", one.name), name
        assert one.title, name
        assert one.method in METHODS, name
        assert re.findall(r"\{(\w+)\}", one.path) == [p.name for p in one.path_parameters], name
        assert one.label in labels, name
        assert not any(p.required for p in one.query_parameters if p.name in ("page_size", "next_page_token")), name
        assert one.required_body == () or one.has_body, name
        assert not any(p.enum == () for p in (*one.path_parameters, *one.query_parameters)), name


def test_spellings_never_make_two_names_equal() -> None:
    assert len({squash(name) for name in ZOOM}) == len(ZOOM)
    calls = {(one.method, one.path) for one in map(ZOOM.__getitem__, ZOOM)}
    assert len(calls) == len(ZOOM)


@pytest.mark.parametrize("name", ["recordingGet", "recording_get", "RECORDINGGET", "RecordingGet"])
def test_look_up_forgives_spelling(name: str) -> None:
    found = ZOOM[name]
    assert (found.name, found.method, found.path) == ("recordingGet", "GET", "/meetings/{meetingId}/recordings")


def test_an_unknown_name_has_a_nearest_one() -> None:
    assert ZOOM.near("recordingGett") == "recordingGet"
    assert "qqqq" not in ZOOM
    assert ZOOM.near("qqqq") is None
    with pytest.raises(KeyError):
        ZOOM["qqqq"]


def test_a_successor_is_there_and_current() -> None:
    old = [one for one in map(ZOOM.__getitem__, ZOOM) if one.status in ("deprecated", "retired")]
    assert all(ZOOM[one.successor].status in ("current", "new") for one in old if one.successor)
    assert ZOOM["accountCallLogs"].successor == "accountCallHistory"
    assert [one.name for one in old if one.status == "deprecated" and not one.successor] == []


def test_a_line_is_understood() -> None:
    cells = ["getThing", "Get a thing", "Things", "GET", "/things/{thingId}", "thingId:integer",
             "kind*:(a|b c)=a; size:integer<=300=30; ids:list; since:date-time; ?", "?", "name owner.id",
             "token", "things", "?HEAVY", "thing:read", "thing:read:one thing:read:one:master", "pro", "new",
             "", "200"]  # fmt: skip
    one = parse_operation("\t".join(cells))
    kind, size, ids, since = one.query_parameters
    assert (kind.required, kind.enum, kind.type, kind.default) == (True, ("a", "b c"), "string", "a")
    assert (size.type, size.max, size.default, size.required) == ("integer", 300, "30", False)
    assert (ids.type, since.type) == ("list", "date-time")
    assert one.path_parameters[0].required
    assert (one.open_query, one.body, one.required_body) == (True, "unknown", ("name", "owner.id"))
    assert (one.label, one.assumed_label, one.plan, one.success) == ("HEAVY", True, "pro", 200)
    assert one.for_sub_accounts


def test_a_line_with_too_few_cells_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        parse_operation("a\tb")
    with pytest.raises(ValueError, match="no parameter"):
        parse_operation("\t".join(["a"] * 5 + ["no colon"] + [""] * 12))
