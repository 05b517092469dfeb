"""A wall clock that differs from the clocks of the APIs is said once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from changewire.testing import ManualClock
from changewire.values import dumps_text
from tests.engine.inside import write, write_home
from tests.support.json_api import JsonApi
from tests.support.turning import Turned

Poll = Callable[[timedelta], list[str]]


@pytest.fixture
def poll(tmp_path: Path) -> Iterator[Poll]:
    """Polls an API whose clock is so far from ours; what the log says about clocks since the poll before."""
    logged: list[str] = []

    def log(event: str, message: str, /, **_: object) -> None:
        if event.startswith("clock_"):
            logged.append(message)

    with JsonApi() as api:
        watched = {"type": "http.new_item", "every": "60s", "with": {"path": "/rows", "items": "data"}}
        write_home(tmp_path, w={"trigger": watched, "steps": [write("event")]})
        made = {"list": {"connector": "http", "base_url": api.url, "allow_private": True, "auth": {"type": "none"}}}
        (tmp_path / "config" / "connections.yaml").write_text(dumps_text(made))
        turned = Turned(tmp_path, ManualClock(), log=log).start()

        def once(apart: timedelta) -> list[str]:
            logged.clear()
            api.rows.append({"id": len(api.rows)})
            api.date = format_datetime(turned.clock.now() - apart, usegmt=True)
            turned.on(60)
            return list(logged)

        yield once
        turned.close()


@pytest.mark.parametrize(
    ("apart", "way"), [(timedelta(days=365), "365d ahead of"), (timedelta(days=-365), "365d behind")]
)
def test_a_clock_that_differs_from_that_of_an_api_is_logged_once_and_once_when_they_agree(
    poll: Poll, apart: timedelta, way: str
) -> None:
    minute = timedelta(minutes=1)  # passes until the answer comes
    assert poll(timedelta(minutes=10)) == []
    (said,) = poll(apart - minute)
    assert said == (
        f"this machine's clock is {way} that of connection 'list': dates in requests, `cron` and `wait_until` may be "
        "wrong: set the clock (NTP), see `changewire check`"
    )
    assert poll(apart) == []
    assert poll(timedelta(0)) == ["this machine's clock and that of connection 'list' agree again"]
    assert poll(timedelta(0)) == []
