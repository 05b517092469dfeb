"""Sizes, durations, moments and names are read as people write them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from changewire.config.fields import Bytes, Duration, Identifier, Interval, Moment, Name, TimeZone, TypeName

GOOD = [
    (Bytes, "64MB", 64_000_000),
    (Bytes, "1.5 KiB", 1536),
    (Bytes, "12", 12),
    (Bytes, 12, 12),
    (Duration, "0s", timedelta(0)),
    (Duration, 90, timedelta(seconds=90)),
    (Interval, "1s", timedelta(seconds=1)),
    (Interval, "1h30m", timedelta(minutes=90)),
    (TimeZone, "Europe/Berlin", "Europe/Berlin"),
    (Moment, "2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
    (Moment, "2026-11-01T08:00:00Z", datetime(2026, 11, 1, 8, tzinfo=UTC)),
    (Moment, "2026-11-01T08:00:00+02:00", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    (Name, " Recording ready ", "Recording ready"),
    (TypeName, "zoom.meeting.created", "zoom.meeting.created"),
    (Identifier, "files_2", "files_2"),
]


@pytest.mark.parametrize(("kind", "written", "meant"), GOOD, ids=[f"{row[1]}" for row in GOOD])
def test_what_is_written_is_what_is_meant(kind: Any, written: object, meant: object) -> None:
    adapter: TypeAdapter[object] = TypeAdapter(kind)
    assert adapter.validate_python(written) == meant


BAD = [
    (Bytes, "64 apples", "'64 apples' is not a size: write 64MB, 500KB, 1GiB or a number of bytes"),
    (Bytes, True, "a whole number is wanted, not true or false"),
    (Interval, "999ms", "'999ms' is too short: at least 1s"),
    (Interval, "5x", "'5x' is not a duration: write 30s, 5m, 1h30m, 2d or a number of seconds"),
    (TimeZone, "Europe/Berln", "'Europe/Berln' is not a time zone: write one like Europe/Berlin"),
    (TimeZone, "../etc/passwd", "'../etc/passwd' is not a time zone: write one like Europe/Berlin"),
    (Moment, "yesterday", "'yesterday' is not a moment: write 2026-11-01 or 2026-11-01T08:00:00Z"),
    (Moment, 5, "a moment must be text: write 2026-11-01 or 2026-11-01T08:00:00Z"),
    (Name, "a/b", "'a/b' cannot be a name: leave out '/' and invisible characters"),
    (TypeName, "zoom", "'zoom' is not a type: write connector.name, such as zoom.get_meeting"),
    (TypeName, "zoom.{x}", "'zoom.{x}' is not a type: write connector.name, such as zoom.get_meeting"),
    (Identifier, "my-id", "'my-id' cannot be an id: expressions say steps.ID, so use letters, digits and '_'"),
]


@pytest.mark.parametrize(("kind", "written", "message"), BAD, ids=[f"{row[1]}" for row in BAD])
def test_what_cannot_be_meant_says_what_can(kind: Any, written: object, message: str) -> None:
    adapter: TypeAdapter[object] = TypeAdapter(kind)
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(written)
    assert caught.value.errors()[0]["msg"].removeprefix("Value error, ") == message
