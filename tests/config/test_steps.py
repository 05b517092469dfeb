"""Steps of all kinds load, and what is wrong in one is told at its place, however deep it stands."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from changewire.config.environment import Environment
from changewire.config.steps import (
    ActionStep,
    Call,
    Choice,
    Choose,
    End,
    ForEach,
    If,
    Repeat,
    Rule,
    SetNames,
    Step,
    Stop,
    Wait,
    WaitUntil,
    keys_of,
)
from changewire.config.workflows import workflow_from_text
from changewire.errors import ConfigError

T = "trigger: {type: a.b}\n"
A, A_READ = "{use: a.x}", ActionStep(use="a.x")


def read(text: str) -> tuple[Step, ...]:
    return workflow_from_text(text, Environment({}, Path("/nowhere")), "a.yaml").steps


GOOD: list[tuple[str, Step]] = [
    ("{if: '{{ a }}', then: []}", If(condition="{{ a }}", then=())),
    ("{if: true, then: [" + A + "], else: [" + A + "]}", If(condition="true", then=(A_READ,), otherwise=(A_READ,))),
    (
        "{choose: [{when: '{{ a }}', do: [" + A + "]}], else: []}",
        Choose(choices=(Choice(when="{{ a }}", do=(A_READ,)),)),
    ),
    ("{for_each: '{{ l }}', do: [" + A + "]}", ForEach(items="{{ l }}", do=(A_READ,))),
    (
        "{for_each: [1, x], as: one, max_parallel: 4, do: [" + A + "]}",
        ForEach(items=[1, "x"], name="one", max_parallel=4, do=(A_READ,)),
    ),
    ("{repeat: {times: 3}, do: [" + A + "]}", Repeat(rule=Rule(times=3), do=(A_READ,))),
    ("{repeat: {times: '{{ n }}'}, do: [" + A + "]}", Repeat(rule=Rule(times="{{ n }}"), do=(A_READ,))),
    ("{repeat: {while: '{{ a }}'}, do: [" + A + "]}", Repeat(rule=Rule(while_="{{ a }}", max=100), do=(A_READ,))),
    ("{repeat: {until: '{{ a }}', max: 5}, do: [" + A + "]}", Repeat(rule=Rule(until="{{ a }}", max=5), do=(A_READ,))),
    ("{wait: 15m}", Wait(duration=timedelta(minutes=15))),
    ("{wait: 90, when: '{{ a }}'}", Wait(duration=timedelta(seconds=90), when="{{ a }}")),
    ("{wait: '{{ n }}s', id: w}", Wait(duration="{{ n }}s", id="w")),
    ("{wait_until: 2026-12-24}", WaitUntil(moment="2026-12-24")),
    ("{wait_until: '{{ payload.start }}'}", WaitUntil(moment="{{ payload.start }}")),
    ("{set: {a: 1, b: ['{{ a }}']}}", SetNames(values={"a": 1, "b": ["{{ a }}"]})),
    ("{stop: enough}", Stop(end=End(reason="enough"))),
    ("{stop: }", Stop(end=End())),
    ("{stop: {reason: no, state: failed}}", Stop(end=End(reason="no", state="failed"))),
    ("{call: Other one, with: {a: 1}}", Call(workflow="Other one", parameters={"a": 1})),
]


@pytest.mark.parametrize(("text", "meant"), GOOD, ids=[text for text, _ in GOOD])
def test_a_step_is_read_as_it_is_meant(text: str, meant: Step) -> None:
    assert read(f"{T}steps: [{text}]") == (meant,)


BAD = [
    ("{use: a.x, wait: 5m}", "2:20: 'use' and 'wait' cannot be in one step: make two steps of them"),
    ("{call: x, if: '{{ a }}', then: []}", "2:19: 'call' and 'if' cannot be in one step: make two steps of them"),
    ("{fro_each: [1], do: [" + A + "]}", "2:10: unknown key 'fro_each' (did you mean 'for_each'?)"),
    ("{if: true, then: [], els: []}", "2:30: unknown key 'els' (did you mean 'else'?)"),
    ("{if: true, then: [], tehn: []}", "2:30: unknown key 'tehn' (did you mean 'then'?)"),
    ("{wait: 5m, do: []}", "2:20: unknown key 'do': possible are id, when, wait"),
    ("{use: a.x, idempotency: header}", "2:33: 'idempotency' cannot be 'header': write natural or none"),
    ("{if: true}", "2:9: 'then' is missing"),
    ("{if: true, then: " + A + "}", "2:26: 'then' must be a list: lines that begin with '- '"),
    (
        "{if: payload.a, then: []}",
        "2:14: 'payload.a' is no expression, so it would always be true: write it between {{ and }}"
        " (did you mean '{{ payload.a }}'?)",
    ),
    (
        "{use: a.x, when: a > 1}",
        "2:26: 'a > 1' is no expression, so it would always be true: write it between {{ and }}"
        " (did you mean '{{ a > 1 }}'?)",
    ),
    ("{if: true, then: [{if: true, then: [{use: a.x, whit: {}}]}]}", "2:56: unknown key 'whit' (did you mean 'with'?)"),
    ("{choose: [], else: []}", "2:18: nothing is in it: write what is to be done, or leave the step out"),
    ("{choose: [{whne: x, when: '{{ a }}', do: []}]}", "2:20: unknown key 'whne' (did you mean 'when'?)"),
    (
        "{choose: [{when: '{{ a }}', do: [{use: x}]}]}",
        "2:48: 'x' is not a type: write connector.name, such as zoom.get_meeting",
    ),
    (
        "{for_each: x, do: [" + A + "]}",
        "2:20: a list is wanted, or an expression that gives one (did you mean '{{ x }}'?)",
    ),
    ("{for_each: [1], do: []}", "2:29: nothing is in it: write what is to be done, or leave the step out"),
    (
        "{for_each: [1], as: payload, do: [" + A + "]}",
        "2:29: 'payload' is there already, with a meaning of its own: choose another name",
    ),
    (
        "{for_each: [1], as: none, do: [" + A + "]}",
        "2:29: expressions read 'none' as a word of theirs: choose another name",
    ),
    ("{for_each: [1], max_parallel: 33, do: [" + A + "]}", "2:39: 'max_parallel' must be at most 32, not 33"),
    ("{repeat: {}, do: [" + A + "]}", "2:18: how often is missing: write times, while or until"),
    ("{repeat: 3, do: [" + A + "]}", "2:18: 'repeat' must be a mapping: lines of `key: value`"),
    (
        "{repeat: {times: 1, until: '{{ a }}'}, do: [" + A + "]}",
        "2:29: 'times' and 'until' exclude each other: keep one",
    ),
    ("{repeat: {times: 1, max: 2}, do: [" + A + "]}", "2:29: 'max' is for while and until: 'times' is a bound already"),
    ("{repeat: {times: 10001}, do: [" + A + "]}", "2:26: 10001 is out of range: 0 to 10000"),
    ("{repeat: {while: '{{ a }}', max: 10001}, do: [" + A + "]}", "2:42: 'max' must be at most 10000, not 10001"),
    ("{repeat: {wile: '{{ a }}', times: 1}, do: [" + A + "]}", "2:19: unknown key 'wile' (did you mean 'while'?)"),
    ("{wait: soon}", "2:16: 'wait': 'soon' is not a duration: write 30s, 5m, 1h30m, 2d or a number of seconds"),
    (
        "{wait_until: soon}",
        "2:22: 'soon' is not a moment: write 2026-12-24, 2026-12-24T18:00:00Z or an expression",
    ),
    (
        "{wait_until: '9999-12-31T23:59:59-12:00'}",
        "2:22: '9999-12-31T23:59:59-12:00' is not a moment: write 2026-12-24, 2026-12-24T18:00:00Z or an expression",
    ),
    (
        "{wait_until: '0001-01-01T00:00:00+14:00'}",
        "2:22: '0001-01-01T00:00:00+14:00' is not a moment: write 2026-12-24, 2026-12-24T18:00:00Z or an expression",
    ),
    ("{set: {}}", "2:15: nothing is in it: write what is to be done, or leave the step out"),
    ("{set: {event: 1}}", "2:16: 'event' is there already, with a meaning of its own: choose another name"),
    ("{set: {a-b: 1}}", "2:16: 'a-b' cannot be a name in expressions: use letters, digits and '_'"),
    (
        "{for_each: [1], as: one, do: [{if: true, then: [{set: {one: 1}}]}]}",
        "2:64: 'one' is the item of the loop around: choose another name",
    ),
    (
        "{stop: {state: fail}}",
        "2:24: 'state' cannot be 'fail': write succeeded, failed or cancelled (did you mean 'failed'?)",
    ),
    ("{stop: {reson: x}}", "2:17: unknown key 'reson' (did you mean 'reason'?)"),
    ("{call: 5}", "2:16: 'call' must be text: write it in quotes"),
    ("{if: true, then: [{use: a.x, id: s}]}, {use: a.x, id: s}", "2:59: a step above has the id 's', too"),
    (
        "{for_each: [1], do: [{if: true, then: [{wait: 5x}]}]}",
        "2:55: 'wait': '5x' is not a duration: write 30s, 5m, 1h30m, 2d or a number of seconds",
    ),
]


@pytest.mark.parametrize(("text", "words"), BAD, ids=[text for text, _ in BAD])
def test_what_is_wrong_in_a_step_is_told_at_its_place(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(f"{T}steps: [{text}]")
    assert str(caught.value) == f"a.yaml:{words}"


def test_on_failure_takes_the_same_steps() -> None:
    text = f"{T}steps: []\non_failure: [{{for_each: [1], do: [{{wiat: 5m}}]}}]"
    with pytest.raises(ConfigError, match=r"3:36: unknown key 'wiat' \(did you mean 'wait'\?\)"):
        read(text)


def test_places_are_those_of_the_file() -> None:
    text = f"{T}steps: [{{choose: [{{when: true, do: [{A}]}}], else: [{{for_each: [1], as: n, do: [{A}]}}]}}]"
    workflow = workflow_from_text(text, Environment({}, Path("/nowhere")), "a.yaml")
    assert [(place, step.kind, loops) for place, step, loops in workflow.placed_steps()] == [
        (("steps", 0), "choose", ()),
        (("steps", 0, "choose", 0, "do", 0), "use", ()),
        (("steps", 0, "else", 0), "for_each", ()),
        (("steps", 0, "else", 0, "do", 0), "use", ("n",)),
    ]


def test_a_run_may_have_a_bound() -> None:
    text = f"{T}steps: []\ntimeout: 2h"
    assert workflow_from_text(text, Environment({}, Path("/nowhere")), "a.yaml").timeout == timedelta(hours=2)


def test_each_kind_knows_its_keys() -> None:
    assert keys_of(ForEach) == ["id", "when", "for_each", "as", "max_parallel", "do"]
