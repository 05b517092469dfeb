"""Texts with both expressions and ``${VARIABLES}``. A variable's value is only ever a value, whatever it holds.

The template is compiled with a name in place of each variable, also inside of its string literals, and the values come
in when it is rendered. What filters, methods and slices make of them is hidden by the mask, see `changewire.secret`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, unquote

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from changewire.config.environment import Environment
from changewire.secret import learn_derived
from changewire.templates import HIDDEN, Path, Sandbox, TemplateError, Templates, text_of
from changewire.values import Json

_NAME = f"{HIDDEN}variable_"
_NAMED = re.compile(rf"({_NAME}\d+)")
_SLICE = f"{HIDDEN}slice"
_PART = f"{HIDDEN}address_part"
_SEPARATOR = re.compile(r"[,;\s/\\]")


def render_with_variables(
    text: str, scope: Mapping[str, Any], environment: Environment, path: Path = (), *, encode: bool = False
) -> Json:
    """``text`` with its variables filled in and its expressions worked out. Raises UnsetError, TemplateError.

    ``encode``: it is an address, of which expressions beside other text give percent-encoded parts.
    """
    lifted, variables = environment.lift(text, _NAME)
    templates = _ADDRESSES if encode else _TEMPLATES
    try:
        return templates.render(lifted, {**scope, **{name: one.value for name, one in variables.items()}}, path)
    except TemplateError as error:
        message = _NAMED.sub(lambda found: variables[found[0]].written, error.message)
        raise TemplateError(message, error.path, error.suggestion) from None


def _source(value: Any) -> str:
    """The text that a filter or a method works on; empty where it is none."""
    if isinstance(value, list | tuple):
        return "\n".join(one for one in value if isinstance(one, str))
    return value if isinstance(value, str) else ""


def _watched(code: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose result is hidden where it is made of a secret. Jinja2's own may get their context first."""
    leading = hasattr(code, "jinja_pass_arg")

    @functools.wraps(code)
    def watched(*given: Any, **named: Any) -> Any:
        made = code(*given, **named)
        if len(given) > leading:
            learn_derived(_source(given[leading]), made)
        return made

    return watched


def _cut(value: Any, start: int | None, stop: int | None, step: int | None) -> Any:
    return value[start:stop:step]


class _WatchingSandbox(Sandbox):
    def __init__(self) -> None:
        super().__init__()
        self.filters.update({_SLICE: _cut})
        self.filters.update({name: _watched(code) for name, code in self.filters.items()})

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        parsed: nodes.Template = _Rewriter().visit(super()._parse(source, name, filename))
        parsed.set_environment(self)
        return parsed

    def call(self, context: Any, obj: Any, /, *given: Any, **named: Any) -> Any:
        made = super().call(context, obj, *given, **named)
        learn_derived(_source(getattr(obj, "__self__", None)), made)
        return made


class _AddressSandbox(_WatchingSandbox):
    """Puts what an expression gives into its place of an address, so that it adds no host, recipient or option."""

    def __init__(self) -> None:
        super().__init__()
        self.filters.update({_PART: address_part})

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        parsed = super()._parse(source, name, filename)
        outputs = list(parsed.find_all(nodes.Output))
        if len(outputs) == 1 and len(outputs[0].nodes) == 1:
            return parsed  # an address that is wholly one expression
        for output in outputs:
            output.nodes = [node if _is_written(node) else _encoded(node) for node in output.nodes]
        return parsed


def _is_written(node: nodes.Node) -> bool:
    return isinstance(node, nodes.TemplateData) or (isinstance(node, nodes.Name) and node.name.startswith(_NAME))


def _encoded(node: nodes.Expr) -> nodes.Expr:
    return nodes.Filter(node, _PART, [], [], None, None, lineno=node.lineno)


def address_part(value: Json) -> str:
    """Return ``value`` percent-encoded as one part of an address; what is encoded already stays as it is.

    Raises TemplateError for what services would take for several parts.
    """
    text = text_of(value)
    if _SEPARATOR.search(unquote(unquote(text))):
        raise TemplateError("what goes into an address cannot hold blanks, ',', ';' or '/': it is one part of it")
    return quote(text, safe="%")


class _Rewriter(NodeTransformer):
    """Takes the names of variables out of texts, and makes slices a filter, so that they can be watched."""

    def visit_TemplateData(self, node: nodes.TemplateData) -> list[nodes.Node]:  # noqa: N802
        return self._parts(node.data, node, nodes.TemplateData)

    def visit_Const(self, node: nodes.Const) -> nodes.Node:  # noqa: N802
        if not isinstance(node.value, str) or _NAME not in node.value:
            return node
        parts = self._parts(node.value, node, nodes.Const)
        return parts[0] if len(parts) == 1 else nodes.Concat(parts, lineno=node.lineno)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        bounds = (node.arg.start, node.arg.stop, node.arg.step)
        arguments = [one or nodes.Const(None, lineno=node.lineno) for one in bounds]
        return nodes.Filter(node.node, _SLICE, arguments, [], None, None, lineno=node.lineno)

    def _parts(self, text: str, node: nodes.Node, kind: Callable[..., nodes.Node]) -> list[nodes.Node]:
        pieces = [piece for piece in _NAMED.split(text) if piece]
        return [
            nodes.Name(piece, "load", lineno=node.lineno)
            if _NAMED.fullmatch(piece)
            else kind(piece, lineno=node.lineno)
            for piece in pieces
        ]


_TEMPLATES = Templates(sandbox=_WatchingSandbox())
_ADDRESSES = Templates(sandbox=_AddressSandbox())
