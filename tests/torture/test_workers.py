"""A minute of twenty workers in real time."""

from __future__ import annotations

import pytest

from tests.support.workers import measure

pytestmark = pytest.mark.torture


@pytest.mark.parametrize(
    ("label", "plan", "share", "most", "window"),
    [
        ("LIGHT", "pro", 1.0, 30, 1),
        ("MEDIUM", "pro", 0.5, 10, 1),
        ("HEAVY", "pro", 1.0, 10, 1),
        ("RESOURCE-INTENSIVE", "business", 0.5, 10, 60),
    ],
)
def test_a_minute_of_twenty_workers_uses_the_budget_and_no_more(
    label: str, plan: str, share: float, most: int, window: int
) -> None:
    found = measure(label, plan, share, seconds=60.0)
    assert found.refused == 0
    assert found.peak <= most
    assert found.total >= 0.9 * most * found.seconds / window
