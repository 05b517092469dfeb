from __future__ import annotations

from datetime import timedelta
from typing import Any

from changewire.triggers.asking import main_request
from changewire.triggers.binding import Reader
from tests.triggers.kinds import NOW, kind_of


def reader(path: str, **query: Any) -> Reader:
    kind = kind_of(parameters={"user": {"required": True}}, request={"path": path, "query": query})
    return Reader(kind, {"user": "me"})


def test_a_question_that_never_changes_is_worked_out_once() -> None:
    asking = reader("/users/{user}/meetings", page_size="{{ 100 * 3 }}")
    first = main_request(asking, asking.scope(NOW), ())

    assert (first.path, first.query) == ("/users/me/meetings", (("page_size", "300"),))
    assert main_request(asking, asking.scope(NOW + timedelta(days=1)), ()) is first


def test_a_question_about_the_present_is_asked_anew_each_time() -> None:
    asking = reader("/meetings", until="{{ now }}")
    days = [NOW, NOW + timedelta(days=1)]

    asked = [main_request(asking, asking.scope(day), ()).query for day in days]
    assert asked == [(("until", "2026-11-21T10:00:00Z"),), (("until", "2026-11-22T10:00:00Z"),)]


def test_each_record_of_a_lookup_is_asked_for() -> None:
    asking = reader("/meetings/{lookup.id}")
    scope = asking.scope(NOW)

    assert [main_request(asking, {**scope, "lookup": {"id": n}}, ()).path for n in (1, 2)] == [
        "/meetings/1",
        "/meetings/2",
    ]


def test_each_window_is_asked_for() -> None:
    asking = reader("/meetings")
    windows = [(("from", day),) for day in ("2026-11-01", "2026-11-02")]

    assert [main_request(asking, asking.scope(NOW), window).query for window in windows] == windows
