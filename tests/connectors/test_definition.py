from __future__ import annotations

import re

import pytest

from changewire.connectors.definition import connector_names, load_connector
from changewire.errors import FailureClass, UsageError


@pytest.mark.parametrize("name", connector_names())
def test_every_connector_loads_under_the_name_of_its_file(name: str) -> None:
    connector = load_connector(name)

    assert connector.name == name
    assert all(re.compile(rule.path) for rule in connector.failures if rule.path)
    assert connector.default_plan is None or connector.default_plan in connector.rates


def test_the_connectors_that_come_with_it() -> None:
    assert connector_names() == ("core", "http", "zoom")


def test_a_connector_is_read_once() -> None:
    assert load_connector("zoom") is load_connector("zoom")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("zoomm", "there is no connector 'zoomm': write one of core, http, zoom; did you mean 'zoom'?"),
        ("../zoom", "there is no connector '../zoom': write one of core, http, zoom; did you mean 'zoom'?"),
        ("slack", "there is no connector 'slack': write one of core, http, zoom"),
    ],
)
def test_an_unknown_connector_is_told_with_the_known_ones(name: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_connector(name)
    assert str(caught.value) == words


def test_an_unknown_plan_is_told_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        load_connector("zoom").limits("busines")
    message = "Zoom has no plan 'busines': write one of free, pro, business; did you mean 'business'?"
    assert str(caught.value) == message


def test_no_plan_means_the_default_plan() -> None:
    zoom = load_connector("zoom")

    assert zoom.limits(None) == zoom.limits(zoom.default_plan)
    assert zoom.limits("free")["MEDIUM"].day == 2000


def test_a_connector_without_rates_has_no_limits() -> None:
    assert load_connector("http").limits("anything") == {}


def test_a_rule_fits_when_all_its_conditions_hold() -> None:
    zoom = load_connector("zoom")

    def first(method: str, path: str, status: int, code: str | None, message: str) -> FailureClass:
        return next(r.failure for r in zoom.failures if r.fits(method, path, status, code, message))

    assert first("GET", "/past_meetings/1", 404, "3001", "Meeting does not exist: 1.") is FailureClass.NOT_YET
    assert first("GET", "/meetings/1", 404, "3001", "Meeting does not exist: 1.") is FailureClass.GONE
