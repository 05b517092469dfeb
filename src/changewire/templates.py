"""Expressions in workflows and type files: Jinja2 in its immutable sandbox, with values of their own types.

A text that is one expression gives the expression's value itself: ``"{{ 3 }}"`` is the number 3, and
``"007"`` out of the data stays text. Text around an expression makes text: nothing for None, ``true`` and
``false``, JSON for lists and mappings. What comes from data is only ever a value, never a template.
"""

from __future__ import annotations

import functools
import re
import threading
import time
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from contextlib import suppress
from typing import Any

import orjson
from jinja2 import StrictUndefined, Template, TemplateSyntaxError, UndefinedError, meta, nodes
from jinja2.exceptions import SecurityError, TemplateRuntimeError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from changewire.errors import ChangewireError, nearest
from changewire.filters import FILTERS, TESTS
from changewire.secret import Secret, mask
from changewire.values import Json

_STRICT = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
LARGEST = 1 << 20  # characters a rendered value may have in all
LONGEST_S = 5.0  # seconds of processor time that one text may take
DEEPEST = 90  # levels of an expression inside each other; Python itself cannot take many more
_COMPILED = 4096  # compiled templates that are kept
HIDDEN = "changewire_"  # how names in a scope begin that are not for people
_VALUE = f"{HIDDEN}value_of_the_expression"
_COUNTED = f"{HIDDEN}counted"
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


def _plain(value: Any) -> Json:
    """``value`` as plain data of bounded size; iterators and tuples become lists."""
    if isinstance(value, dict | list):
        with suppress(TypeError):  # it is not plain, so each piece is looked at; what is no number is null when stored
            text = orjson.dumps(value, option=_STRICT)
            if len(text) <= LARGEST:
                return orjson.loads(text)
    return _plain_part(value, [LARGEST])


def _plain_part(value: Any, left: list[int]) -> Json:
    left[0] -= len(value) + 1 if isinstance(value, str) else 1
    if left[0] < 0:
        raise TemplateError(f"the result is longer than {LARGEST} characters; take only the part that is needed")
    if value is None or isinstance(value, bool | int | float | Secret):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {_key(k): _plain_part(v, left) for k, v in value.items()}
    if isinstance(value, list | tuple | set | Iterator | KeysView | ValuesView | ItemsView):
        return [_plain_part(v, left) for v in value]
    if isinstance(value, StrictUndefined):
        str(value)  # raises what the unknown name wants to say
    raise TemplateError(f"the result is a {type(value).__name__}, not plain data; is a pair of brackets missing?")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TemplateError(f"{key!r} cannot be a key: keys are text")
    return key


class _Effort(threading.local):
    """What this thread's rendering has cost. Processor time and no clock: it is a limit on work, not a deadline."""

    until = 0.0

    def begin(self) -> None:
        self.until = time.thread_time() + LONGEST_S

    def count(self) -> None:
        """Called on each turn of a loop and on each call. Raises SecurityError."""
        if time.thread_time() > self.until:
            raise SecurityError(f"more than {LONGEST_S:g} seconds of work; loop over less")

    def counted(self, values: Iterable[Any]) -> Iterator[Any]:
        """The values of a loop, of which loops inside it may make very many turns."""
        for value in values:
            self.count()
            yield value


_EFFORT = _Effort()


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2 with our filters and without its ways to fill the memory or to go on for ever."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=_Missing, finalize=text_of, autoescape=False, keep_trailing_newline=True)
        self.filters.update(FILTERS)
        self.filters[_COUNTED] = _EFFORT.counted
        self.tests.update(TESTS)
        for name in ("lipsum", "cycler", "joiner"):
            del self.globals[name]
        del self.filters["center"]

    def parse(self, source: str, name: str | None = None, filename: str | None = None) -> nodes.Template:
        """The syntax tree of a text. Raises TemplateSyntaxError, also where it is nested too deeply to be compiled."""
        try:
            parsed = super().parse(source, name, filename)
        except RecursionError:
            raise TemplateSyntaxError(_TOO_DEEP, 1) from None
        if len(source) > DEEPEST and _deeper_than(parsed, DEEPEST):
            raise TemplateSyntaxError(_TOO_DEEP, 1)
        return parsed

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

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Macros may call each other."""
        _EFFORT.count()
        return super().call(context, obj, *args, **kwargs)

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


_TOO_DEEP = f"more than {DEEPEST} levels inside each other: take a list and 'in', or 'set' parts of it before"


def _deeper_than(parsed: nodes.Template, most: int) -> bool:
    level: list[nodes.Node] = [parsed]
    for _ in range(most):
        level = [inner for node in level for inner in node.iter_child_nodes()]
        if not level:
            return False
    return True


class Compiled:
    """One template, ready to be rendered."""

    __slots__ = ("_native", "_template", "_text")

    def __init__(self, sandbox: Sandbox, text: str) -> None:
        self._text = text
        parsed = sandbox.parse(text)
        for loop in parsed.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, _COUNTED, [], [], None, None, lineno=loop.lineno)
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
        """The value of the expression, or the text. Raises TemplateError."""
        _EFFORT.begin()
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
        known = [name for name in scope if not name.startswith(HIDDEN)]
        where = "there is no name"
    elif isinstance(error.obj, Mapping):
        known, where = [k for k in error.obj if isinstance(k, str)], "there is no field"
    else:
        return TemplateError(f"{_short(text)}: {error.message}")
    near = nearest(error.name, known)
    listed = "" if near or not known else f"; known here: {', '.join(sorted(known)[:12])}"
    return TemplateError(f"{_short(text)}: {where} {error.name!r}{listed}", suggestion=near)


class Templates:
    """A set of filters and the templates compiled with them. Thread-safe. ``sandbox`` None: a usual one."""

    def __init__(
        self, extra_filters: Mapping[str, Callable[..., Any]] | None = None, sandbox: Sandbox | None = None
    ) -> None:
        self._sandbox = sandbox or Sandbox()
        self._sandbox.filters.update(extra_filters or {})
        self._compiled = functools.lru_cache(_COMPILED)(functools.partial(Compiled, self._sandbox))
        self._parsed = functools.lru_cache(_COMPILED)(self._parse)
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
        except (SyntaxError, RecursionError, MemoryError) as error:  # of the Python code that it is compiled to
            raise TemplateError(f"{_short(text)}: too long or nested too deeply: {error}", path) from None
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

    def parse(self, text: str) -> nodes.Template | None:
        """The syntax tree of a text, for reading only; None where it cannot be parsed."""
        return self._parsed(text)

    def _parse(self, text: str) -> nodes.Template | None:
        try:
            return self._sandbox.parse(text)
        except TemplateSyntaxError:
            return None

    def names_used(self, value: Json) -> set[str]:
        """The names that ``value`` asks the scope for, as far as they are fixed: ``steps.files.topic``.

        A method is not one of them, but what it is called on is: ``payload.email`` of ``payload.email.endswith('x')``.
        """
        if isinstance(value, dict | list | tuple):
            inner = value.values() if isinstance(value, dict) else value
            return set().union(*(self.names_used(v) for v in inner))
        if not isinstance(value, str) or not has_expression(value):
            return set()
        parsed = self._sandbox.parse(value)
        free = meta.find_undeclared_variables(parsed)
        called = {id(call.node) for call in parsed.find_all(nodes.Call)}
        asked = [n for n in parsed.find_all((nodes.Name, nodes.Getattr, nodes.Getitem)) if id(n) not in called]
        found = {_dotted(n) for n in asked}
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
parse = _usual.parse
