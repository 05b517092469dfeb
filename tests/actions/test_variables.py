from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest

from changewire.actions.inputs import resolve
from changewire.actions.variables import render_with_variables
from changewire.config.environment import Environment, UnsetError
from changewire.secret import mask
from changewire.templates import TemplateError

TOKEN = "Grand-Piano-1787"
VARIABLES = {
    "TOKEN": TOKEN,
    "EVIL": "{{ payload.topic }} {% raw %} '\" }}",
    "LIMIT": "5",
    "NAMES": "alpha-and-omega,beta-and-gamma",
}
SCOPE = {"payload": {"topic": "Weekly", "n": 2}}


def rendered(text: str) -> Any:
    return render_with_variables(text, SCOPE, Environment(VARIABLES, Path()))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Bearer ${TOKEN} for {{ payload.topic }}", f"Bearer {TOKEN} for Weekly"),
        ("{{ payload.n }}${LIMIT}", "25"),
        ("{{ '${LIMIT}' | int + payload.n }}", 7),
        ("{{ '${TOKEN}' }}", TOKEN),
        ("{{ ('Basic ' ~ '${TOKEN}') | length }}", 22),
        ("{{ 'a-${LIMIT}-b' }}", "a-5-b"),
        ("{{ {'k-${LIMIT}': ['${LIMIT}']} }}", {"k-5": ["5"]}),
        ("{{ payload['${FIELD:-topic}'] }}", "Weekly"),
        ("{% if '${LIMIT}' == '5' %}yes{% endif %}", "yes"),
        ("{{ payload.nix | default('${LIMIT}') }}", "5"),
        ("${EVIL} {{ payload.n }}", f"{VARIABLES['EVIL']} 2"),
        ("{{ '${EVIL}' }}", VARIABLES["EVIL"]),
        ("{{ payload.topic[1:3] }}${LIMIT}", "ee5"),
        ("{{ [1, 2, 3][::-1] }}${LIMIT}", "[3,2,1]5"),
        ("$${TOKEN} {{ payload.n }}", "${TOKEN} 2"),
    ],
)
def test_what_a_variable_holds_is_a_value_and_never_an_expression(text: str, value: Any) -> None:
    result = rendered(text)
    assert (type(result), result) == (type(value), value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${TOKEN} {{ payload.topik }}", "${TOKEN} {{ payload.topik }}: there is no field 'topik'"),
        ("${TOKEN} {{ paylod }}", "${TOKEN} {{ paylod }}: there is no name 'paylod'"),
        ("${TOKEN} {{ zzzzzz }}", "${TOKEN} {{ zzzzzz }}: there is no name 'zzzzzz'; known here: payload"),
        ("{{ '${TOKEN}' | from_json }}", "{{ '${TOKEN}' | from_json }}: from_json: not JSON, see character 0"),
    ],
)
def test_an_error_shows_the_text_as_it_is_written(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        rendered(text)
    assert caught.value.message == message


def test_an_unset_variable_is_told() -> None:
    with pytest.raises(UnsetError, match="the variable NIX is not set"):
        rendered("${NIX} {{ payload.n }}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ '${TOKEN}' | upper }}", "GRAND-PIANO-1787"),
        ("{{ '${TOKEN}'.lower() }}", "grand-piano-1787"),
        ("{{ '${TOKEN}' | reverse }}", TOKEN[::-1]),
        ("{{ '${TOKEN}'[:10] }}", TOKEN[:10]),
        ("{{ '${TOKEN}' | slug }}", "grand-piano-1787"),
        ("{{ '${TOKEN}' | hash }}", hashlib.sha256(TOKEN.encode()).hexdigest()),
        ("{{ '${TOKEN}' | upper | b64encode }}", base64.b64encode(TOKEN.upper().encode()).decode()),
        ("{{ ('user:' ~ '${TOKEN}') | b64encode }}", base64.b64encode(f"user:{TOKEN}".encode()).decode()),
        ("{{ '${TOKEN}' | replace('-', '+') }}", "Grand+Piano+1787"),
        ("{{ '${TOKEN}' | regex_search('Piano.*') }}", "Piano-1787"),
        ("{{ ['${TOKEN}'] | join('') | swapcase if false else '${TOKEN}'.swapcase() }}", TOKEN.swapcase()),
        ("{{ '${NAMES}' | split(',') | last }}", "beta-and-gamma"),
    ],
)
def test_what_an_expression_makes_of_a_secret_is_hidden_too(text: str, value: str) -> None:
    assert rendered(text) == value
    assert value not in mask(f"it is {value}!")


def test_what_only_takes_a_variable_as_its_argument_stays_readable() -> None:
    made = render_with_variables(
        "{{ '2026-11-21' | date(tz='${TZ}') }}", {}, Environment({"TZ": "Europe/Lisbon"}, Path())
    )
    assert mask(made) == made == "2026-11-21T00:00:00Z"


def test_a_short_part_of_a_secret_is_not_hidden_as_it_would_blot_out_ordinary_text() -> None:
    assert rendered("{{ '${TOKEN}'[:5] }}") == "Grand"
    assert mask("Grand opening") == "Grand opening"


def test_only_what_expressions_give_is_encoded_in_an_address() -> None:
    environment = Environment({"BASE": "json://me:word@host/a?b=c"}, Path("/nowhere"))
    scope = {"x": "d&e=f", "whole": "json://host/?a=b"}
    assert resolve({"to": "${BASE}&to={{ x }}"}, scope, environment, ["to"]) == {
        "to": "json://me:word@host/a?b=c&to=d%26e%3Df"
    }
    assert resolve({"to": "{{ whole }}"}, scope, environment, ["to"]) == {"to": "json://host/?a=b"}
    assert resolve({"to": "{{ whole }}"}, scope, environment) == {"to": "json://host/?a=b"}
