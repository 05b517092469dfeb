"""Expressions in workflows and type files: Jinja2 in its immutable sandbox, with values of their own types.

A text that is one expression gives the expression's value itself: ``"{{ 3 }}"`` is the number 3, and
``"007"`` out of the data stays text. Text around an expression makes text: nothing for None, ``true`` and
``false``, JSON for lists and mappings. What comes from data is only ever a value, never a template.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from jinja2 import Template, TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.utils import missing
from jinja2.visitor import NodeTransformer

from changewire.amplifiers import limited
from changewire.effort import EFFORT, LARGEST
from changewire.errors import nearest
from changewire.filters import PATTERN_FILTERS
from changewire.patterns import compile_pattern
from changewire.secret import masked_excerpt
from changewire.template_sandbox import (
    BOUNDED,
    COUNTED,
    HIDDEN,
    JOINED,
    LONGEST_MESSAGE,
    TOO_DEEP,
    TOO_LONG,
    MissingError,
    Path,
    Sandbox,
    TemplateError,
    plain,
    text_of,
)
from changewire.template_words import fault, trouble
from changewire.values import Json, storable_text

__all__ = ["HIDDEN", "LARGEST", "Path", "Sandbox", "TemplateError", "Templates", "text_of"]

_COMPILED = 4096  # compiled templates that are kept
_APPLYING = {"map", "select", "reject", "selectattr", "rejectattr"}  # filters that apply the filter or test they name
_VALUE = f"{HIDDEN}value_of_the_expression"


class ExpressionProblem(NamedTuple):
    """One thing that is wrong with an expression."""

    path: Path  # of its text
    message: str
    before: str = ""  # the part of the text that stands before it


class Compiled:
    """One template, ready to be rendered."""

    __slots__ = ("_largest", "_native", "_template", "_text")

    def __init__(self, sandbox: Sandbox, text: str, largest: int) -> None:
        self._text, self._largest = text, largest
        EFFORT.begin(largest)  # Jinja2 works out constant parts here
        try:
            self._compile(sandbox, sandbox.parse(text))
        finally:
            EFFORT.end()

    def _compile(self, sandbox: Sandbox, parsed: nodes.Template) -> None:
        parsed = _Limiter().visit(parsed)
        parsed.set_environment(sandbox)
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
        EFFORT.begin(self._largest)
        try:
            context = self._template.new_context(scope)  # type: ignore[arg-type]
            if self._native:
                for _ in self._template.root_render_func(context):
                    pass
                return plain(context.vars[_VALUE], self._largest)
            return self._joined(self._template.root_render_func(context))
        except TemplateError as error:
            raise TemplateError(f"{_short(self._text)}: {error.message}") from None
        except MissingError as error:
            raise _unknown(self._text, error, scope) from None
        except SecurityError as error:
            raise TemplateError(f"{_short(self._text)}: not allowed: {_trouble(str(error))}") from None
        except Exception as error:  # whatever Python, Jinja2 or a filter raises on this data: it is the expression's
            raise TemplateError(f"{_short(self._text)}: {_words(error)}") from None
        finally:
            EFFORT.end()

    def _joined(self, pieces: Iterator[str]) -> str:
        left, kept = LARGEST, []
        for piece in pieces:
            left -= len(piece)
            if left < 0:
                raise TemplateError(f"the result is longer than {LARGEST} characters; take only the part needed")
            kept.append(piece)
        return storable_text("".join(kept))


class _Limiter(NodeTransformer):
    """Puts a limit around each loop, each list and mapping that an expression makes, and each ``~``."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, COUNTED, [], [], None, None, lineno=node.lineno)
        return node

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return node if _is_constant(node.items) else _through(BOUNDED, node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return node if node.ctx != "load" or _is_constant(node.items) else _through(BOUNDED, node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _through(BOUNDED, node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _through(JOINED, nodes.List(node.nodes, lineno=node.lineno))


def _through(name: str, node: nodes.Expr) -> nodes.Expr:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _is_constant(parts: list[nodes.Expr]) -> bool:
    return all(isinstance(part, nodes.Const) for part in parts)


def _words(error: Exception) -> str:
    """What went wrong, also if the error itself says nothing."""
    if isinstance(error, MemoryError):
        return "too large"
    return _trouble(str(error)) or f"it failed with {type(error).__name__}"


def _trouble(message: str) -> str:
    """`trouble` of the beginning of a message, which may quote a value."""
    return trouble(masked_excerpt(message, LONGEST_MESSAGE, "…"))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return masked_excerpt(text, 80, "...")


def _unknown(text: str, error: MissingError, scope: Mapping[str, Any]) -> TemplateError:
    if error.obj is missing:
        known = [name for name in scope if not name.startswith(HIDDEN)]
        where = "there is no name"
    elif isinstance(error.obj, Mapping):
        known, where = [k for k in error.obj if isinstance(k, str)], "there is no field"
    else:
        return TemplateError(f"{_short(text)}: {_trouble(error.message or '')}")
    near = nearest(error.name, known)
    listed = "" if near or not known else f"; known here: {', '.join(sorted(known)[:12])}"
    return TemplateError(f"{_short(text)}: {where} {error.name!r}{listed}", suggestion=near)


class Templates:
    """A set of filters and the templates compiled with them. Thread-safe.

    ``sandbox`` None: a usual one. ``largest``: the characters that the value of one expression may have in all.
    """

    def __init__(
        self,
        extra_filters: Mapping[str, Callable[..., Any]] | None = None,
        sandbox: Sandbox | None = None,
        largest: int = LARGEST,
    ) -> None:
        self._sandbox = sandbox or Sandbox()
        self._sandbox.filters.update({name: limited(code) for name, code in (extra_filters or {}).items()})
        self._compiled = functools.lru_cache(_COMPILED)(functools.partial(Compiled, self._sandbox, largest=largest))
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
            wrong = self._wrong(text) or self._told(text, error)
            raise TemplateError(wrong.message, path) from None
        except TemplateError as error:
            if not path:
                raise
            raise TemplateError(error.message, path, error.suggestion) from None
        except Exception as error:  # of the Python code that it is compiled to
            raise TemplateError(f"{_short(text)}: too long or nested too deeply: {error}", path) from None

    def condition(self, value: Json, scope: Mapping[str, Any]) -> bool:
        """Whether a ``when`` holds: not where empty, ``false`` or ``0`` as text. Raises TemplateError."""
        found = self.render(value.strip() if isinstance(value, str) else value, scope)
        if isinstance(found, str):
            return found.strip().lower() not in {"", "false", "0"}
        return bool(found)

    def expression_problems(self, value: Json, path: Path = ()) -> list[ExpressionProblem]:
        """What is wrong with the expressions in ``value`` as they are written."""
        if isinstance(value, dict):
            return [p for key, inner in value.items() for p in self.expression_problems(inner, (*path, key))]
        if isinstance(value, list | tuple):
            return [p for n, inner in enumerate(value) for p in self.expression_problems(inner, (*path, n))]
        if not isinstance(value, str) or not has_expression(value):
            return []
        wrong = self._wrong(value)
        return [] if wrong is None else [wrong._replace(path=path)]

    def _told(self, text: str, error: TemplateSyntaxError) -> ExpressionProblem:
        ours = error.message in {TOO_DEEP, TOO_LONG}
        words, before = (str(error.message), "") if ours else fault(self._sandbox, text, error)
        return ExpressionProblem((), f"{_short(text)}: {words}", before)

    def _find_wrong(self, text: str) -> ExpressionProblem | None:
        """What is wrong with one text; None: nothing. Compiling would find the same at eight times the price."""
        try:
            parsed = self._sandbox.parse(text)
        except TemplateSyntaxError as error:
            return self._told(text, error)
        if _files(parsed):
            return ExpressionProblem((), "a template cannot use other files")
        for kind, known in ((nodes.Filter, self._sandbox.filters), (nodes.Test, self._sandbox.tests)):
            for node in parsed.find_all(kind):
                if node.name not in known:
                    near = nearest(node.name, known)
                    hint = f"; did you mean {near!r}?" if near else ""
                    words = f"{_short(text)}: there is no {kind.__name__.lower()} {node.name!r}{hint}"
                    return ExpressionProblem((), words)
        wrong = _wrong_pattern(parsed)
        return None if wrong is None else ExpressionProblem((), f"{_short(text)}: {wrong}")

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


def _wrong_pattern(parsed: nodes.Template) -> str | None:
    """What is wrong with a regular expression that stands in an expression as it is; None: nothing."""
    for node in parsed.find_all((nodes.Filter, nodes.Test)):
        words = [node.name, *(arg.value if isinstance(arg, nodes.Const) else None for arg in node.args)]
        place = next((n for n, word in enumerate(words[:-1]) if word in PATTERN_FILTERS), None)
        if place is None or (place and node.name not in _APPLYING) or not isinstance(words[place + 1], str):
            continue
        try:
            compile_pattern(words[place + 1])
        except ValueError as error:
            return str(error)
    return None


_EXPRESSION = re.compile(r"\{[{%#]")


def has_expression(text: str) -> bool:
    """Whether there is anything to work out in ``text``."""
    return "{" in text and _EXPRESSION.search(text) is not None


def literal_part(text: str) -> tuple[str, bool]:
    """The part of ``text`` before its first expression, and whether that is all of it."""
    found = _EXPRESSION.search(text)
    return (text, True) if found is None else (text[: found.start()], False)


def environment(extra_filters: Mapping[str, Callable[..., Any]] | None = None) -> Templates:
    """Templates with further filters; None gives the usual ones only."""
    return Templates(extra_filters)


_usual = Templates()
render = _usual.render
condition = _usual.condition
expression_problems = _usual.expression_problems
names_used = _usual.names_used
parse = _usual.parse
