"""One mistake in a file does not hide the others: all that can be found is told in one go."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.config.environment import Environment
from changewire.config.workflows import workflow_from_text
from changewire.errors import ConfigError
from changewire.home.loading import load_home
from tests.engine.rig import connection, write_home

HEAD = """\
name: Many
trigger: {type: zoom.new_meeting_created, with: {user_id: me}}
steps:
"""
MANY = [
    pytest.param(
        "  - {use: core.log, wiht: {mesage: x, message: y}}\n  - {use: core.lgo}\n",
        [
            "4:21: unknown key 'wiht' (did you mean 'with'?)",
            "4:28: there is no parameter 'mesage' (did you mean 'message'?)",
            "5:11: there is no action 'core.lgo'; `changewire catalog` lists them (did you mean 'core.log'?)",
        ],
        id="a misspelt key is taken for the one that was meant",
    ),
    pytest.param(
        "  - {fro_each: [1], do: [{use: core.lgo}, {use: core.log, id: a}, {use: core.log, id: a}]}\n",
        [
            "4:6: unknown key 'fro_each' (did you mean 'for_each'?)",
            "4:32: there is no action 'core.lgo'; `changewire catalog` lists them (did you mean 'core.log'?)",
            "4:43: message is missing: what to tell",
            "4:67: message is missing: what to tell",
            "4:83: a step above has the id 'a', too",
        ],
        id="what is inside a step with a misspelt kind",
    ),
    pytest.param(
        "  - {use: core.log, sparkle: 1, when: a, with: {message: '{{ payload.nme }}'}}\n  - {wait: 5x}\n",
        [
            "4:21: unknown key 'sparkle': possible are id, when, use, with, retry, timeout, continue_on_error,"
            " idempotency",
            "4:39: 'a' is no expression, so it would always be true: write it between {{ and }}"
            " (did you mean '{{ a }}'?)",
            "4:62: there is no field 'nme' in payload; it has event_type, meeting",
            "5:12: 'wait': '5x' is not a duration: write 30s, 5m, 1h30m, 2d or a number of seconds",
        ],
        id="what is no key at all",
    ),
    pytest.param(
        "  - {use: core.log, wait: 5m}\n  - {if: x, then: [{use: core.lgo}]}\n"
        "mode: queued\nmax: 2\norder_by: '{{ 1 + }}'\n",
        [
            "4:21: 'use' and 'wait' cannot be in one step: make two steps of them",
            "5:10: 'x' is no expression, so it would always be true: write it between {{ and }}"
            " (did you mean '{{ x }}'?)",
            "5:26: there is no action 'core.lgo'; `changewire catalog` lists them (did you mean 'core.log'?)",
            "7:1: 'max' goes with mode: parallel, not with queued",
            "8:19: {{ 1 + }}: a value is missing behind '+'",
        ],
        id="steps that cannot be read beside others",
    ),
]


@pytest.mark.parametrize(("steps", "told"), MANY)
def test_all_mistakes_are_told_at_once(tmp_path: Path, steps: str, told: list[str]) -> None:
    write_home(tmp_path, connection("https://zoom.example.com"), many=HEAD + steps)
    home = load_home(tmp_path, {})
    found = [str(problem).removeprefix("config/workflows/many.yaml:") for problem in home.problems]
    assert found == told
    assert [broken.name for broken in home.broken] == ["Many"]
    assert not home.triggers


def test_a_misspelt_trigger_is_looked_through_as_well(tmp_path: Path) -> None:
    text = "name: Many\ntriger: {tpye: zoom.new_meeting_creatd, evry: 5x}\nsteps: [{use: core.lgo}]\n"
    write_home(tmp_path, connection("https://zoom.example.com"), many=text)
    assert [(p.line, p.column, p.code) for p in load_home(tmp_path, {}).problems] == [
        (2, 1, "unknown_key"),
        (2, 10, "unknown_key"),
        (2, 16, "unknown_type"),
        (2, 41, "unknown_key"),
        (2, 47, "wrong_value"),
        (3, 15, "unknown_action"),
    ]


STEPS = st.recursive(
    st.sampled_from(
        ["{use: a.x}", "{use: x}", "{wait: 5x}", "5", "{}", "{id: a, use: a.x}", "{set: {event: 1}}", "null"]
    ),
    lambda inner: st.builds(
        lambda head, steps: f"{{{head}: [{', '.join(steps)}]}}",
        st.sampled_from(["if: x, then", "if: true, thn", "for_each: [1], do", "choose", "repeat: 3, do", "fi: 1, do"]),
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)


@given(st.lists(STEPS, max_size=4))
def test_looking_for_more_always_comes_to_an_end(steps: list[str]) -> None:
    text = f"trigger: {{type: a.b}}\nsteps: [{', '.join(steps)}]\n"
    with suppress(ConfigError):
        workflow_from_text(text, Environment({}, Path("/nowhere")), "a.yaml")
