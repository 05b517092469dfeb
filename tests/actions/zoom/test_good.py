"""Each curated action does what it says, by hand and as a step, and answers what it documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from changewire.actions.definition import ActionType
from changewire.actions.loading import load_actions
from tests.actions.zoom.bench import BUILT_IN, GOOD, Bench, operation_of

CURATED = sorted(name for name in load_actions([BUILT_IN])[0] if name.startswith("zoom."))
GRAPHQL = {"data": {"users": {"edges": [{"id": "u1", "email": "dana.host@example.com"}], "pageInfo": {"cursor": ""}}}}
ABSENT = {
    "zoom.get_transcript": {"download_restriction_reason"},  # only where it cannot be downloaded
    "zoom.get_locked_settings": {"recording.auto_recording"},
}
"""Documented fields that an answer need not have."""


def test_every_curated_action_has_good_input() -> None:
    assert sorted(set(CURATED) - set(GOOD)) == [], "good.yaml does not say what these are called with to do well"
    assert sorted(set(GOOD) - set(CURATED)) == [], "good.yaml has actions that there are not"


@pytest.fixture
def account(bench: Bench) -> Iterator[Bench]:
    bench.fresh()
    with bench.refusing("graphql", kind="status", status=200, body=GRAPHQL):
        yield bench


@pytest.mark.parametrize("name", sorted(GOOD))
def test_by_hand_it_does_what_it_says(account: Bench, name: str) -> None:
    action, before = account.actions[name], len(account.asked())
    result = account.call(name, account.good(name))
    assert (result.exit_code, result.exception) == (0, None), result.stderr
    told = json.loads(result.stdout)
    assert (told["action"], told["connection"]) == (name, "work")
    assert lacking(action, told["output"]) == []
    well_answered(action, account.asked()[before:])


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_step_does_what_it_says(account: Bench, name: str) -> None:
    action, before = account.actions[name], len(account.asked())
    run, attempt = account.step(name, account.good(name))
    assert (run.reason, str(run.state)) == (None, "succeeded")
    assert (str(attempt.state), attempt.error) == ("succeeded", None)
    assert lacking(action, attempt.output) == []
    well_answered(action, account.asked()[before:])


def well_answered(action: ActionType, asked: list[dict[str, Any]]) -> None:
    """One request of the operation's kind, answered with its documented status."""
    operation = operation_of(action)
    assert asked, "nothing was sent"
    if action.operation is None:
        return
    assert operation is not None
    good = [one for one in asked if one["method"] == operation.method]
    assert [one["status"] for one in good] == [operation.success or 200]
    assert len(asked) == 1


def lacking(action: ActionType, output: Any) -> list[str]:
    """What the documentation and the sample of an action promise, and its output does not have."""
    spec, absent = action.spec, ABSENT.get(action.name, set())
    if output is None or not spec.output:
        return [] if not spec.output else ["an output"]
    missing = [name for name in spec.output if name not in output]
    for name, meaning in spec.output.items():
        missing += [f"{name}[].{word}" for word in entries_lack(output.get(name), meaning)]
    return [one for one in (*missing, *unlike(spec.sample, output)) if one not in absent]


def entries_lack(rows: Any, meaning: str) -> list[str]:
    """The fields that "each with id, name and email" promises of the entries of a list, and none of them has."""
    promised = re.search(r"each with ([^;:]+)", meaning)
    if promised is None or rows is None:
        return []
    words = re.split(r", | and ", promised[1])
    return [word for word in words if not any(word in row for row in rows)]


def unlike(sample: Any, output: Any, at: str = "") -> list[str]:
    """Where a sample has fields or kinds of values that the answer has not."""
    if isinstance(sample, dict) and isinstance(output, dict):
        missing = [f"{at}.{key}".lstrip(".") for key in sample if key not in output]
        known = [unlike(value, output[key], f"{at}.{key}") for key, value in sample.items() if key in output]
        return [*missing, *(one for found in known for one in found)]
    if isinstance(sample, list) and isinstance(output, list):
        together = {key: value for row in output if isinstance(row, dict) for key, value in row.items()}
        return unlike(sample[0], together, f"{at}[]") if sample and isinstance(sample[0], dict) and together else []
    same = sample is None or output is None or kind(sample) is kind(output)
    return [] if same else [f"{at.lstrip('.')}: {kind(output).__name__} and not {kind(sample).__name__}"]


def kind(value: Any) -> type:
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)
