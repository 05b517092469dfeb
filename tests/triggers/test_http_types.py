"""The three types for any JSON API, against a small server of records."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from changewire.engine.polling import Outcome
from changewire.engine.syncing import sync
from changewire.home.loading import load_home
from changewire.log import silent
from changewire.state.records import EventRecord
from changewire.testing import ManualClock
from changewire.values import dumps, dumps_text
from tests.engine.rig import Rig, workflow, write_home
from tests.support.processes import ask

Answer = Callable[[dict[str, list[str]]], tuple[Any, dict[str, str]]]


class Shop:
    """A server whose answers a test puts in place; one rig on it."""

    def __init__(self, path: Path) -> None:
        self.answer: Answer = lambda _: ([], {})
        self.asked: list[str] = []
        self.path, self.told = path, 0
        self.rig: Rig | None = None
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        shop = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                shop.asked.append(self.path)
                query: dict[str, list[str]] = {}
                for name, value in parse_qsl(urlsplit(self.path).query):
                    query.setdefault(name, []).append(value)
                data, headers = shop.answer(query)
                body = data if isinstance(data, bytes) else dumps(data)
                self.send_response(200)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        return Handler

    def serves(self, data: Any) -> None:
        """From now on every answer is this."""
        self.answer = lambda _: (data, {})

    def connections(self) -> str:
        return (
            f"shop: {{connector: http, base_url: 'http://127.0.0.1:{self.server.server_port}', auth: {{type: none}}}}\n"
        )

    def watch(self, kind: str, extra: str = "", **parameters: Any) -> list[EventRecord]:
        """Begin; what the first poll brought."""
        text = workflow("Shop", f"http.{kind}", dumps_text({"path": "/orders", **parameters}), extra)
        write_home(self.path, self.connections(), shop=text)
        self.rig = Rig(self.path, ManualClock())
        assert not self.rig.home.problems, self.rig.home.problems
        return self.poll()

    def problems(self, kind: str, **parameters: Any) -> list[str]:
        """What is wrong with a workflow."""
        text = workflow("Shop", f"http.{kind}", dumps_text({"path": "/orders", **parameters}))
        write_home(self.path, self.connections(), shop=text)
        return [problem.message for problem in load_home(self.path, {}).problems]

    def edit(self, kind: str, extra: str = "", **parameters: Any) -> list[EventRecord]:
        """Edit the workflow; what the next poll brings."""
        assert self.rig is not None
        text = workflow("Shop", f"http.{kind}", dumps_text({"path": "/orders", **parameters}), extra)
        write_home(self.path, self.connections(), shop=text)
        self.rig.clients.close()
        self.rig.load()
        assert not self.rig.home.problems, self.rig.home.problems
        return self.poll()

    def poll(self) -> list[EventRecord]:
        """Poll once; the new events."""
        assert self.rig is not None
        self.rig.clock.advance(60)
        self.rig.poll()
        assert self.rig.trigger.error is None, self.rig.trigger.error
        new = self.rig.events[self.told :]
        self.told += len(new)
        return new

    def keys(self) -> list[str]:
        return [event.key for event in self.poll()]

    def failing(self) -> str:
        assert self.rig is not None
        self.rig.clock.advance(60)
        self.rig.poll()
        return self.rig.trigger.error or ""

    def close(self) -> None:
        if self.rig is not None:
            self.rig.close()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.close()


def orders(*numbers: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": n, "state": "open", **more} for n in numbers]


class TestNewItem:
    def test_in_a_bare_list(self, shop: Shop) -> None:
        shop.serves(orders(1, 2))
        assert shop.watch("new_item") == []
        shop.serves(orders(3, 2, 1))
        (event,) = shop.poll()
        assert (event.key, event.event_type, event.payload["item"]["id"]) == ("3", "new_item", 3)
        shop.serves(orders(2))
        assert shop.poll() == []
        shop.serves(orders(1, 2, 3))
        assert shop.poll() == []

    def test_in_a_nested_list_with_a_key_of_several_fields(self, shop: Shop) -> None:
        rows = [{"account": "a", "number": 1}, {"account": "b", "number": 1}]
        shop.serves({"data": {"orders": rows}})
        shop.watch("new_item", items="data.orders", key=["account", "number"])
        shop.serves({"data": {"orders": [*rows, {"account": "a", "number": 2}]}})
        assert shop.keys() == ["a:2"]

    def test_among_records_that_are_alike(self, shop: Shop) -> None:
        coffee, tea = {"sold": "coffee"}, {"sold": "tea"}
        shop.serves([coffee, tea, coffee])
        shop.watch("new_item", key="sold", alike="count")
        shop.serves([coffee, coffee, tea, coffee, tea])
        assert shop.keys() == ["coffee::3", "tea::2"]
        shop.serves([tea])
        assert shop.keys() == []
        shop.serves([tea, coffee, coffee, coffee])
        assert shop.keys() == []

    def test_each_of_those_alike_is_backfilled(self, shop: Shop) -> None:
        shop.serves([{"sold": "coffee"}] * 3)
        found = shop.watch("new_item", "first_poll: backfill", key="sold", alike="count")
        assert [(event.key, event.backfill) for event in found] == [
            ("coffee", True), ("coffee::2", True), ("coffee::3", True),
        ]  # fmt: skip

    def test_beginning_to_count_keeps_the_memory_and_fires_nothing(self, shop: Shop) -> None:
        shop.serves([{"sold": "coffee"}] * 3)
        shop.watch("new_item", key="sold")
        assert shop.rig is not None
        (file,) = (shop.path / "config" / "workflows").iterdir()
        file.write_text(file.read_text().replace('"key":', '"alike": "count", "key":'))
        shop.rig.load()
        assert shop.keys() == []  # of the very same answer
        shop.serves([{"sold": "coffee"}] * 4)
        assert shop.keys() == ["coffee::4"]

    def test_records_that_are_alike_cannot_be_counted_over_pages(self, shop: Shop) -> None:
        wrong = shop.problems("new_item", key="sold", alike="count", paging={"kind": "link"})
        assert wrong == [
            "the trigger: `paging` cannot stand beside `alike: count`: "
            "a page that shifts while a list is read brings a row twice"
        ]

    def test_over_pages_by_number(self, shop: Shop) -> None:
        present = orders(1, 2, 3)

        def answer(query: dict[str, list[str]]) -> tuple[Any, dict[str, str]]:
            page = int(query.get("page", ["1"])[0])
            return present[(page - 1) * 2 : page * 2], {}

        shop.answer = answer
        shop.watch("new_item", paging={"kind": "page_number", "page_query": "page"})
        present += orders(4, 5)
        assert shop.keys() == ["4", "5"]

    def test_over_pages_by_token(self, shop: Shop) -> None:
        present = orders(1, 2, 3)

        def answer(query: dict[str, list[str]]) -> tuple[Any, dict[str, str]]:
            at = int(query.get("cursor", ["0"])[0])
            following = at + 2 if at + 2 < len(present) else None
            return {"orders": present[at : at + 2], "meta": {"next": following}}, {}

        shop.answer = answer
        paging = {"kind": "token", "token_field": "meta.next", "token_query": "cursor"}
        shop.watch("new_item", items="orders", paging=paging)
        present += orders(4, 5)
        assert shop.keys() == ["4", "5"]

    def test_over_pages_by_link_also_when_the_first_page_stays_the_same(self, shop: Shop) -> None:
        present = orders(1, 2)

        def answer(query: dict[str, list[str]]) -> tuple[Any, dict[str, str]]:
            page = int(query.get("page", ["1"])[0])
            more = {"Link": f'</orders?page={page + 1}>; rel="next"'} if page * 2 < len(present) else {}
            return present[(page - 1) * 2 : page * 2], more

        shop.answer = answer
        shop.watch("new_item", paging={"kind": "link"})
        present += orders(3)
        assert shop.keys() == ["3"]

    def test_backfill_is_bounded_and_marked(self, shop: Shop) -> None:
        rows = [{"id": n, "made": f"2026-11-{n:02}T00:00:00Z"} for n in range(1, 10)]
        shop.serves(rows)
        first = "first_poll: {backfill: {since: 2026-11-03, max: 4}}"
        events = shop.watch("new_item", first, created_at="made")
        assert [(event.key, event.backfill) for event in events] == [(str(n), True) for n in (6, 7, 8, 9)]
        assert shop.poll() == []

    def test_backfill_goes_by_seconds_since_1970_as_well(self, shop: Shop) -> None:
        day = 86_400
        shop.serves([{"id": n, "made": 1_795_262_400 - n * day} for n in range(9)])  # the first is of 2026-11-21, noon
        first = "first_poll: {backfill: {since: 2026-11-17, max: 3}}"
        events = shop.watch("new_item", first, created_at="made")
        assert [event.key for event in events] == ["0", "1", "2"]

    def test_numbers_too_long_for_a_number_are_told_apart(self, shop: Shop) -> None:
        shop.serves(b'[{"id": 100000000000000000001}]')
        shop.watch("new_item")
        shop.serves(b'[{"id": 100000000000000000001}, {"id": 100000000000000000002}]')
        assert shop.keys() == ["100000000000000000002"]

    @pytest.mark.parametrize(
        ("number", "stored"),
        [
            ("1e400", "1e400"),
            ("-1E+999", "-1E+999"),
            ("18446744073709551616", "18446744073709551616"),
            ("18446744073709551615", 2**64 - 1),
        ],
    )
    def test_numbers_of_any_size_are_stored_and_compared(self, shop: Shop, number: str, stored: Any) -> None:
        shop.serves(b'{"n": 0}')
        shop.watch("document_changed", path="/stock")
        shop.serves(f'{{"n": {number}}}'.encode())
        (event,) = shop.poll()
        assert event.changes == [{"path": "n", "old": 0, "new": stored}]
        shop.serves(f'{{"n": {number} }}'.encode())
        assert shop.poll() == []

    def test_whose_key_holds_any_character_are_new_once(self, shop: Shop) -> None:
        shop.serves(orders(1))
        shop.watch("new_item")
        odd = [{"id": key} for key in ("a\0b", "a\0c", "a", "\0", "'", '"', "\\", "%", "\u2028", "a::2")]
        shop.serves([*orders(1), *odd])
        assert len(shop.poll()) == len(odd)
        shop.serves([*odd, *orders(1)])
        assert shop.poll() == []
        assert shop.rig is not None
        assert shop.rig.trigger.verdicts["counts"] == {"seen": len(odd) + 1}

    def test_an_item_whose_moment_no_clock_can_show_is_an_item(self, shop: Shop) -> None:
        shop.serves(orders(1))
        shop.watch("new_item", created_at="made")
        shop.serves([*orders(1), *orders(2, made="0001-01-01T00:00:00+01:00"), *orders(3)])
        assert shop.keys() == ["3"]

    def test_further_pages_that_are_asked_for_later_are_read_at_once_and_nothing_on_them_is_new(
        self, shop: Shop
    ) -> None:
        pages = [orders(9, 8, 7), orders(6, 5), orders(4, 3)]

        def answer(query: dict[str, list[str]]) -> tuple[Any, dict[str, str]]:
            page = int(query.get("page", ["1"])[0])
            return {"orders": pages[page - 1], "pages": len(pages)}, {}

        shop.answer = answer
        shop.watch("new_item", items="orders")
        paging = {"kind": "page_number", "page_query": "page", "count_field": "pages"}
        assert shop.edit("new_item", items="orders", paging=paging) == []
        pages[2] = orders(4, 3, 2)
        assert shop.keys() == ["2"]

    def test_what_came_on_the_first_page_fires_though_further_pages_are_read_for_the_first_time(
        self, shop: Shop
    ) -> None:
        shop.answer = lambda query: ({"orders": orders(2 if query else 1), "next": None if query else "n"}, {})
        shop.watch("new_item", items="orders")
        shop.answer = lambda query: ({"orders": orders(2) if query else orders(3, 1), "next": "" if query else "n"}, {})
        paging = {"kind": "token", "token_field": "next", "token_query": "cursor"}
        assert [event.key for event in shop.edit("new_item", items="orders", paging=paging)] == ["3"]

    def test_after_a_reset_a_backfill_is_done_again_and_what_comes_back_is_an_event(self, shop: Shop) -> None:
        shop.serves(orders(1, 2))
        shop.watch("new_item", "first_poll: {backfill: {max: 1}}")
        assert shop.rig is not None
        for _ in range(2):
            shop.rig.store.forget(shop.rig.trigger.id, shop.rig.clock.now())
            assert [(event.key, event.backfill) for event in shop.poll()] == [("2", True)]
            shop.serves(orders(1, 2, 3))
            assert shop.keys() == ["3"]
            shop.serves(orders(1, 2))
            assert shop.keys() == []

    def test_a_workflow_that_is_renamed_while_it_is_polled_goes_on_under_its_new_name(self, shop: Shop) -> None:
        shop.serves(orders(1))
        shop.watch("new_item")
        rig = shop.rig
        assert rig is not None

        def answer(_: dict[str, list[str]]) -> tuple[Any, dict[str, str]]:
            shop.serves(orders(1, 2))
            write_home(shop.path, shop.connections(), shop=workflow("Store", "http.new_item", "{path: /orders}"))
            rig.home = rig.engine.home = load_home(shop.path, {})
            sync(rig.home, rig.store, rig.clock.now(), silent)
            return orders(1, 2), {}

        shop.answer = answer
        rig.clock.advance(60)
        assert rig.poll() == [Outcome.FENCED]
        assert [event.trigger for event in shop.poll()] == ["Store/trigger"]

    def test_settling(self, shop: Shop) -> None:
        shop.watch("new_item", "settle: 2")
        shop.serves(orders(1))
        assert shop.poll() == []
        assert shop.keys() == ["1"]

    def test_readiness(self, shop: Shop) -> None:
        shop.serves(orders(1))
        shop.watch("new_item", ready="{{ item.state == 'paid' }}")
        shop.serves([*orders(1), *orders(2, state="paid")])
        assert shop.keys() == ["2"]
        shop.serves(orders(1, 2, state="paid"))
        assert shop.keys() == ["1"]

    def test_query_with_several_values(self, shop: Shop) -> None:
        shop.watch("new_item", query={"state": ["open", "new"], "deep": {"a": 1}, "no": None, "yes": True})
        assert set(shop.asked) == {"/orders?deep=%7B%22a%22:1%7D&state=open&state=new&yes=true"}

    def test_a_path_with_braces_is_sent_as_it_is(self, shop: Shop) -> None:
        shop.watch("new_item", path="/orders/{id}")
        assert set(shop.asked) == {"/orders/%7Bid%7D"}

    @pytest.mark.parametrize(
        ("answer", "message"),
        [
            ({"orders": []}, "'[*]' in the answer is not a list; `items` names where the list is"),
            ([{"name": "x"}], "an item has no id, so it cannot be told from others"),
            (b"<html>", ""),
        ],
    )
    def test_an_answer_of_another_form_changes_nothing(self, shop: Shop, answer: Any, message: str) -> None:
        shop.serves(orders(1))
        shop.watch("new_item")
        shop.serves(answer)
        assert message in shop.failing() != ""
        shop.serves(orders(1, 2))
        assert shop.keys() == ["2"]


class TestDocumentChanged:
    def test_one_document(self, shop: Shop) -> None:
        shop.serves({"sku": "L", "price": 79, "tags": ["a", "b"]})
        shop.watch("document_changed", path="/stock")
        shop.serves({"price": 79.0, "tags": ["b", "a"], "sku": "L", "note": None})
        assert shop.poll() == []
        shop.serves({"sku": "L", "price": 81, "tags": ["a"], "new": 1})
        (event,) = shop.poll()
        assert event.payload["changed_fields"] == ["new", "price", "tags"]
        assert event.payload["changes_detected"]["price"] == {"old": 79, "new": 81}

    def test_that_is_empty_in_one_way_or_another_does_not_change(self, shop: Shop) -> None:
        shop.serves({})
        shop.watch("document_changed", path="/stock")
        for nothing in (b"[]", b"null", b'""', {"note": None}):
            shop.serves(nothing)
            assert shop.poll() == []
        shop.serves({"price": 1})
        assert [event.payload["changed_fields"] for event in shop.poll()] == [["price"]]

    @pytest.mark.parametrize("document", [{"n": [n / 7 for n in range(150_000)]}, {"n": ["x" * 2_500_000]}])
    def test_of_several_megabytes_is_once_in_each_event(self, shop: Shop, document: dict[str, Any]) -> None:
        shop.serves(document)
        shop.watch("document_changed", path="/stock")
        for number in range(4):
            shop.serves({"n": [*document["n"], number]})
            (event,) = shop.poll()
            assert event.payload["document"]["n"][-1] == number
        assert shop.rig is not None
        ((stored,),) = ask(shop.rig.path, "SELECT sum(length(payload) + length(changes)) FROM events")
        assert stored < 4.1 * len(dumps(document))

    def test_that_makes_too_large_an_event_waits_alone_until_the_limit_is_raised(self, shop: Shop) -> None:
        parameters = {"items": "[*]", "key": "id"}
        settings = shop.path / "config" / "changewire.yaml"
        settings.parent.mkdir(exist_ok=True)
        settings.write_text("poll: {event: 10KB}")
        shop.serves(orders(1, 2))
        shop.watch("document_changed", **parameters)
        shop.serves([*orders(1, text="x" * 20_000), *orders(2, text="y")])
        assert shop.keys() == ["2"]
        assert shop.rig is not None
        (waiting,) = shop.rig.store.waiting_changes().values()
        assert "document_changed of item 1 is an event of 60," in str(waiting.reason)
        settings.write_text("poll: {event: 100KB}")
        shop.rig.clients.close()
        shop.rig.load()
        for _ in range(4):
            shop.failing()
        event = shop.rig.events[-1]
        assert (event.key, len(event.payload["document"]["text"])) == ("1", 20_000)
        assert shop.rig.trigger.error is None

    def test_ignored_fields_and_quiet_new_ones(self, shop: Shop) -> None:
        shop.serves({"price": 1, "seen_at": 1})
        shop.watch("document_changed", "ignore: [seen_at]", new_fields="quiet")
        shop.serves({"price": 1, "seen_at": 2, "new": 1})
        assert shop.poll() == []

    def test_records_inside_by_key(self, shop: Shop) -> None:
        shop.serves({"lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 1}]})
        shop.watch("document_changed", lists={"lines": {"key": "sku"}})
        shop.serves({"lines": [{"sku": "b", "n": 2}, {"sku": "a", "n": 1}]})
        assert [change["path"] for event in shop.poll() for change in event.changes] == ["lines[b].n"]

    def test_a_list_whose_order_is_a_value(self, shop: Shop) -> None:
        shop.serves({"steps": [{"id": 1}, {"id": 2}]})
        shop.watch("document_changed", ordered=["steps"])
        shop.serves({"steps": [{"id": 2}, {"id": 1}]})
        assert len(shop.poll()) == 1

    @pytest.mark.parametrize(("new_documents", "told"), [("baseline", []), ("fire", ["new_document"])])
    def test_each_document_of_a_list(self, shop: Shop, new_documents: str, told: list[str]) -> None:
        shop.serves(orders(1, 2))
        shop.watch("document_changed", items="[*]", key="id", new_documents=new_documents)
        shop.serves(orders(1, 2, 3))
        assert [event.event_type for event in shop.poll()] == told
        shop.serves([*orders(1), *orders(2, state="paid"), *orders(3, state="paid")])
        assert shop.keys() == ["2", "3"]


class TestStatusChanged:
    def test_only_the_named_field_counts(self, shop: Shop) -> None:
        shop.serves({"state": {"now": "open"}, "n": 1})
        shop.watch("status_changed", status="state.now")
        shop.serves({"state": {"now": "open"}, "n": 2})
        assert shop.poll() == []
        shop.serves({"state": {"now": "paid"}, "n": 2})
        (event,) = shop.poll()
        assert (event.payload["before"], event.payload["status"]) == ("open", "paid")

    def test_each_record_of_a_list(self, shop: Shop) -> None:
        shop.serves(orders(1, 2))
        shop.watch("status_changed", items="[*]", key="id", status="state")
        shop.serves([*orders(1, state="paid"), *orders(2, 3)])
        assert shop.keys() == ["1"]

    def test_a_new_record_may_fire(self, shop: Shop) -> None:
        shop.serves(orders(1))
        shop.watch("status_changed", items="[*]", key="id", status="state", new_records="fire")
        shop.serves(orders(1, 2))
        (event,) = shop.poll()
        assert (event.payload["before"], event.payload["item"]["id"]) == (None, 2)


NO_KEY = "the trigger: `items` names a list, so `key` must say which field identifies an item in it"
HOW = 'write a.b, list[*].c or a["b.c"]'


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("status_changed", {"items": "[*]"}, NO_KEY),
        ("document_changed", {"items": "a"}, NO_KEY),
        ("new_item", {"key": "lines[*].id"}, "'key': 'lines[*].id' must name one field: [*] cannot stand in it"),
        ("new_item", {"key": "a..b"}, f"'key': 'a..b' is not a path: it goes wrong at '..b'; {HOW}"),
        ("new_item", {"key": []}, "'key': name a field, or several as in [a, b]"),
        ("new_item", {"ready": "{{ a == }}"}, "'ready': {{ a == }}: a value is missing behind '=='"),
        (
            "new_item",
            {"paging": {"kind": "pages"}},
            "'kind' cannot be 'pages': "
            "write none, token, next_url, page_number, offset, token_or_page, link or start_index",
        ),
        ("new_item", {"paging": {"knd": "link"}}, "unknown key 'knd' (did you mean 'kind'?)"),
        ("status_changed", {"status": "a b"}, f"'status': 'a b' is not a path: it goes wrong at ' b'; {HOW}"),
        ("document_changed", {"lists": {"lines": {"kye": "sku"}}}, "'key' is missing"),
    ],
)
def test_parameters_that_cannot_work_are_told_before_anything_is_asked(
    shop: Shop, kind: str, parameters: dict[str, Any], message: str
) -> None:
    assert shop.problems(kind, **parameters) == [message]
    assert shop.asked == []
