"""Filters and methods that make much out of little, with a limit that is checked before anything is made."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jinja2 import pass_environment
from jinja2.exceptions import SecurityError
from jinja2.filters import do_batch, do_indent, make_attrgetter, sync_do_slice

from changewire.effort import EFFORT

LONGEST_NUMBER = 1 << 14  # bits of a whole number, which are some 4,900 digits
_MOST_STEPS = 1 << 26  # of methods whose work is the product of two lengths: about a tenth of a second
REMOVED = ("center", "pprint", "striptags", "urlize", "wordwrap", "xmlattr")  # slow on long text, or widening


def allowed(size: int) -> None:
    """Raise SecurityError if something of ``size`` characters or entries may not be made."""
    if size > EFFORT.most:
        raise SecurityError(f"a text or list of more than {EFFORT.most} characters or entries on the way to the result")


def bounded(value: Any) -> Any:
    """Return ``value``. Raises SecurityError if it is larger than anything on the way to a result may be."""
    if isinstance(value, str):
        allowed(len(value))
    elif isinstance(value, list | tuple | dict):
        EFFORT.check(value)
    elif isinstance(value, int) and value.bit_length() > LONGEST_NUMBER:
        raise SecurityError(f"a number of more than {LONGEST_NUMBER} bits")
    return value


def _bounded_entries(values: Iterator[Any]) -> Iterator[Any]:
    """Return the values of an iterator, which are read into one list or compared with each other."""
    size = 0
    for value in EFFORT.counted(values):
        EFFORT.check(value)
        size += 1 + EFFORT.sizes.of(value, EFFORT.most)[0]
        allowed(size)
        yield value


def _entry_bounded(argument: Any) -> Any:
    return _bounded_entries(argument) if hasattr(type(argument), "__next__") else argument


def limited(code: Callable[..., Any]) -> Callable[..., Any]:
    """Return the filter or test, counted as work, with a limit on the size of its result."""

    @functools.wraps(code)
    def count(*args: Any, **kwargs: Any) -> Any:
        EFFORT.count()
        return bounded(code(*map(_entry_bounded, args), **kwargs))

    return count


def join_values(values: list[Any]) -> str:
    """Return the values of an expression with ``~`` between them as one text."""
    return concat(map(str, values))


def limit_steps(text: str, part: str) -> None:
    """Raise SecurityError if a method that may look at ``part`` for each character of ``text`` would take long."""
    if len(text) * len(part) > _MOST_STEPS:
        raise SecurityError(f"a search for {len(part)} characters in {len(text)} takes too long")


def trim(value: Any, chars: str | None = None) -> str:
    """As in Jinja2."""
    text = str(value)
    limit_steps(text, chars or "")
    return text.strip(chars)


def concat(pieces: Iterable[str]) -> str:
    """Return the text of a macro or block."""
    size, kept = 0, []
    for piece in pieces:
        size += len(piece)
        allowed(size)
        kept.append(piece)
    return "".join(kept)


def join_texts(separator: str, pieces: Iterable[str]) -> str:
    """As `str.join`."""
    kept = list(pieces)
    allowed(sum(map(len, kept)) + len(separator) * len(kept))
    return separator.join(kept)


def replace_text(text: str, old: str, new: str, count: int = -1) -> str:
    """As `str.replace`."""
    times = text.count(old) if count < 0 else min(count, text.count(old))
    allowed(len(text) + times * len(new))
    return text.replace(old, new, count)


@pass_environment
def join(environment: Any, value: Iterable[Any], d: str = "", attribute: str | int | None = None) -> str:
    """As in Jinja2."""
    size, pieces, get = 0, [], None if attribute is None else make_attrgetter(environment, attribute)
    for entry in value:
        piece = str(entry if get is None else get(entry))
        size += len(piece) + len(d)
        allowed(size)
        pieces.append(piece)
    return str(d).join(pieces)


def replace(value: Any, old: str, new: str, count: int | None = None) -> str:
    """As in Jinja2."""
    return replace_text(str(value), str(old), str(new), -1 if count is None else count)


def indent(value: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    """As in Jinja2."""
    allowed(len(value) + (value.count("\n") + 1) * (len(width) if isinstance(width, str) else width))
    return do_indent(value, width, first, blank)


def batch(value: Iterable[Any], linecount: int, fill_with: Any = None) -> Any:
    """As in Jinja2."""
    allowed(linecount)
    return do_batch(value, linecount, fill_with)


def slices(value: Any, count: int, fill_with: Any = None) -> Any:
    """As in Jinja2."""
    allowed(count)
    return sync_do_slice(value, count, fill_with)


@pass_environment
def sum_up(environment: Any, value: Iterable[Any], attribute: str | int | None = None, start: Any = 0) -> Any:
    """As in Jinja2, each step counted: a sum of lists takes quadratic time."""
    get = None if attribute is None else make_attrgetter(environment, attribute)
    for entry in EFFORT.counted(value):
        start = start + (entry if get is None else get(entry))
        if isinstance(start, list | tuple | str):
            allowed(len(start))
    return start


AMPLIFIERS: dict[str, Callable[..., Any]] = {
    "batch": batch,
    "indent": indent,
    "join": join,
    "replace": replace,
    "slice": slices,
    "sum": sum_up,
    "trim": trim,
}
