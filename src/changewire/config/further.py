"""What else is wrong in a file: it is read again without what was found, until nothing new comes up.

A key that is nearly right is taken for the one that was meant, another one is left out, and a step that cannot be read
stands as one that does nothing. What is found that way is told with the rest; the file stays unusable.
"""

from __future__ import annotations

import copy
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from changewire.config.steps import KINDS
from changewire.config.wording import Words, told
from changewire.config.yaml_files import Document
from changewire.errors import MOST_PROBLEMS, Problem
from changewire.values import Json

M = TypeVar("M", bound=BaseModel)
Path = tuple[str | int, ...]

ROUNDS = 50  # in which nothing but new problems comes up; a file with more of them is mended in several goes
BLOCKS = frozenset({"steps", "on_failure", "then", "else", "do"})  # what holds lists of steps
NAMING = frozenset({"id", "set", "as", "for_each"})  # where these are wrong, names in expressions cannot be judged
UNREAD: dict[str, Json] = {"wait": 0}  # a step that does nothing and whose output may be anything
STANDING: dict[
    str | int | None, Json
] = {  # in the place of what must be there; what is said of it has the place of the first
    "trigger": {"type": "unknown.type"},
    "type": "unknown.type",
    "steps": [],
    "then": [],
    "do": [UNREAD],
    "when": "{{ true }}",
    "every": "1h",
}
NEUTRAL: dict[str, Json] = {  # in the place of what is wrong
    "if": "{{ true }}",
    "for_each": "{{ [] }}",
    "repeat": {"times": 1},
}


@dataclass
class Found(Generic[M]):
    """What a file says as far as it can be read, and all that is wrong in it."""

    model: M | None  # None: what is wrong cannot be left out
    document: Document  # finds places also below keys that were taken for others
    problems: list[Problem] = field(default_factory=list)
    names_known: bool = True  # False: names of the file's own may be lost


def look_through(document: Document, model: type[M], data: Json) -> Found[M]:
    """``data`` of the document as a ``model``, with every problem that can be found in one go."""
    found: Found[M] = Found(None, document)
    left_out: set[Path] = set()
    for _ in range(ROUNDS):
        try:
            found.model = model.model_validate(data)
            found.document = replace(found.document, data=data) if left_out or found.problems else document
        except ValidationError as error:
            wrong = told(model, data, error)
            new = [w for w in wrong if not _follows(w.path, left_out)]
            told_now = [found.document.problem(w.path, w.code, w.message, w.suggestion, w.at_key) for w in new]
            found.problems = together(found.problems, told_now)
            if len(found.problems) >= MOST_PROBLEMS:
                message = f"has {MOST_PROBLEMS} problems and maybe more: correct these first"
                found.problems.append(Problem(document.shown, 0, 0, "too_many", message))
                return found
            mended = _leave_out(data, wrong, left_out, found)
            if mended is None:
                return found
            data = mended
        else:
            return found
    return found


def _follows(path: Path, left_out: set[Path]) -> bool:
    """Whether something is wrong there only because it, or a part of it, was left out."""
    return any(gone[: len(path)] == path for gone in left_out)


def together(before: Sequence[Problem], after: Sequence[Problem]) -> list[Problem]:
    """All problems in the order of the file; where one was found ``before``, nothing else is wrong for sure."""
    taken = {(problem.line, problem.column) for problem in before}
    further = [problem for problem in after if (problem.line, problem.column) not in taken]
    return sorted([*before, *further], key=lambda problem: (problem.line, problem.column))


def _leave_out(data: Json, wrong: list[Words], left_out: set[Path], found: Found[M]) -> Json:
    """A copy of ``data`` without what is wrong in it; None where there is nothing more to leave out."""
    data, done = copy.deepcopy(data), False
    for words in sorted(wrong, key=lambda one: len(one.path), reverse=True):  # what is inside goes before its outside
        if NAMING & {part for part in words.path[-2:] if isinstance(part, str)}:
            found.names_known = False
        done |= _rename(data, words, found) or _delete(data, words, left_out) or _replace(data, words, found)
    return data if done else None


def _rename(data: Json, words: Words, found: Found[M]) -> bool:
    if words.code != "unknown_key" or words.suggestion is None:
        return False
    owner, key = _at(data, words.path[:-1]), words.path[-1]
    if not isinstance(owner, MutableMapping) or key not in owner or words.suggestion in owner:
        return False
    value = owner.pop(key)
    owner[words.suggestion] = value
    renamed = {**found.document.renamed, (*words.path[:-1], words.suggestion): str(key)}
    found.document = replace(found.document, renamed=renamed)
    return True


def _delete(data: Json, words: Words, left_out: set[Path]) -> bool:
    path = words.path
    if path and path[-1] in KINDS:  # without it, the rest of the step would make no sense
        return False
    while path and isinstance(path[-1], int) and path[-2:-1] and path[-2] not in BLOCKS | {"trigger", "choose"}:
        path = path[:-1]  # of a list of plain values all go
    owner = _at(data, path[:-1]) if path else None
    if words.code == "missing" or not isinstance(owner, MutableMapping) or path[-1] not in owner or path in left_out:
        return False
    del owner[path[-1]]
    left_out.add(path)
    return True


def _replace(data: Json, words: Words, found: Found[M]) -> bool:
    """Something in the place of what cannot be left out: of a part that must be there, or of the step around."""
    path = words.path
    owner = _at(data, path[:-1]) if path else None
    if isinstance(owner, MutableMapping) and _put_neutral(owner, str(path[-1]), words.code):
        return True
    for length in range(len(path), 1, -1):
        step, block = path[length - 1], path[length - 2]
        steps = _at(data, path[: length - 1])
        if isinstance(step, int) and block in BLOCKS and isinstance(steps, list) and step < len(steps):
            return _put_unread(steps, step, found)
    return False


def _put_neutral(owner: MutableMapping[str, Any], key: str, code: str) -> bool:
    neutral = NEUTRAL.get(key) if owner.get(key) is not None else STANDING.get(key)
    if neutral is None or code == "conflict" or owner.get(key) == neutral:
        return False
    owner[key] = copy.deepcopy(neutral)
    return True


def _put_unread(steps: list[Any], number: int, found: Found[M]) -> bool:
    before = steps[number]
    name = before.get("id") if isinstance(before, dict) else None
    unread = {**UNREAD, "id": name} if isinstance(name, str) and name.isidentifier() else dict(UNREAD)
    if before == unread:
        return False
    found.names_known = found.names_known and isinstance(before, dict) and not NAMING & (before.keys() - {"id"})
    steps[number] = unread
    return True


def _at(data: Json, path: Path) -> Json:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data
