"""Finding action types: the files below ``actions/`` and the code beside them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from changewire.actions.code import CodePlace, load_module
from changewire.actions.definition import ActionFile, ActionSpec, ActionType, Code
from changewire.actions.processes.inspection import (
    Definitions,
    UnloadableError,
    definitions_of,
    why_unloaded,
)
from changewire.actions.resolving import Amiss, resolve, unfilled
from changewire.actions.whole import Actions
from changewire.config.from_files import FromFiles
from changewire.config.yaml_files import Document, check, read_yaml
from changewire.connectors.definition import connector_names
from changewire.errors import ConfigError, Problem, nearest
from changewire.file_reader import read_file, read_text_file
from changewire.templates import expression_problems
from changewire.values import Json, digest

if TYPE_CHECKING:
    from changewire.actions.context import ActionContext


def load_actions(folders: Sequence[Path]) -> tuple[Actions, list[Problem]]:
    """All action types below ``folders``, by name, and what is wrong with files that cannot be used.

    Where two folders have an action of one name, the earlier folder's counts; in one folder that is a problem.
    Folders that do not exist are passed over. Code beside the files is loaded, so only give trusted folders.
    """
    found: dict[str, ActionType] = {}
    problems: list[Problem] = []
    for folder in dict.fromkeys(Path(os.path.realpath(path)) for path in folders):
        here, wrong = _read_folder(folder, _contents(folder))
        problems.extend(wrong)
        found = {**here, **found}
    return Actions(found), problems


def installed_actions(own: Mapping[str, ActionType], folder: Path) -> Actions:
    """The actions of a home, ``own`` ones first; those of this installation lie in ``folder``. A file is read when
    somebody asks for one of its actions, and the code beside it when one of them is done: that nothing is wrong with
    them was seen before they were handed out.
    """
    return Actions(FromFiles(own, _names_of(folder) or {}, _read_later))


def checkout_actions(folder: Path) -> Actions | None:
    """The actions in ``folder``, which somebody may be working on: one with problems is not there. What is wrong with
    the code beside a file shows when it is called, or is told by `load_actions`. None: the files do not say plainly
    which actions they hold, so that all have to be read.
    """
    files = _named(folder)
    return None if files is None else Actions(FromFiles({}, files, cache(_read_usable), tried=False))


_CONNECTOR = re.compile(r"^connector: ([a-z0-9_]+)$", re.MULTILINE)
_ENTRY = re.compile(r"^  ([^ #\n].*)$", re.MULTILINE)
_NAME = re.compile(r"([a-z][a-z0-9_]*):(?: |$)")


def _named(folder: Path) -> dict[str, Path] | None:
    """The file of each action by how their lines begin; None where that does not tell."""
    named: dict[str, Path] = {}
    for path in _files(folder, "yaml"):
        try:
            head, _, entries = read_text_file(path).partition("\nactions:\n")
        except (OSError, ValueError):
            return None
        connector = _CONNECTOR.search(head)
        found = [_NAME.match(entry) for entry in _ENTRY.findall(entries)]
        if connector is None or not found or re.search(r"^[^ #\n]", entries, re.MULTILINE):
            return None
        for name in found:
            if name is None or (full := f"{connector[1]}.{name[1]}") in named:
                return None
            named[full] = path
    return named


_names_of = cache(_named)


@cache
def _read_later(path: Path) -> dict[str, ActionType]:
    return _read(read_yaml(path, f"actions/{_below(path)}"), {}, later=True)[0]


def _read_usable(path: Path) -> dict[str, ActionType]:
    try:
        return _read(read_yaml(path, f"actions/{_below(path)}"), {}, later=True)[0]
    except ConfigError:
        return {}


def _below(path: Path) -> Path:
    """The part of a path below the folder ``actions``, which holds files and one level of folders."""
    return Path(path.name) if path.parent.name == "actions" else Path(path.parent.name, path.name)


def _files(folder: Path, ending: str) -> list[Path]:
    return [*sorted(folder.glob(f"*.{ending}")), *sorted(folder.glob(f"*/*.{ending}"))]


def _contents(folder: Path) -> tuple[tuple[Path, str], ...]:
    """What tells a folder from what it was: each file with a digest; "" for one that cannot be read."""
    found = []
    for path in (*_files(folder, "yaml"), *_files(folder, "py")):
        try:
            found.append((path, digest(read_file(path))))
        except OSError:
            found.append((path, ""))
    return tuple(found)


@lru_cache(32)  # most of a reload, and of a test, would go into reading the built-in folder again
def _read_folder(folder: Path, _: object) -> tuple[Mapping[str, ActionType], tuple[Problem, ...]]:
    """The action types of a folder with these contents, and what is wrong."""
    here: dict[str, ActionType] = {}
    problems: list[Problem] = []
    for path in _files(folder, "yaml"):
        try:
            document = read_yaml(path, f"{folder.name}/{path.relative_to(folder)}")
            types, wrong = _read(document, here)
        except ConfigError as error:
            problems.extend(error.problems)
            continue
        here |= types
        problems.extend(wrong)
    return here, tuple(problems)


def _read(
    document: Document, known: Mapping[str, ActionType], *, later: bool = False
) -> tuple[dict[str, ActionType], list[Problem]]:
    """The usable action types of a file, and what is wrong. ``later``: its code is loaded when it is called."""
    file = check(document, ActionFile)
    problem = _wrong_connector(document, file)
    if problem is not None:
        return {}, [problem]
    module = None if later else _load_code(document, file)
    types, problems = {}, []
    for name, spec in file.actions.items():
        full = f"{file.connector}.{name}"
        resolved = resolve(file.connector, spec)
        wrong = [_problem(document, name, one) for one in resolved.amiss]
        wrong += _wrong(document, name, spec) if not wrong else []
        if full in known:
            message = f"{full} is also in {known[full].file}: give one of the two another name"
            wrong.append(document.problem(("actions", name), "duplicate_action", message, key=True))
        place = _place(document, spec)
        code, missing = (_later(place), None) if later else _function(document, name, spec, place, module)
        wrong += [missing] if missing else []
        problems += wrong
        if not wrong:
            types[full] = ActionType(
                full, file.connector, resolved.spec, document.shown, code, resolved.operation, place=place
            )
    return types, problems


def _wrong_connector(document: Document, file: ActionFile) -> Problem | None:
    known = connector_names()
    if file.connector not in known:
        message = f"there is no connector {file.connector!r}; known are {', '.join(known)}"
        return document.problem(("connector",), "unknown_connector", message, nearest(file.connector, known))
    if file.connector not in {document.path.stem, document.path.parent.name}:
        message = f"actions of {file.connector} belong in {file.connector}.yaml or the folder {file.connector}/"
        return document.problem(("connector",), "wrong_place", message)
    return None


def _problem(document: Document, name: str, amiss: Amiss) -> Problem:
    at = ("actions", name, *amiss.at)
    return document.problem(at, amiss.code, amiss.message, amiss.suggestion, key=amiss.at[0] == "parameters")


def _wrong(document: Document, name: str, spec: ActionSpec) -> Iterator[Problem]:
    """What is wrong with the requests and expressions as they are written."""
    at = ("actions", name)
    texts: list[tuple[tuple[str, ...], Any]] = []
    if spec.request is not None:
        texts += [(("request", "query"), spec.request.query), (("request", "body"), spec.request.body)]
    if spec.probe is not None:
        probe, request = spec.probe, spec.probe.request
        texts += [
            (("probe", "with"), probe.given),
            (("probe", "found"), probe.found),
            (("probe", "output"), probe.output),
        ]
        if request is not None:
            texts += [(("probe", "request", "query"), request.query), (("probe", "request", "body"), request.body)]
            yield from (
                _problem(document, name, one) for one in unfilled(spec.parameters, request, ("probe", "request"))
            )
    for place, value in texts:
        for path, message, before in expression_problems(value):
            yield document.problem((*at, *place, *path), "template", message, before=before)


def _function(
    document: Document, name: str, spec: ActionSpec, place: CodePlace | None, defined: ModuleType | Definitions | None
) -> tuple[Code | None, Problem | None]:
    if spec.code is None:
        return None, None
    if isinstance(defined, ModuleType) and callable(code := getattr(defined, spec.code, None)):
        return code, None
    if isinstance(defined, Definitions) and spec.code in defined.functions:
        return _later(place), None
    names = defined.names if isinstance(defined, Definitions) else vars(defined) if defined is not None else ()
    beside = document.path.with_suffix(".py").name
    message = f"there is no function {spec.code!r} in {beside} beside this file"
    near = nearest(spec.code, [each for each in names if not each.startswith("_")])
    return None, document.problem(("actions", name, "code"), "missing_code", message, near)


def _place(document: Document, spec: ActionSpec) -> CodePlace | None:
    """Where the function that an action names stands; None: it names none."""
    if spec.code is None:
        return None
    path = document.path.with_suffix(".py")
    return CodePlace(path, digest(read_file(path)) if path.is_file() else "", spec.code)


def _later(place: CodePlace | None) -> Code | None:
    """The function at ``place``, found when it is called first."""
    if place is None:
        return None

    def run(context: ActionContext, values: Mapping[str, Json]) -> Json:
        return place.load()(context, values)

    return run


def _load_code(document: Document, file: ActionFile) -> ModuleType | Definitions | None:
    """The .py beside an action file; None if no action wants one or there is none.

    It is loaded here if all of it runs here, else in a process that can be killed.
    """
    path, code = document.path.with_suffix(".py"), [spec for spec in file.actions.values() if spec.code is not None]
    if not path.is_file() or not code:
        return None
    try:
        contents = digest(read_file(path))
        if all(spec.run_in == "thread" for spec in code):
            return load_module(path, contents)
        return definitions_of(path, contents)
    except Exception as error:
        why = str(error) if isinstance(error, UnloadableError) else why_unloaded(error)
        problem = document.problem((), "broken_code", f"{path.name} beside this file {why}")
        raise ConfigError([problem]) from error
