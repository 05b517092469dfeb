"""Each error that Zoom documents for a curated action is understood, and told with what to do about it."""

from __future__ import annotations

import csv
from collections import defaultdict
from typing import Any, NamedTuple

import pytest

from changewire.actions.definition import ActionType
from changewire.actions.flow.retry import failure_of
from changewire.connectors.definition import load_connector
from changewire.errors import ApiError, FailureClass
from changewire.sandbox import CLIENT_SECRET
from tests.actions.zoom.bench import GOOD, HERE, Bench, operation_of, requests_of

ADVICE = {rule.advice for rule in load_connector("zoom").failures if rule.advice}
ADVICE |= {"check the address and the ids in it"}
PEOPLE = {"credential", "scope", "plan"}
COMMON = [
    ("credential", 401, 124, "Invalid access token."),
    ("scope", 400, 4711, "Invalid access token, does not contain scopes:[a, b]."),
    ("bad_input", 400, 300, "Validation Failed."),
]


class Case(NamedTuple):
    """An answer of Zoom, and the class of failure that it is."""

    failure: str
    http: int
    code: int
    message: str


def documented() -> dict[str, list[Case]]:
    """By operation what Zoom says that it may answer; ``x`` stands for what differs from call to call."""
    found: dict[str, list[Case]] = defaultdict(list)
    with (HERE / "failures.tsv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            for operation in row["operations"].split():
                case = Case(row["failure"], int(row["http"]), int(row["code"]), row["message"])
                found[operation].append(case)
    return found


DOCUMENTED = documented()


@pytest.fixture(scope="module")
def account(bench: Bench) -> Bench:
    bench.fresh()
    return bench


def cases(bench: Bench, name: str) -> list[Case]:
    """All that is documented for an action, and what may happen to any."""
    operation = operation_of(bench.actions[name])
    own = DOCUMENTED.get(operation.name, []) if operation is not None else []
    return [*own, *(Case(*one) for one in COMMON)] if name != "zoom.download_recording" else []


def fault(case: Case) -> dict[str, Any]:
    return {"kind": "status", "status": case.http, "code": case.code, "message": case.message}


def test_the_table_is_about_curated_actions(account: Bench) -> None:
    asked = {found.name for name in GOOD if (found := operation_of(account.actions[name]))}
    assert set(DOCUMENTED) <= asked
    assert sum(map(len, DOCUMENTED.values())) > 500


@pytest.mark.parametrize("name", sorted(GOOD))
def test_each_documented_error_is_understood(account: Bench, name: str) -> None:
    action, wrong = account.actions[name], []
    for case in cases(account, name):
        refusing = account.refusing(requests_of(action), **fault(case))
        with account.trying(name) as do, refusing, pytest.raises(ApiError) as caught:
            do()
        error, text = caught.value, str(caught.value)
        told = f"{case.http}, code {case.code}" in text and case.message.rstrip(".") in text
        advised = any(text.endswith(f": {advice}") for advice in ADVICE)
        if (str(error.failure), error.code, told, advised) != (case.failure, str(case.code), True, True):
            wrong.append((case, text, str(error.failure)))
        assert failure_of(error).permanent is FailureClass(case.failure).permanent
        assert CLIENT_SECRET not in text
    assert wrong == []


def again(name: str, kind: ActionType) -> str:
    """What is said after the error where it may pass."""
    if kind.spec.idempotency in ("pure", "natural"):
        return "give the same command again"
    return f"whether {name} was done is not known, so look before you do it again"


@pytest.mark.parametrize("name", sorted(GOOD))
def test_by_hand_an_error_is_told_in_a_line(account: Bench, name: str) -> None:
    for case in cases(account, name)[:1]:
        with account.refusing(requests_of(account.actions[name]), **fault(case)):
            result = account.call(name, account.good(name))
        assert (result.exit_code, result.stdout) == (3 if case.failure in PEOPLE else 1, "")
        told, *advice = result.stderr.splitlines()
        assert case.message.rstrip(".") in told
        assert advice in ([], [again(name, account.actions[name])])


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_step_keeps_the_error_with_its_class(account: Bench, name: str) -> None:
    for case in [one for one in cases(account, name) if one.failure != "credential"][:1]:
        with account.refusing(requests_of(account.actions[name]), **fault(case)):
            run, attempt = account.step(name, account.good(name))
        assert (str(attempt.state), attempt.error_class) == ("failed", case.failure)
        assert str(run.state) == ("paused" if FailureClass(case.failure).permanent else "waiting")
        assert case.message.rstrip(".") in str(run.reason)


@pytest.mark.parametrize("name", sorted(GOOD))
@pytest.mark.parametrize("kind", ["html_200", "reset"])
def test_an_answer_that_cannot_be_is_told(account: Bench, name: str, kind: str) -> None:
    """A page in place of data, a line that breaks; a page does not hurt where nothing is answered."""
    operation = operation_of(account.actions[name])
    if kind == "html_200" and operation is not None and operation.success == 204:
        return
    with account.refusing(requests_of(account.actions[name]), kind=kind):
        result = account.call(name, account.good(name))
    assert (result.exit_code, result.stdout) == (1, "")
    _, *advice = result.stderr.splitlines()
    assert advice in ([], [again(name, account.actions[name])])
    assert advice or kind != "reset", "what passes can be done again"
