from __future__ import annotations

from typing import Any

import pytest

from changewire.triggers.binding import Bindings, bind
from changewire.triggers.definition import TriggerType
from tests.triggers.kinds import kind_of


def shaped_kind(key: str = "{{ parameters.key }}", **compare: Any) -> TriggerType:
    return kind_of(
        parameters={
            "path": {"type": "string", "required": True},
            "key": {"type": "any", "default": "id"},
            "lists": {"type": "object", "default": {}},
        },
        key=key,
        compare=compare,
    )


def test_triggers_that_only_ask_something_else_share_their_type() -> None:
    bindings, kind = Bindings(), shaped_kind()
    first = bindings.bind(kind, {"path": "/a", "key": "id", "lists": {}})

    assert bindings.bind(kind, {"path": "/b", "key": "id", "lists": {}}) is first
    assert first == bind(kind, {"path": "/a", "key": "id", "lists": {}})
    assert bindings.bind(kind_of(), {"path": "/a"}) == kind_of()


def test_what_decides_about_the_type_makes_another() -> None:
    bindings = Bindings()
    kind = shaped_kind(lists="{{ parameters.lists }}")
    for parameters in (
        {"path": "/a", "key": "id", "lists": {}},
        {"path": "/a", "key": ["account", "number"], "lists": {}},
        {"path": "/a", "key": "id", "lists": {"lines": {"key": "sku"}}},
    ):
        assert bindings.bind(kind, parameters) == bind(kind, parameters)


@pytest.mark.parametrize(
    "key",
    [
        "{{ parameters.get('path') or parameters.key }}",
        "{{ parameters['path'] or parameters.key }}",
        "{{ (parameters | length > 1 and parameters.path) or parameters.key }}",
    ],
)
def test_a_type_that_looks_its_parameters_up_is_bound_for_each_set_of_them(key: str) -> None:
    bindings, kind = Bindings(), shaped_kind(key)

    assert bindings.bind(kind, {"path": "a", "key": "id"}).key == (("a",),)
    assert bindings.bind(kind, {"path": "b", "key": "id"}).key == (("b",),)


def test_a_value_that_fits_nowhere_is_refused_each_time() -> None:
    bindings, kind = Bindings(), shaped_kind()
    for _ in range(2):
        with pytest.raises(ValueError, match="key"):
            bindings.bind(kind, {"path": "/a", "key": 7})


def test_rules_are_shared_where_nothing_sets_them_apart() -> None:
    bindings, kind = Bindings(), kind_of()
    first = bindings.watch(kind, (), 1)

    assert bindings.watch(kind, (), 1) is first
    assert bindings.watch(kind, ("status",), 1).rules.fingerprint != first.rules.fingerprint
    assert bindings.watch(kind, (), 2).settle == 2
    assert bindings.watch(kind_of("status"), (), 1).kind.kind == ("status",)
