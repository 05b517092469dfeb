"""The filters that expressions know, in one table: `FILTERS`, and `documented` with usage and sentence of each.

Ours and those of Jinja2 that stay as they are; the sentence of one of ours is the first line of its docstring.
Those on text are in `changewire.texts`, those on moments in `changewire.moments`, the others here.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation
from operator import itemgetter
from typing import Any

from jinja2 import Undefined

from changewire import moments, texts
from changewire.effort import EFFORT
from changewire.texts import plain_text

_ROUNDINGS = {"common": ROUND_HALF_UP, "ceil": ROUND_CEILING, "floor": ROUND_FLOOR}


_MOST_PARTS = 100  # of a path

# data


def field(value: Any, path: Any, otherwise: Any = None) -> Any:
    """What is at a dotted path such as `owner.name` or `files.0.url`; `otherwise` where there is nothing."""
    if isinstance(value, Undefined):
        str(value)  # raises what the unknown name wants to say
    if len(parts := str(path).split(".", _MOST_PARTS)) > _MOST_PARTS:
        raise ValueError(f"field: a path has at most {_MOST_PARTS} parts")
    for part in parts:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list | tuple) and re.fullmatch(r"-?\d+", part) and -len(value) <= int(part) < len(value):
            value = value[int(part)]
        else:
            return otherwise
    return value


def pick(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """A mapping with only the named fields, as far as it has them."""
    known = value.items()
    return {name: inner for name, inner in known if name in names}


def omit(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """A mapping without the named fields."""
    return {name: inner for name, inner in value.items() if name not in names}


def merge(value: Mapping[str, Any], *others: Mapping[str, Any]) -> dict[str, Any]:
    """One mapping out of several; a field of a later one counts."""
    return {name: inner for one in (value, *others) for name, inner in one.items()}


# lists


def pluck(value: Iterable[Any], path: str) -> list[Any]:
    """One field of each record, none where a record has no such field; the path may be dotted."""
    return [field(one, path) for one in EFFORT.counted(value)]


def where(value: Iterable[Any], path: str, wanted: Any = True) -> list[Any]:
    """The records whose field equals a value, `true` where none is said."""
    return [one for one in EFFORT.counted(value) if field(one, path) == wanted]


def sort_by(value: Iterable[Any], path: str, reverse: bool = False) -> list[Any]:
    """The records in the order of one field; those without it come last."""
    found = [(one, field(one, path)) for one in EFFORT.counted(value)]
    having = [pair for pair in found if pair[1] is not None]
    lacking = [one for one, key in found if key is None]
    try:
        return [one for one, _ in sorted(having, key=itemgetter(1), reverse=reverse)] + lacking
    except TypeError:
        raise ValueError(f"sort_by: the values of {path!r} are of several types and have no order") from None


def group_by(value: Iterable[Any], path: str) -> dict[str, list[Any]]:
    """The records by the value of one field, as a mapping from that value's text to a list."""
    groups: dict[str, list[Any]] = {}
    for one in EFFORT.counted(value):
        groups.setdefault(plain_text(field(one, path)), []).append(one)
    return groups


def index_by(value: Iterable[Any], path: str) -> dict[str, Any]:
    """The records by the value of one field, as a mapping from that value's text to the last such record."""
    return {plain_text(field(one, path)): one for one in EFFORT.counted(value)}


def flatten(value: Iterable[Any], levels: int = 1) -> list[Any]:
    """A list whose entries that are lists are replaced by what is in them."""
    flat: list[Any] = []
    for one in value:
        if isinstance(one, list | tuple) and levels > 0:
            flat += flatten(one, levels - 1)
        else:
            flat.append(one)
    return flat


def compact(value: Iterable[Any]) -> list[Any]:
    """A list without what is none or empty; 0 and false stay."""
    return [one for one in value if one is not None and one != "" and one != [] and one != {}]


# numbers


def round_number(value: Any, precision: int = 0, method: str = "common") -> float | int:
    """A number with so many digits behind the point, 5 rounded up; `ceil` and `floor` go one way."""
    if method not in _ROUNDINGS:
        raise ValueError(f"round: {method!r} is not known; use {', '.join(_ROUNDINGS)}")
    found = _decimal(value, precision, _ROUNDINGS[method])
    return int(found) if precision <= 0 else float(found)


def _decimal(value: Any, precision: int, rounding: str) -> Decimal:
    if not -30 <= precision <= 30:
        raise ValueError("at most 30 digits")
    try:
        found = Decimal(str(value).strip())
        exact = found.quantize(Decimal(1).scaleb(-precision), rounding=rounding)
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a number") from None
    if isinstance(value, bool) or not exact.is_finite():
        raise ValueError(f"{value!r} is not a number")
    return exact


def number(value: Any, decimals: int = 0, thousands: str = ",", point: str = ".") -> str:
    """A number for people: `number(2, '.', ',')` makes 1.234,50 of 1234.5."""
    text = f"{_decimal(value, max(decimals, 0), ROUND_HALF_UP):,f}"
    return text.translate({ord(","): thousands, ord("."): point})


def size(value: Any) -> str:
    """A number of bytes for people: `48.2 MB`."""
    left = float(_decimal(value, 0, ROUND_HALF_UP))
    for unit in ("B", "KB", "MB", "GB"):
        if abs(left) < 1000:
            return f"{left:.0f} B" if unit == "B" else f"{left:.1f} {unit}"
        left /= 1000
    return f"{left:.1f} TB"


FILTERS: dict[str, Callable[..., Any]] = {
    "add_days": moments.add_days,
    "add_duration": moments.add_duration,
    "add_months": moments.add_months,
    "b64decode": texts.b64decode,
    "b64encode": texts.b64encode,
    "compact": compact,
    "csv": texts.csv,
    "date": moments.date,
    "date_diff": moments.date_diff,
    "end_of": moments.end_of,
    "field": field,
    "flatten": flatten,
    "format": texts.format_text,
    "from_json": texts.from_json,
    "group_by": group_by,
    "hash": texts.hash_text,
    "index_by": index_by,
    "json": texts.to_json,
    "merge": merge,
    "number": number,
    "omit": omit,
    "parse_date": moments.parse_date,
    "pick": pick,
    "pluck": pluck,
    "regex_findall": texts.regex_findall,
    "regex_replace": texts.regex_replace,
    "regex_search": texts.regex_search,
    "regex_test": texts.regex_test,
    "round": round_number,
    "size": size,
    "slug": texts.slug,
    "sort_by": sort_by,
    "split": texts.split,
    "start_of": moments.start_of,
    "strip_html": texts.strip_html,
    "timestamp": moments.timestamp,
    "tojson": texts.to_json,
    "truncate": texts.truncate,
    "urldecode": texts.urldecode,
    "weekday": moments.weekday,
    "where": where,
}
TESTS: dict[str, Callable[..., bool]] = {"matching": texts.regex_test}
PATTERN_FILTERS = frozenset({"matching", "regex_findall", "regex_replace", "regex_search", "regex_test"})
"""Filters and tests whose first argument is a regular expression."""
BORROWED = {
    "abs": ("abs", "A number without its sign."),
    "batch": ("batch(count, fill_with=none)", "A list of lists of so many entries."),
    "default": ("default(otherwise, empty=false)", "Another value where there is none, or with `empty` an empty one."),
    "dictsort": ("dictsort(by='key')", "The pairs of a mapping in order."),
    "first": ("first", "The first entry."),
    "float": ("float(otherwise=0.0)", "A number out of a text."),
    "groupby": ("groupby(attribute)", "Pairs of a value and the records that have it, in order; see also `group_by`."),
    "int": ("int(otherwise=0, base=10)", "A whole number out of a text."),
    "items": ("items", "The pairs of a mapping."),
    "join": ("join(separator='', attribute=none)", "The entries of a list as one text."),
    "last": ("last", "The last entry."),
    "length": ("length", "How many entries, fields or characters there are."),
    "list": ("list", "A list of the entries, or of the characters of a text."),
    "lower": ("lower", "A text in small letters."),
    "map": ("map(attribute=…) or map(filter, …)", "One field of each record, or a filter on each entry."),
    "max": ("max(attribute=none)", "The greatest entry."),
    "min": ("min(attribute=none)", "The smallest entry."),
    "reject": ("reject(test, …)", "The entries for which a test does not hold."),
    "rejectattr": ("rejectattr(attribute, test, …)", "The records for whose field a test does not hold."),
    "replace": ("replace(old, new, count=none)", "A text with another text in place of one."),
    "reverse": ("reverse", "The other way round."),
    "select": ("select(test, …)", "The entries for which a test holds."),
    "selectattr": ("selectattr(attribute, test, …)", "The records for whose field a test holds."),
    "sort": ("sort(reverse=false, case_sensitive=false, attribute=none)", "A list in order; see also `sort_by`."),
    "string": ("string", "Any value as text."),
    "sum": ("sum(attribute=none, start=0)", "The entries, or one field of the records, added up."),
    "title": ("title", "A text with a capital at the beginning of each word."),
    "trim": ("trim(characters=none)", "A text without space around it."),
    "unique": ("unique(case_sensitive=false, attribute=none)", "Each entry once, or each record of a field's value."),
    "upper": ("upper", "A text in capitals."),
    "urlencode": ("urlencode", "A text percent-encoded, or a mapping as a query string."),
    "wordcount": ("wordcount", "How many words a text has."),
}
"""Filters of Jinja2 that stay as they are and are worth knowing: usage and sentence by name."""


@dataclass(frozen=True)
class FilterDoc:
    """One line of the table of filters."""

    name: str
    usage: str  # as it stands behind the bar, such as "date(pattern=None, tz='UTC')"
    text: str  # one sentence


def documented() -> list[FilterDoc]:
    """Every filter worth knowing, by name."""
    ours = [FilterDoc(name, _usage(name, code), (code.__doc__ or "").splitlines()[0]) for name, code in FILTERS.items()]
    theirs = [FilterDoc(name, usage, text) for name, (usage, text) in BORROWED.items()]
    return sorted(ours + theirs, key=lambda one: one.name)


def _usage(name: str, code: Callable[..., Any]) -> str:
    words = []
    for parameter in list(inspect.signature(code).parameters.values())[1:]:
        star = "*" if parameter.kind is parameter.VAR_POSITIONAL else ""
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        words.append(f"{star}{parameter.name}{default}")
    return f"{name}({', '.join(words)})" if words else name
