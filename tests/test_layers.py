"""Imports fall one way. Read with `ast`, so that imports inside functions and for type checkers count as well."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "changewire"

LAYERS = [  # each part may import those of the layers above its own line, and of its own only itself
    {
        "__init__",
        "errors",
        "clock",
        "secret",
        "durations",
        "values",
        "paths",
        "templates",
        "template_sandbox",
        "template_words",
        "filters",
        "kinds",
        "parameters",
    }
    | {
        "amplifiers",
        "csv_text",
        "effort",
        "file_reader",
        "html_text",
        "json_size",
        "log",
        "moments",
        "patterns",
        "private_files",
    }
    | {"secret_search", "secret_values", "spellings", "testing", "texts", "value_size"},
    {"config"},
    {"connectors"},
    {"state"},
    {"triggers", "actions"},
    {"catalog"},
    {"home"},
    {"engine", "planning"},
    {"health"},
    {"daemon"},
    {"cli", "demo"},
    {"__main__"},
]
DEPTH = {part: depth for depth, parts in enumerate(LAYERS) for part in parts}
ALSO = {("cli", "demo"), ("cli", "sandbox"), ("demo", "sandbox")}  # one command plays the demo, one serves the stand-in


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
LEAVES = sorted(path for folder in ("triggers", "actions") for path in (ROOT / folder).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Full names of the modules of ours that ``path`` imports, and ``.…`` for relative imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "changewire")
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield "." * node.level
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "changewire":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


def part(module: str) -> str:
    """The part that a module belongs to: ``config`` for changewire.config.fields."""
    names = module.split(".")
    return names[1] if len(names) > 1 else "__init__"


def may_import(source: str, target: str) -> bool:
    if source == target or (source, target) in ALSO:
        return True
    if "sandbox" in (source, target):
        return False
    deeper = DEPTH[target] < DEPTH[source]
    return deeper or DEPTH[source] == DEPTH[target] == 0


def test_every_part_has_its_layer() -> None:
    assert {part(name) for name in MODULES} <= {*DEPTH, "sandbox"}


@pytest.mark.parametrize("module", MODULES)
def test_imports_fall_one_way(module: str) -> None:
    wrong = [name for name in imported(MODULES[module]) if not may_import(part(module), part(name))]
    assert wrong == [], f"{module} climbs: {wrong}"


@pytest.mark.parametrize("path", LEAVES, ids=[str(path.relative_to(ROOT)) for path in LEAVES])
def test_code_beside_yaml_imports_only_what_lies_below_its_own_part(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0]
    assert [name for name in imported(path) if not may_import(own, part(name))] == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    edges = [(name, other) for name, path in MODULES.items() for other in imported(path) if other != name]
    graph: dict[str, set[str]] = {name: set() for name in MODULES}
    for name, other in edges:
        graph[name].add(other)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_nothing_imports_relatively() -> None:
    assert [name for name, path in MODULES.items() if any(each.startswith(".") for each in imported(path))] == []


@pytest.mark.parametrize(
    ("source", "target", "allowed"),
    [
        ("daemon", "engine", True),
        ("engine", "daemon", False),
        ("triggers", "actions", False),
        ("actions", "triggers", False),
        ("state", "connectors", True),
        ("connectors", "state", False),
        ("sandbox", "errors", False),
        ("engine", "sandbox", False),
        ("cli", "demo", True),
        ("demo", "cli", False),
        ("values", "errors", True),
    ],
)
def test_the_rule_itself(source: str, target: str, allowed: bool) -> None:
    assert may_import(source, target) is allowed
