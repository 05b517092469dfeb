"""Names in expressions that cannot exist, found without running anything.

The rule is: no false alarms. A name is told where it cannot be there at all (no such step, no such field of an output
that is documented completely), and where a sample knows a field that is almost spelled like it. A field that is guarded
by ``default(…)``, ``is defined`` or ``'name' in …`` is let through: whoever wrote it expects it to be absent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from jinja2 import nodes

from changewire.actions.checking.shapes import ANYTHING, Entries, Fields, Shape, Steps
from changewire.actions.checking.spots import spot
from changewire.errors import nearest
from changewire.templates import Path, has_expression, parse
from changewire.values import Json

Chain: TypeAlias = tuple[str, ...]  # ("payload", "meeting", "topic")

_METHODS = frozenset({"items", "keys", "values", "get"})  # of any mapping
_GLOBALS = frozenset({"range", "dict", "namespace", "self", "super", "caller", "varargs", "kwargs"})
_SAME_LIST = frozenset(
    {"compact", "list", "reject", "rejectattr", "reverse", "select", "selectattr", "sort", "sort_by", "unique", "where"}
)
_ONE_OF_LIST = frozenset({"first", "last", "max", "min", "random"})
_SHORT = 4  # letters; shorter names are near each other by chance


@dataclass(frozen=True)
class NameProblem:
    """A name that is not there."""

    path: Path  # of the text, in the value that was checked
    message: str  # without the suggestion
    suggestion: str | None  # the nearest name; None: none is near
    certain: bool  # False: a sample makes it very likely
    before: str = ""  # the part of the text that stands before it

    def __str__(self) -> str:
        return self.message + (f" (did you mean {self.suggestion!r}?)" if self.suggestion else "")


def name_problems(
    value: Json, names: Mapping[str, Shape], path: Path = (), guarded: Collection[Chain] = ()
) -> list[NameProblem]:
    """Names in the expressions of ``value`` (a text, or lists and mappings of them) that cannot be there.

    ``names`` is what `shapes.names_of` gives; ``path`` leads to ``value``. ``guarded`` is what `guards` found in the
    conditions around the step. Texts that cannot be parsed are passed over: they have problems of their own.
    """
    allowed = {*guarded, *guards(value)}
    found: dict[NameProblem, None] = {}
    for at, text, parsed in _templates(value, path):
        found |= dict.fromkeys(_Reader(names, at, allowed, text).read(parsed))
    return list(found)


def guards(value: Json) -> set[Chain]:
    """The names whose absence the expressions of ``value`` reckon with: ``x is defined``, ``'x' in payload``."""
    return {chain for _, _, parsed in _templates(value, ()) for chain in _guards_in(parsed)}


def expression_shape(value: Json, names: Mapping[str, Shape]) -> Shape:
    """What is known about the data that an expression gives; for the names that ``set`` makes."""
    if not isinstance(value, str):
        return ANYTHING
    for _, _, parsed in _templates(value, ()):
        body = [one for one in parsed.body if not _is_blank(one)]
        if len(body) == 1 and isinstance(body[0], nodes.Output):
            inner = [one for one in body[0].nodes if not _is_blank(one)]
            return _Reader(names, (), set()).shape(inner[0]) if len(inner) == 1 else ANYTHING
    return ANYTHING


def entry_shape(value: Json, names: Mapping[str, Shape]) -> Shape:
    """What is known about one entry of the list that an expression gives: the loop name of a ``for_each``."""
    shape = expression_shape(value, names)
    return shape.of if isinstance(shape, Entries) else ANYTHING


def _is_blank(node: nodes.Node) -> bool:
    return isinstance(node, nodes.TemplateData) and not node.data.strip()


def _templates(value: Json, path: Path) -> Iterator[tuple[Path, str, nodes.Template]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _templates(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _templates(inner, (*path, number))
    elif isinstance(value, str) and has_expression(value):
        parsed = parse(value)
        if parsed is not None:
            yield path, value, parsed


def _chain(node: nodes.Node) -> Chain:
    """The names that lead to a node as far as they are fixed; () where they are not."""
    if isinstance(node, nodes.Name):
        return (node.name,)
    if isinstance(node, nodes.Getattr) and (before := _chain(node.node)):
        return (*before, node.attr)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and (before := _chain(node.node)):
        return (*before, str(node.arg.value))
    return ()


def _guards_in(parsed: nodes.Template) -> Iterator[Chain]:
    for test in parsed.find_all(nodes.Test):
        if test.name in {"defined", "undefined"} and (chain := _chain(test.node)):
            yield chain
    for compare in parsed.find_all(nodes.Compare):
        for operand in compare.ops:
            chain = _chain(operand.expr)
            if operand.op in {"in", "notin"} and isinstance(compare.expr, nodes.Const) and chain:
                yield (*chain, str(compare.expr.value))


class _Reader:
    """Goes through one template. ``shape`` of an expression tells its problems on the way."""

    def __init__(self, names: Mapping[str, Shape], path: Path, guarded: set[Chain], text: str = "") -> None:
        self._names, self._path, self._guarded, self._text = dict(names), path, guarded, text
        self._unsure = 0  # inside of what may be absent
        self._problems: list[NameProblem] = []

    def read(self, parsed: nodes.Template) -> list[NameProblem]:
        """The problems of a whole template."""
        for name in parsed.find_all(nodes.Name):
            if name.ctx in {"store", "param"}:
                self._names.setdefault(name.name, ANYTHING)
        for macro in parsed.find_all(nodes.Macro):
            self._names.setdefault(macro.name, ANYTHING)
        self._inside(parsed)
        return self._problems

    def _inside(self, node: nodes.Node) -> None:
        for child in node.iter_child_nodes():
            self.shape(child)

    def shape(self, node: nodes.Node) -> Shape:
        """What is known about the value of an expression."""
        if isinstance(node, nodes.Name):
            return self._name(node) if node.ctx == "load" else ANYTHING
        if isinstance(node, nodes.Getattr):
            return self._part(node, node.node, node.attr)
        if isinstance(node, nodes.Getitem):
            return self._entry(node)
        if isinstance(node, nodes.Filter):
            return self._filter(node)
        if isinstance(node, nodes.Test):
            self._test(node)
        elif isinstance(node, nodes.For):
            self._for(node)
        elif isinstance(node, nodes.Assign):
            self._assign(node)
        else:
            self._inside(node)
        return ANYTHING

    def _name(self, node: nodes.Name) -> Shape:
        if node.name in self._names:
            return self._names[node.name]
        if node.name not in _GLOBALS and not self._unsure and (node.name,) not in self._guarded:
            self._say(node, f"there is no name {node.name!r} here", nearest(node.name, self._names), certain=True)
        return ANYTHING

    def _entry(self, node: nodes.Getitem) -> Shape:
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            return self._part(node, node.node, node.arg.value)
        shape = self.shape(node.node)
        self.shape(node.arg)
        if isinstance(node.arg, nodes.Slice):
            return shape
        return shape.of if isinstance(shape, Entries) else ANYTHING

    def _part(self, node: nodes.Node, owner: nodes.Node, name: str) -> Shape:
        shape = self.shape(owner)
        if isinstance(shape, Steps):
            return self._step(shape, name, node)
        if not isinstance(shape, Fields) or name in _METHODS - shape.of.keys():
            return ANYTHING
        if name in shape.of:
            return shape.of[name]
        if not self._unsure and not self._is_guarded(_chain(node)):
            self._field(shape, name, ".".join(_chain(owner)), node)
        return ANYTHING

    def _is_guarded(self, chain: Chain) -> bool:
        return bool(chain) and any(chain[: len(one)] == one for one in self._guarded)

    def _step(self, steps: Steps, name: str, node: nodes.Node) -> Shape:
        """Guarded or not: a step of a wrong name is never there."""
        if name in steps.before:
            return steps.before[name]
        if name in _METHODS:
            return ANYTHING
        if name in steps.later:
            self._say(node, f"step {name!r} comes after this one, so it has no output yet", None, certain=True)
        else:
            known = nearest(name, steps.before)
            self._say(node, f"there is no step {name!r} before this one", known, certain=True)
        return ANYTHING

    def _field(self, shape: Fields, name: str, owner: str, node: nodes.Node) -> None:
        where = f" in {owner}" if owner else ""
        if shape.complete:
            near = nearest(name, shape.of)
            listed = "" if near else f"; it has {', '.join(sorted(shape.of)[:12]) or 'none'}"
            self._say(node, f"there is no field {name!r}{where}{listed}", near, certain=True)
        elif (near := _misspelled(name, shape.of)) is not None:
            self._say(node, f"there is no field {name!r}{where}", near, certain=False)

    def _filter(self, node: nodes.Filter) -> Shape:
        for given in (*node.args, *(pair.value for pair in node.kwargs), node.dyn_args, node.dyn_kwargs):
            if given is not None:
                self.shape(given)
        if node.node is None:  # {% filter … %}
            return ANYTHING
        unsure = node.name in {"default", "d"}
        self._unsure += unsure
        shape = self.shape(node.node)
        self._unsure -= unsure
        if node.name in _SAME_LIST or unsure:
            return shape
        return shape.of if node.name in _ONE_OF_LIST and isinstance(shape, Entries) else ANYTHING

    def _test(self, node: nodes.Test) -> None:
        for given in (*node.args, *(pair.value for pair in node.kwargs)):
            self.shape(given)
        unsure = node.name in {"defined", "undefined"}
        self._unsure += unsure
        self.shape(node.node)
        self._unsure -= unsure

    def _for(self, node: nodes.For) -> None:
        shape = self.shape(node.iter)
        before = dict(self._names)
        self._names["loop"] = ANYTHING
        if isinstance(node.target, nodes.Name):
            self._names[node.target.name] = shape.of if isinstance(shape, Entries) else ANYTHING
        for child in (*([node.test] if node.test else []), *node.body, *node.else_):
            self.shape(child)
        self._names = before

    def _assign(self, node: nodes.Assign) -> None:
        self.shape(node.node)
        if isinstance(node.target, nodes.Name):
            self._names[node.target.name] = ANYTHING

    def _say(self, node: nodes.Node, message: str, suggestion: str | None, *, certain: bool) -> None:
        named = _chain(node) or (node.attr if isinstance(node, nodes.Getattr) else node.arg.value,)  # type: ignore[attr-defined]
        before = self._text[: spot(self._text, named, node.lineno)]
        self._problems.append(NameProblem(self._path, message, suggestion, certain, before))


def _misspelled(name: str, known: Collection[str]) -> str | None:
    """The known name that ``name`` is very likely meant to be: one slip away, or two where both are long."""
    if len(name) < _SHORT or not isinstance(name, str):
        return None
    near = nearest(name, [one for one in known if len(one) >= _SHORT])
    most = 1 if len(name) < 8 else 2
    return (
        near if near is not None and 0 < _slips(name, near) <= most and near.rstrip("s") != name.rstrip("s") else None
    )


def _slips(one: str, other: str) -> int:
    """How many letters were left out, added, changed or swapped with their neighbour."""
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]
