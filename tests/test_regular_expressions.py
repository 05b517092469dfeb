"""Regular expressions of Python's own engine may backtrack: each of ours is tried on text that would make it do so."""

from __future__ import annotations

import ast
import importlib
import itertools
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FILES = [
    path
    for folder in ("src/changewire", "actions", "triggers")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "sandbox" not in path.relative_to(ROOT).parts
]
METHODS = {"search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer"}
BUILT = {  # patterns that are no constants, and why no text from outside can make them slow
    ("actions/core/tables.py", "pattern"): "constants in a table of the same module",
    ("config/cron.py", "pattern"): "constants in a table of the same module",
    ("connectors/definition.py", "self.path"): "written in the connectors that are part of the program",
    ("connectors/failures.py", """rf'"(?:{"|".join(fields.code)})"\\s*:\\s*"?(\\w+)'"""): "field names of a connector",
    ("connectors/failures.py", """rf'"(?:{"|".join(fields.message)})"\\s*:\\s*"(.*)"'"""): "field names of a connector",
    ("connectors/rate_table.py", "cap.path"): "written in the connectors that are part of the program",
    ("home/loading.py", "pattern"): "constants of the same module",
    ("html_text.py", 'f"</{name}"'): "a constant name",
    ("spellings.py", 'f"[-{_H[1:-1]}]*"'): "one class of characters",
    ("template_words.py", 'rf"\\{{%[-+]?\\s*{name}\\b"'): "a tag name of Jinja2",
    ("template_words.py", "pattern"): "constants in a table of the same module",
}


class Use(NamedTuple):
    file: str
    pattern: str  # the constant, or the source of what is no constant
    constant: bool
    flags: int
    method: str


def flags_of(call: ast.Call) -> int:
    named = [node.attr for node in ast.walk(call) if isinstance(node, ast.Attribute) and node.attr.isupper()]
    return sum(int(getattr(re, name)) for name in set(named))


def uses() -> Iterator[Use]:
    for path in FILES:
        source = path.read_text()
        tree, file = ast.parse(source), str(path.relative_to(ROOT)).removeprefix("src/changewire/")
        names = {
            id(node.value): node.targets[0].id
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for call in ast.walk(tree):
            if not (isinstance(call, ast.Call) and ast.unparse(call.func).startswith("re.") and call.args):
                continue
            first, method = call.args[0], ast.unparse(call.func).removeprefix("re.")
            made = compiled(path, names.get(id(call)))
            constant = isinstance(first, ast.Constant) or made is not None
            if made is not None:
                text = made
            elif isinstance(first, ast.Constant):
                value = first.value
                text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            else:
                text = ast.get_source_segment(source, first) or ""
            used = [method] if method in METHODS else sorted(methods_of(tree, names.get(id(call))))
            for one in used if constant else used[:1]:
                yield Use(file, text, constant, flags_of(call), one)


def compiled(path: Path, name: str | None) -> str | None:
    """The pattern that a module of the package has compiled under that name; None: there is none."""
    if name is None or "src" not in path.relative_to(ROOT).parts:
        return None
    module = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
    found = getattr(importlib.import_module(module), name, None)
    return found.pattern if isinstance(found, re.Pattern) and isinstance(found.pattern, str) else None


def methods_of(tree: ast.Module, name: str | None) -> set[str]:
    """The methods that a module calls on its pattern of that name; `search` for one that is in a table."""
    found = {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == name
    }
    return found & METHODS or {"search"}


USES = sorted(set(uses()))


def hostile(pattern: str, length: int) -> Iterator[str]:
    """Texts that an expression might try again and again: its own characters, alone, in pairs and behind its start."""
    start = re.split(r"[\\(\[{.*+?^$|]", pattern, maxsplit=1)[0]
    characters = sorted({*re.sub(r"[^\x20-\x7e]|[A-Za-z0-9]", "", pattern), *start[:3], "a", "1", " ", "\n", "\\"})
    units = [*characters, *map("".join, itertools.permutations(characters[-8:], 2)), start or "x", f"{start}1a "]
    for unit in units:
        yield unit * (length // len(unit)) + "\0"
        yield start + unit * (length // len(unit)) + "\0"


def slow(use: Use) -> list[str]:
    code = re.compile(use.pattern, use.flags)
    limit = {"sub": ("",), "subn": ("",)}.get(use.method, ())
    for length in (20, 30_000):  # the short ones first: an exponential expression is slow on them already
        for text in hostile(use.pattern, length):
            began = time.thread_time()
            result = getattr(code, use.method)(*limit, text)
            if use.method == "finditer":
                list(result)
            if time.thread_time() - began > 0.1:
                return [text[:20]]
    return []


@pytest.mark.parametrize(
    "use", [use for use in USES if use.constant], ids=lambda use: f"{use.file}:{use.method}:{use.pattern[:40]!r}"
)
def test_no_expression_of_ours_takes_more_than_linear_time(use: Use) -> None:
    assert slow(use) == []


def test_every_expression_that_is_put_together_is_known_with_a_reason() -> None:
    built = {use.pattern[:24] for use in USES if not use.constant}
    assert built == {pattern[:24] for _, pattern in BUILT}


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"(?:^|\s+)#", "split"),
        (r"a+b", "search"),
        (r"\s+$", "search"),
    ],
)
def test_the_trial_finds_expressions_that_are_slow(pattern: str, method: str) -> None:
    assert slow(Use("x.py", pattern, True, re.DOTALL, method)) != []
