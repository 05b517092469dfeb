"""Trigger types from their files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from changewire.config.from_files import FromFiles
from changewire.config.yaml_files import Document, check, read_yaml
from changewire.connectors.definition import connector_names
from changewire.errors import ChangewireError, ConfigError, Problem, nearest
from changewire.file_reader import read_file
from changewire.paths import parse_path
from changewire.state.records import EventRecord
from changewire.triggers.asking import names_in_path
from changewire.triggers.binding import Reader
from changewire.triggers.comparing import Scope, additions, canonical
from changewire.triggers.definition import TriggerType
from changewire.triggers.expressions import EXPRESSIONS
from changewire.triggers.noticed import Noticed, item_key
from changewire.triggers.payloads import make_events
from changewire.triggers.rules import make_rules, unknown_paths
from changewire.values import Json

_PATHS = ("secret", "only", "lists", "ordered", "text_sets", "without_query", "may_vanish")
_STAND_INS: dict[str, Json] = {
    "string": "1",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "object": {},
    "list": [],
    "any": "1",
}
"""What stands for a parameter that must be given, while a type is tried on its sample."""
SAMPLE_MOMENT = datetime(2026, 11, 21, 10, tzinfo=UTC)


def load_trigger_types(folders: Sequence[Path]) -> tuple[dict[str, TriggerType], list[Problem]]:
    """All trigger types below ``folders``, by name, and what is wrong with files that cannot be used.

    Where two folders have a type of one name, the earlier folder's counts; in one folder that is a problem.
    Folders that do not exist are passed over.
    """
    found: dict[str, TriggerType] = {}
    problems: list[Problem] = []
    for folder in folders:
        here: dict[str, str] = {}
        for path in sorted(folder.rglob("*.yaml")):
            shown = f"triggers/{path.relative_to(folder)}"
            try:
                document = read_yaml(path, shown)
                kind = check(document, TriggerType)
                wrong = list(_wrong(document, kind))
            except ConfigError as error:
                problems += error.problems
                continue
            if not wrong and kind.type in here:
                wrong = [document.problem(("type",), "duplicate", f"{kind.type} stands in {here[kind.type]} as well")]
            problems += wrong
            if not wrong:
                here[kind.type] = shown
                found.setdefault(kind.type, kind)
    return found, problems


def installed_types(own: Mapping[str, TriggerType], folder: Path) -> Mapping[str, TriggerType]:
    """The types of a home by name, ``own`` ones first; those of this installation lie in ``folder``, in files of their
    names. Each of these is read when somebody asks for it, and not tried: that was done before it was handed out.
    """
    return FromFiles(own, _files(folder), _read)


def checkout_types(folder: Path) -> Mapping[str, TriggerType] | None:
    """The types in ``folder``, which somebody may be working on: each is tried when somebody asks for it, and not there
    where it has problems. None: not every file says plainly which type it is, so that all have to be read.
    """
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.yaml")):
        try:
            found = _TYPE.search(read_file(path))
        except OSError:
            return None
        if found is None or (name := found[1].decode()) in files:
            return None
        files[name] = path
    return FromFiles({}, files, cache(_read_tried), tried=False)


_TYPE = re.compile(rb"^type: ([a-z0-9_.]+)$", re.MULTILINE)


@cache
def _files(folder: Path) -> dict[str, Path]:
    return {f"{path.parent.name}.{path.stem}": path for path in sorted(folder.rglob("*.yaml"))}


@cache
def _read(path: Path) -> dict[str, TriggerType]:
    kind = check(read_yaml(path, f"triggers/{path.parent.name}/{path.name}"), TriggerType)
    return {kind.type: kind}


def _read_tried(path: Path) -> dict[str, TriggerType]:
    try:
        document = read_yaml(path)
        kind = check(document, TriggerType)
    except ConfigError:
        return {}
    return {} if any(_wrong(document, kind)) else {kind.type: kind}


def sample_scope(kind: TriggerType) -> Scope:
    """The names that a template of the type sees when it is tried on the sample."""
    parameters = {name: _STAND_INS[one.type] if one.required else one.default for name, one in kind.parameters.items()}
    return {**Reader(kind, parameters).scope(SAMPLE_MOMENT), "lookup": kind.sample_lookup, "outer": kind.sample_outer}


def sample_event(kind: TriggerType, scope: Scope) -> Noticed:
    """The change that the sample stands for: the item is new."""
    changes = tuple(additions(kind.sample, make_rules(kind), scope))
    old = None if "created" in kind.kind else kind.sample
    return Noticed("sample", kind.kind[0], kind.sample, old, changes, (), None)


def sample_events(kind: TriggerType) -> list[EventRecord]:
    """The events of the sample, one at least. Raises ChangewireError where the type cannot be tried on it."""
    scope = sample_scope(kind)
    change = sample_event(kind, scope)
    named = {"trigger_id": "sample", "trigger": "sample", "workflow": "sample"}
    events = make_events(change, kind, scope, epoch=0, **named, now=SAMPLE_MOMENT, detail=kind.sample_detail)
    if not events:
        raise ChangewireError("no condition of `event_type` holds")
    return events


def _wrong(document: Document, kind: TriggerType) -> Iterator[Problem]:
    if kind.connector not in connector_names():
        message = f"there is no connector {kind.connector!r}; known are {', '.join(connector_names())}"
        at = ("connector",) if "connector" in document.data else ("type",)
        yield document.problem(at, "unknown_connector", message, nearest(kind.connector, connector_names()))
    written = [
        *(
            document.problem(wrong.path, "bad_expression", wrong.message, before=wrong.before)
            for wrong in EXPRESSIONS.expression_problems(document.data)
        ),
        *_wrong_places(document, kind),
        *_wrong_paths(document, kind),
    ]
    yield from written or _wrong_on_sample(document, kind)  # a mistake that was told would only show once more


def _wrong_places(document: Document, kind: TriggerType) -> Iterator[Problem]:
    """Placeholders in request paths that nothing fills."""
    requests = {"lookup": kind.lookup, "request": kind.request, "detail": kind.detail, "evidence": kind.evidence}
    for part, spec in requests.items():
        for name in names_in_path(spec.path) if spec else ():
            if name not in kind.parameters and not name.startswith(("lookup.", "outer.", "item.")):
                message = f"the path asks for {{{name}}}, which is no parameter of this type"
                yield document.problem((part, "path"), "unknown_parameter", message, nearest(name, kind.parameters))


def _wrong_paths(document: Document, kind: TriggerType) -> Iterator[Problem]:
    """Paths of comparison rules that lead nowhere in the sample."""
    compare = kind.compare
    named: dict[str, list[str]] = {
        "volatile": [entry.path for entry in compare.volatile],
        **{key: list(getattr(compare, key)) for key in _PATHS},
    }
    single = ("status", "created_at", "happened_at", "newest_by")
    written: dict[tuple[str, ...], list[str]] = {("compare", key): paths for key, paths in named.items()}
    written["compare", "also_possible"] = list(compare.also_possible)
    written |= {(key,): [getattr(kind, key)] for key in single if getattr(kind, key)}
    if wrong := list(_no_paths(document, written)):
        yield from wrong
        return
    for key, paths in named.items():
        for path in unknown_paths(kind, paths):
            message = f"{path} is neither in the sample nor among `also_possible`, so it would never fit anything"
            yield document.problem(("compare", key), "unknown_path", message)
    for key in single:
        for path in unknown_paths(kind, filter(None, [getattr(kind, key)])):
            yield document.problem((key,), "unknown_path", f"{path} leads nowhere in the sample")


def _no_paths(document: Document, written: Mapping[tuple[str, ...], list[str]]) -> Iterator[Problem]:
    """Expressions where a path must be written: only what follows from parameters as a whole may be one."""
    for at, paths in written.items():
        for path in paths:
            try:
                parse_path(path)
            except ValueError as error:
                yield document.problem(at, "bad_path", str(error))


def _wrong_on_sample(document: Document, kind: TriggerType) -> Iterator[Problem]:
    """The type tried on its own sample: key, comparison, readiness, event type and payload."""
    scope = sample_scope(kind)
    tries: dict[str, Callable[[], object]] = {
        "key": lambda: item_key(kind.sample, kind, scope),
        "compare": lambda: canonical(kind.sample, make_rules(kind), scope),
        "ready": lambda: EXPRESSIONS.condition(kind.ready or "", {**scope, "item": kind.sample}),
        "payload": lambda: sample_events(kind),
    }
    for key, attempt in tries.items():
        if key in kind.shape:  # what it is depends on parameters that nobody has given yet
            continue
        try:
            attempt()
        except ChangewireError as error:
            at = "event_type" if key == "payload" and _in_event_type(kind, str(error)) else key
            yield document.problem((at,), "fails_on_sample", f"tried on the sample: {error}")
            return
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            own = isinstance(error, ValueError) and type(error) is ValueError
            words = (
                str(error) if own else "the sample has another form than this asks for, as a list in place of a text"
            )
            yield document.problem((key,), "fails_on_sample", f"tried on the sample: {words}")
            return


def _in_event_type(kind: TriggerType, message: str) -> bool:
    written = kind.event_type.values() if isinstance(kind.event_type, dict) else [kind.event_type]
    return "`event_type`" in message or any("{{" in text and text in message for text in written)
