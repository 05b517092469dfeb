"""Expressions in workflows and type files: Jinja2 in its immutable sandbox, with values of their own types.

A text that is one expression gives the expression's value itself: ``"{{ 3 }}"`` is the number 3, and
``"007"`` out of the data stays text. Text around an expression makes text: nothing for None, ``true`` and
``false``, JSON for lists and mappings. What comes from data is only ever a value, never a template.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
import unicodedata
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from jinja2 import StrictUndefined, Template, TemplateSyntaxError, UndefinedError, meta, nodes
from jinja2.exceptions import SecurityError, TemplateRuntimeError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from changewire.clock import from_text
from changewire.durations import parse_duration
from changewire.errors import ChangewireError, nearest
from changewire.secret import Secret, mask
from changewire.values import Json

LARGEST = 1 << 20  # characters a rendered value may have in all
_COMPILED = 4096  # compiled templates that are kept
_LONGEST_TEXT = 100_000  # characters a regular expression may look through
_LONGEST_PATTERN = 500  # characters of a regular expression
_NESTED = re.compile(r"\([^()]*(?<!\\)[+*}][^()]*\)\s*[+*{]")
_WIDE = re.compile(r"%[^a-zA-Z%]*(?:\d{5,}|\*)")
_VALUE = "changewire_value_of_the_expression"
_METHODS = {"items", "keys", "values", "get"}  # of a mapping
_WIDENING = {"center", "expandtabs", "format", "format_map", "ljust", "rjust", "zfill", "translate"}

Path = tuple[str | int, ...]


class TemplateError(ChangewireError):
    """An expression could not be worked out."""

    def __init__(self, message: str, path: Path = (), suggestion: str | None = None) -> None:
        hint = f" (did you mean {suggestion!r}?)" if suggestion else ""
        place = f"{'.'.join(map(str, path))}: " if path else ""
        super().__init__(mask(f"{place}{message}{hint}"))
        self.message = message  # without place and hint
        self.path = path  # where in the rendered value; () for the value itself
        self.suggestion = suggestion  # the nearest known name; None when none is near


class _MissingError(UndefinedError):
    def __init__(self, obj: Any, name: str, message: str) -> None:
        super().__init__(message)
        self.obj = obj
        self.name = name


class _Missing(StrictUndefined):
    """An unknown name. What is below it is unknown, too, so ``a.b.c | default(1)`` needs only one default."""

    __slots__ = ()

    def __init__(self, hint: Any = None, obj: Any = missing, name: Any = None, exc: Any = UndefinedError) -> None:
        if exc is UndefinedError:
            exc = functools.partial(_MissingError, obj, str(name))
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
    return orjson.dumps(_plain(value)).decode()


def _plain(value: Any, left: list[int] | None = None) -> Json:
    """``value`` as plain data of bounded size; iterators and tuples become lists."""
    left = left if left is not None else [LARGEST]
    left[0] -= len(value) + 1 if isinstance(value, str) else 1
    if left[0] < 0:
        raise TemplateError(f"the result is longer than {LARGEST} characters; take only the part that is needed")
    if value is None or isinstance(value, bool | int | float | Secret):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {_key(k): _plain(v, left) for k, v in value.items()}
    if isinstance(value, list | tuple | set | Iterator | KeysView | ValuesView | ItemsView):
        return [_plain(v, left) for v in value]
    if isinstance(value, StrictUndefined):
        str(value)  # raises what the unknown name wants to say
    raise TemplateError(f"the result is a {type(value).__name__}, not plain data; is a pair of brackets missing?")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TemplateError(f"{key!r} cannot be a key: keys are text")
    return key


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON text; with any ``indent``, spread over lines."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else None).decode()


def from_json(value: str) -> Json:
    """The data that a JSON text holds."""
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"from_json: not JSON, see character {error.pos}") from None


def slug(value: Any, longest: int = 80) -> str:
    """Letters, digits and hyphens only, fit for a file name: ``Weekly sync!`` becomes ``weekly-sync``."""
    plain = unicodedata.normalize("NFKD", str(value)).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:longest].rstrip("-")


def _moment(value: Any) -> datetime:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    try:
        return from_text(value)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is not a moment: write 2026-11-21T10:00:00Z or seconds since 1970") from None


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def date(value: Any, pattern: str | None = None, tz: str = "UTC") -> str:
    """A moment (RFC 3339 text or seconds since 1970) in a time zone, by ``strftime``, else RFC 3339."""
    try:
        moment = _moment(value).astimezone(ZoneInfo(tz))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        if str(error).startswith(repr(value)):
            raise
        raise ValueError(f"{tz!r} is not a time zone; write one such as Europe/Berlin") from None
    return moment.strftime(pattern) if pattern else _iso(moment)


def add_duration(value: Any, duration: str | float) -> str:
    """A moment later by ``2h``, or earlier by ``-2h``; RFC 3339."""
    text = str(duration).strip()
    amount = parse_duration(text.lstrip("-")) if not _number(text) else parse_duration(abs(float(text)))
    return _iso(_moment(value) - amount if text.startswith("-") else _moment(value) + amount)


def _number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", text) is not None


def _regex(pattern: str, text: Any) -> re.Pattern[str]:
    if len(pattern) > _LONGEST_PATTERN or len(str(text)) > _LONGEST_TEXT:
        raise ValueError(f"regular expressions: at most {_LONGEST_PATTERN} characters on {_LONGEST_TEXT} of text")
    if _NESTED.search(pattern):
        raise ValueError(f"{pattern!r} repeats a group that repeats inside: this can take for ever")
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None


def regex_replace(value: Any, pattern: str, replacement: str = "") -> str:
    r"""Every match replaced; ``\1`` stands for the first group."""
    return _regex(pattern, value).sub(replacement, str(value))


def regex_search(value: Any, pattern: str) -> str | None:
    """The first match, or its first group where there is one; None where nothing matches."""
    found = _regex(pattern, value).search(str(value))
    return None if found is None else found.group(1 if found.re.groups else 0)


def b64encode(value: Any) -> str:
    """Base64 of the text's UTF-8 bytes."""
    return base64.b64encode(str(value).encode()).decode()


def b64decode(value: str) -> str:
    """The text that base64 holds."""
    return base64.b64decode(value).decode()


def hash_text(value: Any, algorithm: str = "sha256") -> str:
    """The hexadecimal digest of the text's UTF-8 bytes; sha256, sha512, sha1 or md5."""
    if algorithm not in {"sha256", "sha512", "sha1", "md5"}:
        raise ValueError(f"hash: {algorithm!r} is not known; use sha256, sha512, sha1 or md5")
    return hashlib.new(algorithm, str(value).encode(), usedforsecurity=False).hexdigest()


def format_text(value: str, *parts: Any) -> str:
    """``"%05d" | format(7)``."""
    if _WIDE.search(value):
        raise ValueError(f"format: {value!r} is too wide")
    return value % parts


FILTERS: dict[str, Callable[..., Any]] = {
    "add_duration": add_duration,
    "b64decode": b64decode,
    "b64encode": b64encode,
    "date": date,
    "format": format_text,
    "from_json": from_json,
    "hash": hash_text,
    "json": to_json,
    "regex_replace": regex_replace,
    "regex_search": regex_search,
    "slug": slug,
    "tojson": to_json,
}


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=_Missing, finalize=text_of, autoescape=False, keep_trailing_newline=True)
        self.filters.update(FILTERS)
        for name in ("lipsum", "cycler", "joiner"):
            del self.globals[name]
        del self.filters["center"]

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Data first: ``payload.items`` is the field ``items`` where there is one."""
        if isinstance(obj, dict):
            if attribute in obj:
                return obj[attribute]
            if attribute not in _METHODS:
                return self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Nothing of a secret, and no text method that makes much out of little."""
        if isinstance(obj, Secret) or (isinstance(obj, str) and attr in _WIDENING):
            return False
        return super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Refuse what would fill the memory."""
        if operator == "*":
            for one, other in ((left, right), (right, left)):
                if isinstance(one, str | list | tuple) and isinstance(other, int) and len(one) * other > LARGEST:
                    raise SecurityError(f"a result longer than {LARGEST} characters")
        if operator == "**" and (abs(left) > 10**6 or abs(right) > 64):
            raise SecurityError("a power of such large numbers")
        if operator == "%" and isinstance(left, str):
            raise SecurityError("% on text; join with ~ or use the filter format")
        return super().call_binop(context, operator, left, right)


class _Compiled:
    """One template, ready to be rendered."""

    __slots__ = ("_native", "_template", "_text")

    def __init__(self, sandbox: _Sandbox, text: str) -> None:
        self._text = text
        parsed = sandbox.parse(text)
        body = parsed.body
        self._native = (
            len(body) == 1
            and isinstance(body[0], nodes.Output)
            and len(body[0].nodes) == 1
            and not isinstance(body[0].nodes[0], nodes.TemplateData)
        )
        if self._native:
            expression = body[0].nodes[0]  # type: ignore[attr-defined]
            target = nodes.Name(_VALUE, "store", lineno=1)
            parsed = nodes.Template([nodes.Assign(target, expression, lineno=1)], lineno=1)
            parsed.set_environment(sandbox)
        self._template: Template = sandbox.from_string(parsed)
        self._template.globals = dict(self._template.globals)  # they never change, and a ChainMap is slow to go through

    def render(self, scope: Mapping[str, Any]) -> Json:
        try:
            context = self._template.new_context(scope)  # type: ignore[arg-type]
            if self._native:
                for _ in self._template.root_render_func(context):
                    pass
                return _plain(context.vars[_VALUE])
            return self._joined(self._template.root_render_func(context))
        except TemplateError as error:
            raise TemplateError(f"{_short(self._text)}: {error.message}") from None
        except _MissingError as error:
            raise _unknown(self._text, error, scope) from None
        except SecurityError as error:
            raise TemplateError(f"{_short(self._text)}: not allowed: {error}") from None
        except (
            TemplateRuntimeError,
            ArithmeticError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:
            raise TemplateError(f"{_short(self._text)}: {error}") from None
        except (RecursionError, NameError, MemoryError) as error:
            raise TemplateError(f"{_short(self._text)}: {error or 'too large'}") from None

    def _joined(self, pieces: Iterator[str]) -> str:
        left, kept = LARGEST, []
        for piece in pieces:
            left -= len(piece)
            if left < 0:
                raise TemplateError(f"the result is longer than {LARGEST} characters; take only the part needed")
            kept.append(piece)
        return "".join(kept)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def _unknown(text: str, error: _MissingError, scope: Mapping[str, Any]) -> TemplateError:
    if error.obj is missing:
        known, where = list(scope), "there is no name"
    elif isinstance(error.obj, Mapping):
        known, where = [k for k in error.obj if isinstance(k, str)], "there is no field"
    else:
        return TemplateError(f"{_short(text)}: {error.message}")
    near = nearest(error.name, known)
    listed = "" if near or not known else f"; known here: {', '.join(sorted(known)[:12])}"
    return TemplateError(f"{_short(text)}: {where} {error.name!r}{listed}", suggestion=near)


class Templates:
    """A set of filters and the templates compiled with them. Thread-safe."""

    def __init__(self, extra_filters: Mapping[str, Callable[..., Any]] | None = None) -> None:
        self._sandbox = _Sandbox()
        self._sandbox.filters.update(extra_filters or {})
        self._compiled = functools.lru_cache(_COMPILED)(functools.partial(_Compiled, self._sandbox))
        self._wrong = functools.lru_cache(_COMPILED)(self._find_wrong)

    def render(self, value: Json, scope: Mapping[str, Any], path: Path = ()) -> Json:
        """``value`` with every expression in it worked out; lists and mappings are gone through, keys stay.

        A text without an expression and a `Secret` come back untouched. Raises TemplateError with the path.
        """
        if isinstance(value, str):
            return self._render_text(value, scope, path) if has_expression(value) else value
        if isinstance(value, dict):
            return {key: self.render(inner, scope, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.render(inner, scope, (*path, n)) for n, inner in enumerate(value)]
        return value

    def _render_text(self, text: str, scope: Mapping[str, Any], path: Path) -> Json:
        try:
            return self._compiled(text).render(scope)
        except TemplateSyntaxError as error:
            raise TemplateError(f"{_short(text)}: {error.message}", path) from None
        except TemplateError as error:
            if not path:
                raise
            raise TemplateError(error.message, path, error.suggestion) from None

    def condition(self, value: Json, scope: Mapping[str, Any]) -> bool:
        """Whether a ``when`` holds: not where empty, ``false`` or ``0`` as text. Raises TemplateError."""
        found = self.render(value.strip() if isinstance(value, str) else value, scope)
        if isinstance(found, str):
            return found.strip().lower() not in {"", "false", "0"}
        return bool(found)

    def expression_problems(self, value: Json, path: Path = ()) -> list[tuple[Path, str]]:
        """What is wrong with the expressions in ``value`` as they are written: (path, words) each."""
        if isinstance(value, dict):
            return [p for key, inner in value.items() for p in self.expression_problems(inner, (*path, key))]
        if isinstance(value, list | tuple):
            return [p for n, inner in enumerate(value) for p in self.expression_problems(inner, (*path, n))]
        if not isinstance(value, str) or not has_expression(value):
            return []
        message = self._wrong(value)
        return [] if message is None else [(path, message)]

    def _find_wrong(self, text: str) -> str | None:
        """What is wrong with one text; None: nothing. Compiling would find the same at eight times the price."""
        try:
            parsed = self._sandbox.parse(text)
        except TemplateSyntaxError as error:
            return f"{_short(text)}: {error.message}"
        if _files(parsed):
            return "a template cannot use other files"
        for kind, known in ((nodes.Filter, self._sandbox.filters), (nodes.Test, self._sandbox.tests)):
            for node in parsed.find_all(kind):
                if node.name not in known:
                    near = nearest(node.name, known)
                    hint = f"; did you mean {near!r}?" if near else ""
                    return f"{_short(text)}: there is no {kind.__name__.lower()} {node.name!r}{hint}"
        return None

    def names_used(self, value: Json) -> set[str]:
        """The names that ``value`` asks the scope for, as far as they are fixed: ``steps.files.topic``."""
        if isinstance(value, dict | list | tuple):
            inner = value.values() if isinstance(value, dict) else value
            return set().union(*(self.names_used(v) for v in inner))
        if not isinstance(value, str) or not has_expression(value):
            return set()
        parsed = self._sandbox.parse(value)
        free = meta.find_undeclared_variables(parsed)
        found = {_dotted(n) for n in parsed.find_all((nodes.Name, nodes.Getattr, nodes.Getitem))}
        names = {".".join(parts) for parts in found if parts and parts[0] in free}
        return {name for name in names if not any(other.startswith(f"{name}.") for other in names)}


def _dotted(node: nodes.Node) -> tuple[str, ...]:
    if isinstance(node, nodes.Name):
        return (node.name,)
    if isinstance(node, nodes.Getattr) and (before := _dotted(node.node)):
        return (*before, node.attr)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and (before := _dotted(node.node)):
        return (*before, str(node.arg.value))
    return ()


def _files(parsed: nodes.Template) -> bool:
    return bool(next(parsed.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)), None))


_EXPRESSION = re.compile(r"\{[{%#]")


def has_expression(text: str) -> bool:
    """Whether there is anything to work out in ``text``."""
    return "{" in text and _EXPRESSION.search(text) is not None


def environment(extra_filters: Mapping[str, Callable[..., Any]] | None = None) -> Templates:
    """Templates with further filters; None gives the usual ones only."""
    return Templates(extra_filters)


_usual = Templates()
render = _usual.render
condition = _usual.condition
expression_problems = _usual.expression_problems
names_used = _usual.names_used
