"""What expressions may do: Jinja2's immutable sandbox with our filters, names told when they are unknown, and limits.

What goes in and comes out is plain data, and what comes from data is only ever a value, never a template.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from contextlib import suppress
from typing import Any

import orjson
from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, missing

from changewire.amplifiers import (
    AMPLIFIERS,
    REMOVED,
    allowed,
    bounded,
    concat,
    join_texts,
    join_values,
    limit_steps,
    limited,
    replace_text,
)
from changewire.effort import EFFORT, LARGEST
from changewire.errors import ChangewireError
from changewire.filters import FILTERS, TESTS
from changewire.secret import Secret, masked_excerpt
from changewire.template_words import kind_word
from changewire.value_size import TooLargeValueError
from changewire.values import Json, storable_number, storable_text

_STRICT = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
LONGEST_MESSAGE = 2000  # characters of an error; it may quote a value
DEEPEST = 90  # levels of an expression inside each other; Python itself cannot take many more
TOO_DEEP = f"more than {DEEPEST} levels inside each other: take a list and 'in', or 'set' parts of it before"
TOO_LONG = "a number has thousands of digits: put it in quotes"
HIDDEN = "changewire_"  # how names in a scope begin that are not for people
COUNTED = f"{HIDDEN}counted"  # the filter that every loop goes through
BOUNDED = f"{HIDDEN}bounded"  # the filter that every list and mapping goes through that is made
JOINED = f"{HIDDEN}joined"  # the filter that ~ is
_METHODS = {"items", "keys", "values", "get"}  # of a mapping
_WIDENING = {"center", "expandtabs", "format", "format_map", "ljust", "rjust", "zfill", "translate"}
_WIDENING |= {"encode", "to_bytes", "from_bytes", "striptags", "unescape"}
_SLOW_METHODS = {"rfind", "rindex", "rsplit", "rpartition", "strip", "lstrip", "rstrip"}  # of text
_SAFE_METHODS: dict[str, Callable[..., str]] = {"join": join_texts, "replace": replace_text}

Path = tuple[str | int, ...]


class TemplateError(ChangewireError):
    """An expression could not be worked out."""

    def __init__(self, message: str, path: Path = (), suggestion: str | None = None) -> None:
        hint = f" (did you mean {suggestion!r}?)" if suggestion else ""
        place = f"{'.'.join(map(str, path))}: " if path else ""
        message = masked_excerpt(message, LONGEST_MESSAGE, "…")
        super().__init__(masked_excerpt(f"{place}{message}{hint}", 2 * LONGEST_MESSAGE, "…"))
        self.message = message  # without place and hint, masked
        self.path = path  # where in the rendered value; () for the value itself
        self.suggestion = suggestion  # the nearest known name; None when none is near


class MissingError(UndefinedError):
    """An unknown ``name`` was used; ``obj`` is what was asked for it, `missing`: the scope itself."""

    def __init__(self, obj: Any, name: str, message: str) -> None:
        super().__init__(message)
        self.obj = obj
        self.name = name


class Missing(StrictUndefined):
    """An unknown name. What is below it is unknown, too, so ``a.b.c | default(1)`` needs only one default."""

    __slots__ = ()

    def __init__(self, hint: Any = None, obj: Any = missing, name: Any = None, exc: Any = UndefinedError) -> None:
        if exc is UndefinedError:
            exc = functools.partial(MissingError, obj, str(name))
        super().__init__(hint, obj, name, exc)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, name: Any) -> Any:
        return self


def text_of(value: Json) -> str:
    """How a value looks inside a text: None is nothing, lists and mappings are JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, int | float | StrictUndefined):
        return str(value)
    return orjson.dumps(plain(value)).decode()


def plain(value: Any, largest: int = LARGEST) -> Json:
    """``value`` as plain data of at most ``largest`` characters; iterators and tuples become lists."""
    if isinstance(value, dict | list):
        # without success: it is too large, not plain, or not to be stored, so each piece is looked at
        with suppress(TypeError, TooLargeValueError):
            EFFORT.sizes.of(value, largest)
            text = orjson.dumps(value, option=_STRICT)
            if len(text) <= largest:
                return orjson.loads(text)
    return _plain_part(value, [largest], largest)


def _plain_part(value: Any, left: list[int], largest: int) -> Json:
    left[0] -= len(value) + 1 if isinstance(value, str) else 1
    if left[0] < 0:
        raise TemplateError(f"the result is longer than {largest} characters; take only the part that is needed")
    if value is None or isinstance(value, bool | Secret):
        return value
    if isinstance(value, int | float):
        return storable_number(value)
    if isinstance(value, str):
        return storable_text(str(value))
    if isinstance(value, Mapping):
        return {_key(k): _plain_part(v, left, largest) for k, v in value.items()}
    if isinstance(value, list | tuple | set | Iterator | KeysView | ValuesView | ItemsView):
        return [_plain_part(v, left, largest) for v in value]
    if isinstance(value, StrictUndefined):
        str(value)  # raises what the unknown name wants to say
    kind = kind_word(type(value).__name__)
    raise TemplateError(f"the result is {kind}, not plain data; is a pair of brackets missing?")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TemplateError(f"{key!r} cannot be a key: keys are text")
    return storable_text(key)


class PrivateNamespace(Namespace):
    """A namespace whose text does not show what is in it, which may be much."""

    def __repr__(self) -> str:
        return "<namespace>"


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2 with our filters and without its ways to fill the memory or to go on for ever."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})
    concat = staticmethod(concat)

    def __init__(self) -> None:
        super().__init__(undefined=Missing, finalize=text_of, autoescape=False, keep_trailing_newline=True)
        self.filters.update(FILTERS)
        self.filters |= {COUNTED: EFFORT.counted, BOUNDED: bounded, JOINED: join_values}
        self.tests.update(TESTS)
        for name in ("lipsum", "cycler", "joiner"):
            del self.globals[name]
        self.globals["namespace"] = PrivateNamespace
        for name in REMOVED:
            del self.filters[name]
        self.filters.update(AMPLIFIERS)
        self.filters = {name: limited(code) for name, code in self.filters.items()}
        tests: Any = self.tests
        self.tests = {name: limited(code) for name, code in tests.items()}

    def parse(self, source: str, name: str | None = None, filename: str | None = None) -> nodes.Template:
        """The syntax tree of a text. Raises TemplateSyntaxError, also where it is nested too deeply to be compiled."""
        try:
            parsed = super().parse(source, name, filename)
        except RecursionError:
            raise TemplateSyntaxError(TOO_DEEP, 1) from None
        except ValueError:  # of a number
            raise TemplateSyntaxError(TOO_LONG, 1) from None
        if len(source) > DEEPEST and _deeper_than(parsed, DEEPEST):
            raise TemplateSyntaxError(TOO_DEEP, 1)
        return parsed

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Data first: ``payload.items`` is the field ``items`` where there is one."""
        if isinstance(obj, dict):
            if attribute in obj:
                return obj[attribute]
            if attribute not in _METHODS:
                return self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """As in Jinja2; filters ask for very many attributes."""
        EFFORT.step()
        return super().getitem(obj, argument)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Nothing of a secret, and no text method that makes much out of little."""
        if isinstance(obj, Secret | bytes) or attr in _WIDENING:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Macros may call each other."""
        EFFORT.count()
        for given in (*args, *kwargs.values(), args, kwargs):  # a macro has the last two as `varargs` and `kwargs`
            bounded(given)
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        if isinstance(owner, str) and name in _SLOW_METHODS:
            limit_steps(owner, next((part for part in (*args, *kwargs.values()) if isinstance(part, str)), ""))
        if isinstance(owner, str) and (safe := _SAFE_METHODS.get(name)):
            obj = functools.partial(safe, owner)
        result = super().call(context, obj, *args, **kwargs)
        return bounded(list(result) if isinstance(result, KeysView | ValuesView | ItemsView) else result)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Refuse what would fill the memory."""
        if operator == "*":
            for one, other in ((left, right), (right, left)):
                if isinstance(one, str | list | tuple) and isinstance(other, int) and len(one) * other > LARGEST:
                    raise SecurityError(f"a result longer than {LARGEST} characters")
        if operator == "+" and isinstance(left, str | list | tuple) and isinstance(right, str | list | tuple):
            allowed(len(left) + len(right))
        if operator == "**" and (abs(left) > 10**6 or abs(right) > 64):
            raise SecurityError("a power of such large numbers")
        if operator == "%" and isinstance(left, str):
            raise SecurityError("% on text; join with ~ or use the filter format")
        return bounded(super().call_binop(context, operator, left, right))


def _deeper_than(parsed: nodes.Template, most: int) -> bool:
    level: list[nodes.Node] = [parsed]
    for _ in range(most):
        level = [inner for node in level for inner in node.iter_child_nodes()]
        if not level:
            return False
    return True
