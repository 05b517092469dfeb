"""From page to page, and what a list that has no end or goes round in circles does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.connectors.client import Answer, Request
from changewire.connectors.definition import Paging
from changewire.connectors.paging import Pages, UnreadableLinkError, follow_link, next_link
from changewire.errors import ApiError, FailureClass, PollError
from changewire.testing import ManualClock
from changewire.triggers.binding import Reader
from changewire.triggers.noticed import item_key
from changewire.triggers.polling import Allowance, Reading, fetch, read
from changewire.values import dumps, loads
from tests.triggers.kinds import NOW, kind_of

Reply = tuple[Any, Mapping[str, str]]


@dataclass
class Listing:
    """A source whose answers a function makes from the query; it stands where the client does."""

    answer: Callable[[dict[str, str], int], Reply]
    asked: list[dict[str, str]] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    asked_at: dict[int, datetime] = field(default_factory=dict)  # when the so-manieth answer was asked for; else NOW

    def send_shared(
        self, request: Request, *, fresh_s: float, deadline: float | None = None, max_bytes: int | None = None
    ) -> Answer:
        path, _, query = request.path.partition("?")
        given = dict(request.query) | dict(part.split("=") for part in query.split("&") if part)
        self.asked.append(given)
        self.ages.append(fresh_s)
        data, headers = self.answer(given, len(self.asked))
        url = f"https://api.test{path.removeprefix('https://api.test')}"
        return Answer(200, headers, dumps(data), url, self.asked_at.get(len(self.asked), NOW), request)


def kind_with(paging: dict[str, Any], **parts: Any) -> Any:
    return kind_of("created", paging=paging, items="rows", **parts)


def read_all(listing: Listing, paging: dict[str, Any], known_hash: str | None = None, **more: Any) -> Reading:
    allowance = Allowance(**{"deadline": 60.0, "clock": ManualClock(), "fresh_s": 5.0, **more})
    return read(Reader(kind_with(paging), {}), listing, allowance, NOW, known_hash=known_hash)


def ids(reading: Reading) -> list[int]:
    return [item["id"] for item, _ in reading.items]


def rows(*numbers: int) -> list[dict[str, int]]:
    return [{"id": n} for n in numbers]


def cut(total: int, size: int, page: int) -> list[dict[str, int]]:
    return rows(*range(1, total + 1))[(page - 1) * size : page * size]


def tokens(total: int, size: int) -> Listing:
    def answer(query: dict[str, str], _: int) -> Reply:
        page = int(query.get("next_page_token", "1"))
        more = str(page + 1) if page * size < total else ""
        return {"rows": cut(total, size, page), "next_page_token": more, "page_count": -(-total // size)}, {}

    return Listing(answer)


def numbers(total: int, size: int, *, counted: bool) -> Listing:
    def answer(query: dict[str, str], _: int) -> Reply:
        count = {"page_count": -(-total // size)} if counted else {}
        return {"rows": cut(total, size, int(query.get("page_number", "1"))), **count}, {}

    return Listing(answer)


def links(total: int, size: int) -> Listing:
    def answer(query: dict[str, str], _: int) -> Reply:
        page = int(query.get("page", "1"))
        link = f'</things?page={page + 1}>; rel="next", </things?page=1>; rel=first' if page * size < total else ""
        return {"rows": cut(total, size, page)}, {"Link": link}

    return Listing(answer)


def addresses(total: int, size: int) -> Listing:
    def answer(query: dict[str, str], _: int) -> Reply:
        page = int(query.get("page", "1"))
        more = f"https://api.test/things?page={page + 1}" if page * size < total else None
        return {"rows": cut(total, size, page), "next_page_token": more}, {}

    return Listing(answer)


def offsets(total: int, size: int, *, counted: bool) -> Listing:
    def answer(query: dict[str, str], _: int) -> Reply:
        start = int(query.get("page_number", "0"))
        count = {"page_count": total} if counted else {}
        return {"rows": rows(*range(1, total + 1))[start : start + size], **count}, {}

    return Listing(answer)


@pytest.mark.parametrize("total", [0, 1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("token", tokens),
        ("token_or_page", tokens),
        ("page_number", lambda total, size: numbers(total, size, counted=True)),
        ("page_number", lambda total, size: numbers(total, size, counted=False)),
        ("token_or_page", lambda total, size: numbers(total, size, counted=True)),
        ("link", links),
        ("next_url", addresses),
        ("offset", lambda total, size: offsets(total, size, counted=True)),
        ("offset", lambda total, size: offsets(total, size, counted=False)),
    ],
)
def test_every_kind_of_paging_reads_all_of_it_once(kind: str, make: Callable[[int, int], Listing], total: int) -> None:
    listing = make(total, 2)
    reading = read_all(listing, {"kind": kind})
    assert ids(reading) == list(range(1, total + 1))
    extra = 1 if make(1, 1).answer({}, 1)[0].keys() == {"rows"} and kind in ("page_number", "offset") and total else 0
    assert len(listing.asked) == max(1, -(-total // 2)) + extra
    assert reading.pages == len(listing.asked)


@given(
    st.integers(0, 12),
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=6),
)
def test_a_list_that_shifts_while_it_is_read_gives_all_that_stood_still(
    total: int, size: int, shifts: list[tuple[int, bool]]
) -> None:
    """Rows put in before a page push others back, so that they come twice; rows that go make later ones slip by:
    only those that slipped may be missing."""
    present = list(range(100, 100 + total))
    slipped: set[int] = set()
    removed: set[int] = set()

    def answer(query: dict[str, str], call: int) -> Reply:
        start = int(query.get("next_page_token", "0"))
        if 1 < call <= len(shifts) + 1:
            place, insert = shifts[call - 2]
            if insert:
                present.insert(min(place, len(present)), 1000 + call)
            elif place < len(present):
                removed.add(present.pop(place))
                slipped.update(present[start - 1 : start] if place < start else [])
        page, following = present[start : start + size], start + size
        return {"rows": rows(*page), "next_page_token": str(following) if following < len(present) else ""}, {}

    found = ids(read_all(Listing(answer), {"kind": "token"}))
    assert set(range(100, 100 + total)) - removed - slipped <= set(found)


def test_a_reading_is_as_old_as_the_oldest_of_its_answers() -> None:
    listing = tokens(5, 2)
    listing.asked_at = {2: NOW - timedelta(seconds=4), 3: NOW - timedelta(seconds=2)}
    assert read_all(listing, {"kind": "token"}).asked_at == NOW - timedelta(seconds=4)


def test_the_page_after_the_last_token_is_the_last_though_nobody_counts_pages() -> None:
    def answer(query: dict[str, str], call: int) -> Reply:
        return {"rows": rows(call), "next_page_token": "" if query else "t"}, {}

    listing = Listing(answer)
    assert ids(read_all(listing, {"kind": "token_or_page"})) == [1, 2]
    assert len(listing.asked) == 2


def test_other_names_of_token_and_number() -> None:
    def answer(query: dict[str, str], _: int) -> Reply:
        at = query.get("cursor", query.get("p", "1"))
        more = {"1": "b"}.get(at)
        return {"rows": rows(1 if at == "1" else 2), "meta": {"next": more, "pages": "2"}}, {}

    token = {"kind": "token", "token_field": "meta.next", "token_query": "cursor"}
    assert ids(read_all(Listing(answer), token)) == [1, 2]
    number = {"kind": "page_number", "page_query": "p", "count_field": "meta.pages"}
    assert ids(read_all(Listing(answer), number)) == [1, 2]


@pytest.mark.parametrize("end", ["", None, False, 0, [], {}])
def test_every_way_to_say_that_there_is_no_further_token(end: Any) -> None:
    listing = Listing(lambda _query, _call: ({"rows": rows(1), "next_page_token": end}, {}))
    assert ids(read_all(listing, {"kind": "token"})) == [1]
    assert len(listing.asked) == 1


@pytest.mark.parametrize("kind", ["token", "token_or_page", "next_url"])
@pytest.mark.parametrize("token", [b"true", b"[1]", b'{"a": 1}', b"[" * 1000 + b"]" * 1000], ids=len)
def test_a_token_that_is_neither_text_nor_a_number_is_an_error(kind: str, token: bytes) -> None:
    pages = Pages(Paging.model_validate({"kind": kind, "token_field": "next", "token_query": "cursor"}))
    with pytest.raises(PollError) as error:
        pages.next_query(loads(b'{"rows": [], "next": %s}' % token), b"", {}, 0)
    assert str(error.value) == "'next' in the answer is neither text nor a number, so the next page is unknown"


@pytest.mark.parametrize("depth", [1, 200, 300, 900])
@pytest.mark.parametrize("kind", ["page_number", "offset"])
def test_a_page_is_known_again_however_deeply_it_is_nested(kind: str, depth: int) -> None:
    body = b'{"rows": [1], "other": %s}' % (b"[" * depth + b"]" * depth)
    pages = Pages(Paging.model_validate({"kind": kind, "page_query": "page"}))
    assert pages.next_query(loads(body), body, {}, 1) is not None
    assert pages.next_query(loads(body), body + b" ", {}, 1) is not None
    with pytest.raises(PollError, match="the source repeats a page"):
        pages.next_query(loads(body), body, {}, 1)


def test_a_number_of_pages_that_is_as_long_as_a_page_is_no_number() -> None:
    pages = Pages(Paging(kind="page_number", page_query="page", count_field="pages"))
    assert pages.next_query({"pages": "9" * 5000}, b"", {}, 0) is None
    assert pages.next_query({"pages": "9" * 5000}, b"", {}, 1) == (("page", "2"),)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_tokens_that_go_round_in_circles_are_an_error(length: int) -> None:
    def answer(_: dict[str, str], call: int) -> Reply:
        return {"rows": rows(call), "next_page_token": f"t{call % length}"}, {}

    listing = Listing(answer)
    with pytest.raises(PollError) as error:
        read_all(listing, {"kind": "token"})
    assert (
        str(error.value) == "the source repeats a page that it gave before, so its list has no end; nothing was changed"
    )
    assert len(listing.asked) == length + 1


@pytest.mark.parametrize("kind", ["page_number", "offset"])
def test_a_source_that_does_not_know_page_numbers_is_found_out_at_once(kind: str) -> None:
    listing = Listing(lambda _query, _call: ({"rows": rows(1, 2)}, {}))
    with pytest.raises(PollError):
        read_all(listing, {"kind": kind})
    assert len(listing.asked) == 2


@pytest.mark.parametrize(
    ("more", "what"), [({"pages": 3}, "pages"), ({"items": 3}, "3 items"), ({"bytes": 60}, "bytes")]
)
def test_a_list_without_an_end_is_an_error_and_never_a_shorter_list(more: dict[str, Any], what: str) -> None:
    listing = Listing(lambda _, call: ({"rows": rows(call), "next_page_token": f"t{call}"}, {}))
    with pytest.raises(PollError) as error:
        read_all(listing, {"kind": "token"}, **more)
    name = what.split()[-1]
    assert str(error.value) == (
        f"the list does not end within the poll's allowance of {what}, so nothing was taken from it; "
        f"watch less or raise `poll: {name}` in config/changewire.yaml"
    )


def test_time_is_part_of_the_allowance() -> None:
    clock = ManualClock()

    def answer(_: dict[str, str], call: int) -> tuple[Any, dict[str, str]]:
        clock.advance(25)
        return {"rows": rows(call), "next_page_token": f"t{call}"}, {}

    with pytest.raises(PollError, match="allowance of time"):
        read_all(Listing(answer), {"kind": "token"}, clock=clock)


def test_a_dead_token_begins_the_list_anew_and_not_from_a_kept_answer() -> None:
    def answer(query: dict[str, str], call: int) -> Reply:
        if call == 2:
            raise ApiError("dead", FailureClass.TRANSIENT, status=400, reason="dead_page_token")
        first = "next_page_token" not in query
        return {"rows": rows(1) if first else rows(2), "next_page_token": f"t{call}" if first else ""}, {}

    listing = Listing(answer)
    assert ids(read_all(listing, {"kind": "token"})) == [1, 2]
    assert [query.get("next_page_token") for query in listing.asked] == [None, "t1", None, "t3"]
    assert listing.ages == [5.0, 5.0, -1.0, -1.0]


def test_a_token_that_is_always_dead_is_an_error() -> None:
    def answer(query: dict[str, str], call: int) -> Reply:
        if query:
            raise ApiError("dead", FailureClass.TRANSIENT, status=400, reason="dead_page_token")
        return {"rows": rows(1), "next_page_token": f"t{call}"}, {}

    listing = Listing(answer)
    with pytest.raises(ApiError, match="dead"):
        read_all(listing, {"kind": "token"})
    assert len(listing.asked) == 6


class TestEqualAnswers:
    def test_are_not_decoded_again(self) -> None:
        first = read_all(tokens(2, 2), {"kind": "token"})
        again = read_all(tokens(2, 2), {"kind": "token"}, first.body_hash)
        assert (again.unchanged, again.items) == (True, [])

    def test_of_several_pages_are(self) -> None:
        assert read_all(tokens(3, 2), {"kind": "token"}).body_hash is None

    def test_may_be_the_first_page_of_more_when_the_link_stands_outside(self) -> None:
        first = read_all(links(2, 2), {"kind": "link"})
        assert first.body_hash is not None
        grown = read_all(links(3, 2), {"kind": "link"}, first.body_hash)
        assert (grown.unchanged, ids(grown)) == (False, [1, 2, 3])
        assert read_all(links(2, 2), {"kind": "link"}, first.body_hash).unchanged


class TestLinks:
    @pytest.mark.parametrize(
        ("header", "target"),
        [
            ('<https://a/2>; rel="next"', "https://a/2"),
            ("<https://a/2>; rel=next", "https://a/2"),
            ('<https://a/1>; rel="prev", <https://a/3>; rel="next"', "https://a/3"),
            ('<https://a/3>; rel="last next"', "https://a/3"),
            ('<https://a/3>; title="a, b"; REL="NEXT"', "https://a/3"),
            ('<https://a/2?x=1,2>; rel="next"', "https://a/2?x=1,2"),
            ('<https://a/2>; rel="nextpage"', None),
            ('<https://a/2>; rel="prev"', None),
            ("", None),
            ("nonsense; rel=next", None),
        ],
    )
    def test_the_next_one_is_found(self, header: str, target: str | None) -> None:
        assert next_link({"Link": header}) == target

    def test_lead_nowhere_else(self) -> None:
        request = Request("GET", "/x", (("p", "1"),))
        for base, target, absolute in [
            ("https://a/x?p=1", "?p=2", "https://a/x?p=2"),
            ("https://a/x", "https://a/y", "https://a/y"),
            ("https://a/x", "http://a/y?p=2", "https://a/y?p=2"),  # behind a proxy that speaks TLS
            ("https://a/v1/x", "../y", "https://a/y"),
            ("https://a/x", "//b/y", "https://b/y"),
        ]:
            assert follow_link(request, base, target) == Request("GET", absolute, linked=True)

    def test_that_cannot_be_read_is_an_error(self) -> None:
        for target in ("http://[::1", "https://a:x/", "https://u:p@a/", "https://a\\@b/", "file:///etc/passwd"):
            with pytest.raises(UnreadableLinkError, match="the address of the next page cannot be read"):
                follow_link(Request("GET", "/x"), "https://a/x", target)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"code": 200, "message": "no"}, "the answer has no 'rows', where the list should be; it has code, message"),
        ({}, "the answer has no 'rows', where the list should be; it has nothing"),
        ([], "the answer has no 'rows', where the list should be; it has a list"),
        ({"rows": None}, "'rows' in the answer is not a list; `items` names where the list is"),
        ({"rows": {}}, "'rows' in the answer is not a list; `items` names where the list is"),
    ],
)
def test_a_list_that_is_missing_is_an_error(data: Any, message: str) -> None:
    with pytest.raises(PollError) as error:
        read_all(Listing(lambda _query, _call: (data, {})), {"kind": "token"})
    assert str(error.value) == message


def deep(levels: int) -> Any:
    data: Any = {"id": 1}
    for _ in range(levels):
        data = {"id": 1, "a": data}
    return {"rows": [data]}


def test_data_about_one_item_that_are_too_deep_are_refused_in_words() -> None:
    kind = kind_of("created", detail={"path": "/things/1"}, lookup={"path": "/days", "items": "rows"})
    listing = Listing(lambda _query, _call: (deep(120), {}))
    reader, allowance = Reader(kind, {}), Allowance(deadline=60.0, clock=ManualClock())
    assert kind.detail is not None
    with pytest.raises(PollError, match=r"^the answer is nested deeper than 100 levels, .+; nothing was changed$"):
        fetch(kind.detail, reader, listing, allowance, {}, {"id": 1})
    with pytest.raises(PollError, match="nested deeper than 100 levels"):
        read(reader, listing, allowance, NOW)


def test_the_default_is_one_page() -> None:
    assert Paging().kind == "none"
    assert ids(read_all(tokens(5, 2), {"kind": "none"})) == [1, 2]


NESTED = {"items": "orders[*].lines", "key": ["outer.number", "id"], "paging": None}


def nested(answer: Any, **parts: Any) -> Reading:
    listing = Listing(lambda query, _: (answer, {}))
    kind = kind_of("created", **{**NESTED, **parts})
    return read(Reader(kind, {}), listing, Allowance(deadline=60.0, clock=ManualClock()), NOW)


def test_a_list_inside_each_record_holds_the_items() -> None:
    orders = [
        {"number": 7, "lines": rows(1, 2)},
        {"number": 8},
        {"number": 9, "lines": None},
        {"number": 10, "lines": []},
    ]
    reading = nested({"orders": orders})
    assert [(item["id"], scope["outer"]["number"]) for item, scope in reading.items] == [(1, 7), (2, 7)]
    assert [item_key(item, kind_of("created", **NESTED), scope) for item, scope in reading.items] == ["7:1", "7:2"]


def test_the_answer_itself_may_be_the_list_of_records() -> None:
    reading = nested([{"number": 7, "lines": rows(1)}], items="[*].lines")
    assert ids(reading) == [1]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"rows": []}, "the answer has no 'orders', where the list should be; it has rows"),
        ({"orders": [{"lines": {"id": 1}}]}, "'lines' in a record is not a list; `items` names where the lists are"),
    ],
)
def test_lists_that_are_not_there_are_an_error(answer: Any, message: str) -> None:
    with pytest.raises(PollError) as error:
        nested(answer)
    assert str(error.value) == message


def test_records_without_a_request_ask_the_same_for_several_values() -> None:
    listing = Listing(lambda query, _: ({"rows": [{"id": query["state"]}]}, {}))
    lookup = {"records": [{"state": "open"}, {"state": "{{ parameters.also }}"}]}
    request = {"path": "/things", "query": {"state": "{{ lookup.state }}"}}
    kind = kind_of("created", lookup=lookup, request=request, items="rows", parameters={"also": {"default": "paid"}})
    allowance = Allowance(deadline=60.0, clock=ManualClock())
    reading = read(Reader(kind, {"also": "paid"}), listing, allowance, NOW)
    assert [item["id"] for item, _ in reading.items] == ["open", "paid"]
