"""A fault in one expression, item, run or trigger concerns nothing else, wherever it happens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from changewire.actions.flow import pipeline, walk
from changewire.actions.flow.walk import _WAYS
from changewire.engine import details, echoes, feeding, finding, polling
from changewire.state.records import RunState, TriggerState
from changewire.templates import Templates
from tests.support.processes import ask
from tests.support.shop import Shop, WatchedShop

FAULTS = [RuntimeError, AssertionError, RecursionError, MemoryError, KeyError, StopIteration]
LOG = {"use": "core.log", "with": {"message": "done"}}
YES, NO = "{{ 'poison' == 'poison' }}", "{{ 'poison' == 'other' }}"
STEPS: dict[str, dict[str, Any]] = {
    "when of a step": {**LOG, "when": YES},
    "with": {"use": "core.log", "with": {"message": "{{ 'poison' }}"}},
    "if": {"if": YES, "then": [LOG]},
    "choose": {"choose": [{"when": YES, "do": [LOG]}]},
    "for_each": {"for_each": "{{ ['poison'] }}", "as": "one", "do": [LOG]},
    "in for_each": {"for_each": "{{ [1, 2] }}", "as": "one", "do": [{**LOG, "when": YES}]},
    "at once": {"for_each": "{{ [1, 2] }}", "as": "one", "max_parallel": 2, "do": [{**LOG, "when": YES}]},
    "times": {"repeat": {"times": "{{ 'poison' | length - 5 }}"}, "do": [LOG]},
    "while": {"repeat": {"while": NO, "max": 3}, "do": [LOG]},
    "until": {"repeat": {"until": YES, "max": 3}, "do": [LOG]},
    "set": {"set": {"name": "{{ 'poison' }}"}},
    "wait": {"wait": "{{ '1s' if 'poison' else '' }}"},
    "wait_until": {"wait_until": "{{ '2020-01-01' if 'poison' else '' }}"},
    "stop": {"stop": {"state": "succeeded", "reason": "{{ 'poison' }}"}},
    "call": {"call": "called", "with": {"thing": "{{ 'poison' }}"}},
    "emit": {"use": "core.emit", "with": {"name": "x", "payload": {"a": "{{ 'poison' }}"}}},
}
WHOLE: dict[str, dict[str, Any]] = {
    "when": {"when": YES},
    "when of a batch": {"when": YES, "batch": {"every": "1s", "max": 2}},
    "order_by": {"order_by": "{{ 'poison' }}"},
}
TYPES: dict[str, dict[str, Any]] = {
    "ready": {"kind": ["created", "updated"], "ready": "{{ item.id > 0 or 'poison' }}"},
    "event_type": {"event_type": "{{ item.name or 'poison' }}"},
    "payload": {"payload": {"name": "{{ item.name or 'poison' }}"}},
    "compare": {
        "compare": {"volatile": [{"path": "name", "when": "{{ item.id < 0 and 'poison' }}"}]},
        "kind": "updated",
    },
    "detail": {"detail": {"path": "/things/{item.id}", "query": {"x": "{{ item.id or 'poison' }}"}}},
}


class Injected:
    """Raises ``fault`` in place of each expression with the word poison, for items and events with the key ``key``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fault: type[Exception] | None = None
        self.key: str | None = None
        usual = Templates._render_text

        def render(templates: Templates, text: str, scope: Mapping[str, Any], path: Any) -> Any:
            if self.fault is not None and "poison" in text and self.key in (None, str(scope.get("item", {}).get("id"))):
                raise self.fault("injected")
            return usual(templates, text, scope, path)

        monkeypatch.setattr(Templates, "_render_text", render)


@pytest.fixture
def injected(monkeypatch: pytest.MonkeyPatch) -> Injected:
    return Injected(monkeypatch)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedShop]:
    with Shop() as shop:
        made = WatchedShop(tmp_path, shop)
        yield made
        made.turned.close()


def flow(kind: str = "new_ready", **parts: Any) -> dict[str, Any]:
    return {**WatchedShop.flow(kind), "steps": [LOG], **parts}


def states(watched: WatchedShop) -> dict[str, tuple[str, str]]:
    return {name: (state, reason or "") for name, state, reason in ask(watched.home, _STATES)}


_STATES = "SELECT workflow, state, reason FROM runs WHERE workflow <> 'good'"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_an_expression_of_a_workflow_is_a_failed_step_with_a_reason(
    watched: WatchedShop, injected: Injected, fault: type[Exception]
) -> None:
    flows = {name: flow(steps=[step, LOG]) for name, step in STEPS.items()}
    flows |= {name: flow(**parts) for name, parts in WHOLE.items()}
    watched.edit(**flows, called=flow(), good=flow())
    assert watched.turned.daemon.home.problems == []
    watched.run(1)
    injected.fault = fault
    watched.sell(1, ready=True)
    watched.run(300)
    found = states(watched)
    assert found.pop("called")[0] == "succeeded"
    assert {name for name, (state, _) in found.items() if state != "paused"} == set()
    assert len(found) == len(STEPS) + len(WHOLE)
    assert all("injected" in reason or fault.__name__ in reason for _, reason in found.values()), found
    assert ask(watched.home, "SELECT max(claims), max(abandoned) FROM runs") == [(3, 0)]  # of a step three attempts
    assert ask(watched.home, "SELECT state FROM runs WHERE workflow = 'good'") == [("succeeded",)]
    assert watched.turned.dispatcher.failures == []
    injected.fault = None
    watched.turned.store.resume(watched.turned.steady.now(), by="test")
    watched.run(300)
    assert {state for state, _ in states(watched).values()} == {"succeeded"}


def test_no_kind_of_step_is_forgotten_above(watched: WatchedShop) -> None:
    watched.edit(**{name: flow(steps=[step]) for name, step in STEPS.items()}, called=flow())
    kinds = {type(file.workflow.steps[0]) for file in watched.turned.daemon.home.workflows.values() if file.workflow}
    assert kinds == set(_WAYS)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_an_expression_of_a_type_concerns_its_item_only(
    watched: WatchedShop, injected: Injected, fault: type[Exception]
) -> None:
    for name, parts in TYPES.items():
        kind = watched._type(f"p_{name}", {"kind": "created", **parts})
        (watched.home / "triggers" / f"p_{name}.yaml").write_text(json.dumps(kind))
    watched.sell(1, 4)
    watched.edit(**{name: flow(f"p_{name}") for name in TYPES})
    assert watched.turned.daemon.home.problems == []
    watched.run(1)
    injected.fault, injected.key = fault, "4"
    watched.sell(1, 2, 3)
    watched.shop.things += [{"id": 4, "name": "", "price": 1}, {"id": 5, "name": "five", "price": 0}]
    watched.shop.things[0]["price"] = 1
    watched.run(125)
    fired = sorted(watched.events())
    good = {name: ["1"] if name == "compare" else ["2", "3", "5"] for name in TYPES}
    good["ready"] = ["1", "2", "3", "5"]
    assert fired == sorted((name, key) for name, keys in good.items() for key in keys)
    injected.fault = None
    watched.run(4000)
    assert watched.turned.store.set_aside() == []


FUNCTIONS: list[tuple[Any, str]] = [
    (finding, "separate"),
    (finding, "keys_to_load"),
    (finding, "notice"),
    (finding, "proven"),
    (finding, "ignored_paths"),
    (finding, "certain_others"),
    (finding, "read"),
    (polling, "standing_after"),
    (polling, "verdicts_of"),
    (polling, "run_for"),
    (echoes.Echoes, "sift"),
    (details.Details, "of_noticed"),
]


@pytest.mark.parametrize(("place", "name"), FUNCTIONS, ids=[name for _, name in FUNCTIONS])
def test_a_fault_in_one_poll_is_a_failure_of_its_trigger(
    watched: WatchedShop, monkeypatch: pytest.MonkeyPatch, place: Any, name: str
) -> None:
    watched.edit(bad=flow(), good=flow("new_name"))
    watched.run(1)
    victim, usual = watched.trigger("bad").id, getattr(place, name)
    polled: list[str] = []
    find = finding.Finder.find

    def noted(finder: Any, trigger: Any, *args: Any, **more: Any) -> Any:
        polled.append(trigger.id)
        return find(finder, trigger, *args, **more)

    def broken(*args: Any, **more: Any) -> Any:
        if polled and polled[-1] == victim:
            raise RuntimeError("injected")
        return usual(*args, **more)

    monkeypatch.setattr(finding.Finder, "find", noted)
    monkeypatch.setattr(place, name, broken)
    watched.sell(1, 2, ready=True)
    watched.turned.on(61)
    assert sorted(watched.events()) == [("good", "1"), ("good", "2")]
    assert watched.trigger("bad").state is TriggerState.FAILING
    assert "RuntimeError: injected" in (watched.trigger("bad").error or "")
    monkeypatch.undo()
    watched.turned.on(600)
    assert sorted(watched.events()) == [(workflow, key) for workflow in ("bad", "good") for key in ("1", "2")]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_one_watcher_of_an_internal_event_stops_no_other(
    watched: WatchedShop, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    alert = {"trigger": {"type": "core.alert"}, "steps": [LOG]}
    watched.edit(bad=alert, good=alert, watch=flow("new_name"))
    watched.run(1)
    usual = feeding.events_for

    def events_for(trigger: Any, *args: Any) -> Any:
        if trigger.workflow.name == "bad":
            raise fault("injected")
        return usual(trigger, *args)

    monkeypatch.setattr(feeding, "events_for", events_for)
    watched.shop.status["list"] = 500
    watched.run(900)
    assert watched.events() == [("good", "watch/trigger")]
    monkeypatch.undo()
    watched.turned.on(61)
    assert sorted(watched.events()) == [("bad", "watch/trigger"), ("good", "watch/trigger")]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    "place", [(pipeline.Runner, "workflow"), (walk.Walk, "go"), (walk.Walk, "block")], ids=lambda place: place[1]
)
def test_a_run_that_meets_a_fault_again_and_again_waits_for_a_person_and_others_go_on(
    watched: WatchedShop, monkeypatch: pytest.MonkeyPatch, fault: type[Exception], place: tuple[Any, str]
) -> None:
    watched.edit(bad=flow(), good=flow())
    watched.run(1)
    advance, usual = pipeline.Runner.advance, getattr(*place)
    bad: list[bool] = [False]

    def noted(runner: pipeline.Runner, run_id: str, *args: Any) -> Any:
        bad[0] = runner.store.load_run(run_id)[0].workflow == "bad"
        return advance(runner, run_id, *args)

    def broken(*args: Any, **more: Any) -> Any:
        if bad[0]:
            raise fault("injected")
        return usual(*args, **more)

    monkeypatch.setattr(pipeline.Runner, "advance", noted)
    monkeypatch.setattr(*place, broken)
    watched.sell(1, ready=True)
    for _ in range(8):
        watched.turned.on(61)
    found = {each.run.workflow: each.run for each in watched.turned.store.runs()}
    assert (found["good"].state, found["bad"].state) == (RunState.SUCCEEDED, RunState.PAUSED)
    assert "it was begun 5 times in a row and came to no end" in (found["bad"].reason or "")
    assert "injected" in (found["bad"].reason or "")
    monkeypatch.undo()
    watched.turned.store.resume(watched.turned.steady.now(), by="test")
    watched.turned.on(61)
    assert {each.run.state for each in watched.turned.store.runs()} == {RunState.SUCCEEDED}
