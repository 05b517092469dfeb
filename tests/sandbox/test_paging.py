from __future__ import annotations

from changewire.sandbox import OWNER_EMAIL
from tests.sandbox.api import Api


def fill(api: Api, count: int = 7) -> None:
    for number in range(count):
        api.sandbox.world.create_meeting(OWNER_EMAIL, topic=f"m{number}")


def test_pages_join_up_to_the_whole(api: Api) -> None:
    fill(api)
    rows = api.crawl("/users/me/meetings", "meetings", page_size=3)
    assert len({row["id"] for row in rows}) == len(rows) == 10


def test_page_sizes_are_checked(api: Api) -> None:
    for size in ("0", "301", "x", "-1"):
        body = api.get("/users/me/meetings", 400, page_size=size)
        assert body["errors"][0]["field"] == "page_size"
    assert api.get("/users/me/meetings", page_size=300)["page_size"] == 300


def test_a_token_dies_after_fifteen_minutes(api: Api) -> None:
    token = api.get("/users/me/meetings", page_size=1)["next_page_token"]
    api.control("clock", advance_s=840)
    api.get("/users/me/meetings", page_size=1, next_page_token=token)
    api.control("clock", advance_s=61)
    text = api.error("/users/me/meetings", 400, 300, page_size=1, next_page_token=token)
    assert text == "The next page token is invalid or expired."


def test_a_token_belongs_to_its_query(api: Api) -> None:
    token = api.get("/users/me/meetings", page_size=1)["next_page_token"]
    api.error("/users/me/meetings", 400, 300, page_size=2, next_page_token=token)
    api.error("/users/me/webinars", 400, 300, page_size=1, next_page_token=token)
    api.control("switch", page_token_binding="loose")
    assert api.get("/users/me/meetings", next_page_token=token)["page_size"] == 1
    api.error("/users/me/webinars", 400, 300, next_page_token=token)


def test_page_numbers_still_work(api: Api) -> None:
    first = api.get("/users/me/webinars", page_size=1, page_number=1)
    second = api.get("/users/me/webinars", page_size=1, page_number=2)
    assert first["webinars"][0]["id"] != second["webinars"][0]["id"]
    assert second["page_number"] == 2


def test_a_shuffled_list_still_pages_completely(api: Api) -> None:
    fill(api)
    api.control("switch", shuffle_lists=True)
    orders = {tuple(row["id"] for row in api.crawl("/users/me/meetings", "meetings", page_size=3)) for _ in range(5)}
    assert len(orders) > 1
    assert all(len(set(order)) == 10 for order in orders)
