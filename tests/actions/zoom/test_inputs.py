"""What is missing or of the wrong type is told by name before anything is sent, by hand and in a step alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from changewire.actions.calling import check_inputs
from changewire.actions.definition import ActionType, check_parameters
from changewire.errors import UsageError
from changewire.parameters import Parameter
from tests.actions.zoom.bench import GOOD, Bench

WRONG: dict[str, tuple[Any, ...]] = {
    "string": ({"a": 1}, [1], True),
    "integer": ("several", 1.5, [1], True),
    "number": ("several", {}, True),
    "boolean": ("perhaps", 2, []),
    "object": ("text", 3, [1]),
    "list": ("text", 3, {"a": 1}),
    "date": ("some day", 20261101, {}),
    "date-time": ("some time", 7, []),
}
ODD_WORD, ODD_NUMBER = "no such word", 987654321


@pytest.fixture(scope="module")
def account(bench: Bench) -> Bench:
    bench.fresh()
    return bench


@pytest.mark.parametrize("name", sorted(GOOD))
def test_what_is_missing_is_named(account: Bench, name: str) -> None:
    action, good = account.actions[name], account.good(name)
    needed = [one for one, parameter in action.parameters.items() if parameter.required]
    before = len(account.asked())
    for lacking in needed:
        given = {key: value for key, value in good.items() if key != lacking}
        told = f"{lacking} is missing: {action.parameters[lacking].description}"
        result = account.call(name, given)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.strip() == f"{name}: {told}"
        assert [(one.code, one.message) for one in check_parameters(action, given)] == [("missing_parameter", told)]
        run, attempt = account.step(name, given)
        assert (str(run.state), attempt.error, attempt.error_class) == ("paused", f"{name}: {told}", "bad_input")
    assert len(account.asked()) == before


@pytest.mark.parametrize("name", sorted(GOOD))
def test_what_is_of_the_wrong_type_is_named(account: Bench, name: str) -> None:
    action, good = account.actions[name], account.good(name)
    before = len(account.asked())
    first = True
    for path, value in wrong_values(action):
        given = {**good, str(path[0]): nested(path[1:], value)}
        problems = check_parameters(action, given)  # among them what an entry of a list lacks besides
        (problem,) = [one for one in problems if one.code in ("wrong_type", "wrong_value")]
        assert problem.message.startswith(f"{shown(path)} must be "), problem.message
        with pytest.raises(UsageError, match=f"^{name}: "):
            check_inputs(action, given)
        if len(path) == 1:
            result = account.call(name, given)
            assert (result.exit_code, result.stdout) == (2, "")
            assert problem.message in result.stderr
            assert "Traceback" not in result.stderr
        if first:
            run, attempt = account.step(name, given)
            assert (str(run.state), attempt.error_class) == ("paused", "bad_input")
            assert problem.message in str(attempt.error)
            first = False
    assert len(account.asked()) == before


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_misspelt_parameter_has_its_nearest_word(account: Bench, name: str) -> None:
    action, good = account.actions[name], account.good(name)
    for parameter in action.parameters:
        slip = f"{parameter}x"
        (problem,) = [one for one in check_parameters(action, {**good, slip: 1}) if one.path == (slip,)]
        assert problem.code == "unknown_parameter"
        assert problem.suggestion is not None, slip


Path = tuple[str | int, ...]


def wrong_values(action: ActionType) -> Iterator[tuple[Path, Any]]:
    """Where a value can be wrong, and a value that is."""
    for name, parameter in action.spec.parameters.items():
        yield from wrong_for(parameter, (name,))


def wrong_for(parameter: Parameter, path: Path) -> Iterator[tuple[Path, Any]]:
    for value in WRONG.get(parameter.type, ()):
        yield path, value
    if parameter.enum is not None:
        yield path, ODD_WORD if any(isinstance(word, str) for word in parameter.enum) else ODD_NUMBER
    yield from ((path, value) for value in out_of_limits(parameter))
    for field, inner in (parameter.fields or {}).items():
        yield from wrong_for(inner, (*path, field))
    if parameter.entries is not None:
        yield from wrong_for(parameter.entries, (*path, 0))


def out_of_limits(parameter: Parameter) -> Iterator[Any]:
    """Values just outside of what is allowed."""
    low, high = parameter.min, parameter.max
    for size in (None if low is None else low - 1, None if high is None else high + 1):
        if size is None or parameter.enum is not None:
            continue
        if parameter.type in ("integer", "number"):
            yield size
        elif size > 0:
            yield "x" * int(size) if parameter.type == "string" else [{}] * int(size)


def nested(path: Path, value: Any) -> Any:
    """The value with its objects and lists around it."""
    if not path:
        return value
    return [nested(path[1:], value)] if path[0] == 0 else {path[0]: nested(path[1:], value)}


def shown(path: Path) -> str:
    """How messages name it."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
