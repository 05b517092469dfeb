"""Field types that the models of all configuration files share."""

from __future__ import annotations

import re
import zoneinfo
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from changewire.clock import from_text
from changewire.durations import parse_duration
from changewire.errors import nearest


class Strict(BaseModel):
    """Never changes, and refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def refused(
    message: str, *, code: str = "wrong_value", at: tuple[str | int, ...] = (), suggestion: str | None = None
) -> PydanticCustomError:
    """An error for a validator to raise; `check` shows it at the key ``at`` below the validated value."""
    return PydanticCustomError(code, message, {"at": at, "suggestion": suggestion})


def _whole(value: Any) -> Any:
    if isinstance(value, bool):
        raise refused("a whole number is wanted, not true or false", code="wrong_type")
    return value


def _interval(value: Any) -> timedelta:
    duration = parse_duration(value)
    if duration < timedelta(seconds=1):
        raise refused(f"{value!r} is too short: at least 1s", code="out_of_range")
    return duration


def parse_size(value: object) -> int:
    """The bytes that ``64MB``, ``500KB``, ``1GiB`` or a number writes. Raises ValueError."""
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found:
        return int(float(found[1]) * _SIZES[found[2].upper()])
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError(f"{value!r} is not a size: write 64MB, 500KB, 1GiB or a number of bytes")


def _bytes(value: Any) -> Any:
    return parse_size(value) if isinstance(value, str) else _whole(value)


def _time_zone(value: Any) -> Any:
    if isinstance(value, str):
        try:
            zoneinfo.ZoneInfo(value)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            near = nearest(value, zoneinfo.available_timezones())
            raise refused(f"{value!r} is not a time zone: write one like Europe/Berlin", suggestion=near) from None
    return value


def _dotted(value: str) -> str:
    if not _TYPE.fullmatch(value):
        raise refused(f"{value!r} is not a type: write connector.name, such as zoom.get_meeting")
    return value


def _id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise refused(f"{value!r} cannot be an id: expressions say steps.ID, so use letters, digits and '_'")
    return value


def _name(value: str) -> str:
    if "/" in value or not value.isprintable():
        raise refused(f"{value!r} cannot be a name: leave out '/' and invisible characters")
    return value


def _moment(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return from_text(value)
        except ValueError:
            raise refused(f"{value!r} is not a moment: write 2026-11-01 or 2026-11-01T08:00:00Z") from None
    if value is None or isinstance(value, datetime):
        return value
    raise refused("a moment must be text: write 2026-11-01 or 2026-11-01T08:00:00Z", code="wrong_type")


def split_address(value: str) -> tuple[str, int]:
    """Host and port of ``127.0.0.1:9310`` or ``[::1]:9310``. Raises ValueError."""
    found = _ADDRESS.fullmatch(value.strip())
    if found is None or int(found["port"]) > 65535:
        raise ValueError(f"{value!r} is not an address with a port: write 127.0.0.1:9310")
    return found["v6"] or found["host"], int(found["port"])


def _address(value: Any) -> Any:
    if isinstance(value, int | float):
        raise refused(f"{value} is not an address with a port: write 127.0.0.1:9310", code="wrong_type")
    if isinstance(value, str):
        try:
            split_address(value)
        except ValueError as error:
            raise refused(str(error)) from None
        return value.strip()
    return value


_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[\w.-]+)):(?P<port>\d{1,5})")
_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMG]i?B|B|)", re.IGNORECASE)
_TYPE = re.compile(r"[a-z][a-z0-9_]*(\.[A-Za-z0-9_]+)+")
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FILLED_IN = r"|\$\{|\{\{"  # a variable or an expression, which may become anything
DURATION_SCHEMA = {
    "type": ["string", "number"],
    "pattern": r"^( *\d+(\.\d+)? *(ms|[smhdw]))+ *$" + _FILLED_IN,
    "description": "30s, 5m, 1h30m, 2d or seconds",
}
CRON_SCHEMA = {
    "type": "string",
    "pattern": r"^ *\S+( +\S+){4} *$" + _FILLED_IN,
    "description": "minute hour day month weekday",
}

Duration = Annotated[timedelta, BeforeValidator(parse_duration), WithJsonSchema(DURATION_SCHEMA)]
Whole = Annotated[int, BeforeValidator(_whole)]
Bytes = Annotated[int, BeforeValidator(_bytes), WithJsonSchema({"type": ["string", "integer"]})]
Address = Annotated[str, BeforeValidator(_address)]
TimeZone = Annotated[str, BeforeValidator(_time_zone)]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Interval = Annotated[timedelta, BeforeValidator(_interval), WithJsonSchema(DURATION_SCHEMA)]
Identifier = Annotated[Text, AfterValidator(_id)]
Name = Annotated[Text, AfterValidator(_name)]
TypeName = Annotated[Text, AfterValidator(_dotted), WithJsonSchema({"type": "string", "pattern": f"^{_TYPE.pattern}$"})]
Moment = Annotated[
    datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "description": "date or RFC 3339"})
]
