"""Steps of which nobody knows whether they were done, and a person who does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from changewire.errors import StateError
from changewire.state.records import RunState
from changewire.state.views import next_step
from tests.actions.rig import Rig, connection
from tests.state.samples import MINUTE
from tests.support.recorder import Recorder

STEP = "{use: http.request, with: {method: POST, url: /orders, connection: shop}, idempotency: none, timeout: 1s%s}"
LOOP = f"""
steps:
  - for_each: [1, 2]
    max_parallel: 2
    do: [{STEP % ""}]
  - use: core.log
    with: {{message: "{{{{ steps[0].results }}}}"}}
"""


@pytest.fixture
def shop() -> Iterator[Recorder]:
    with Recorder(hold_from=1) as one:
        yield one
        one.go.set()


@pytest.fixture
def rig(tmp_path: Path, shop: Recorder) -> Iterator[Rig]:
    with closing(Rig(tmp_path, connection("shop", shop.url, "http")).open()) as made:
        yield made


def test_iterations_at_once_are_asked_for_one_by_one_and_none_is_done_again(rig: Rig, shop: Recorder) -> None:
    rig.start(LOOP)
    assert rig.go() is RunState.PAUSED
    assert len(shop.calls) == 2
    assert "--done --step 'steps/0[0]/do/0'` goes on after it" in rig.told[-1][1]
    rig.store.say_done("r1", rig.clock.now(), by="ann", output="second", address="steps/0[1]/do/0")
    assert (rig.reason or "").startswith("steps/0[0]/do/0 (http.request): ")
    assert rig.store.claim_runs(rig.clock.now(), 1, MINUTE) == []
    rig.store.say_done("r1", rig.clock.now(), by="ann", output="first")
    assert rig.go() is RunState.SUCCEEDED
    assert (len(shop.calls), rig.output("steps/1")["message"]) == (2, '["first","second"]')


def test_a_step_that_may_fail_and_one_that_handles_a_failure_ask_nobody(rig: Rig) -> None:
    after = STEP % ""
    rig.start(f"steps: [{STEP % ', continue_on_error: true'}, {STEP % ''}]\non_failure: [{after}]\n")
    assert rig.go() is RunState.PAUSED
    attempts = rig.store.load_run("r1")[2]
    assert [one.address for one in attempts if (one.evidence or {}).get("look")] == ["steps/1"]
    assert next_step(attempts[-1]) is None
    rig.store.say_done("r1", rig.clock.now(), by="ann")
    assert rig.go() is RunState.SUCCEEDED


@pytest.mark.parametrize("point", ["say_done.attempt:after", "say_done.run:before", "say_done.run:after"])
def test_it_is_said_altogether_or_not_at_all(tmp_path: Path, shop: Recorder, point: str) -> None:
    breaks = [""]

    def on_write(name: str) -> None:
        if name == breaks[0]:
            raise StateError("the process ends here")

    rig = Rig(tmp_path, connection("shop", shop.url, "http"), on_write=on_write).open()
    with closing(rig):
        rig.start(f"steps: [{STEP % ''}]")
        rig.go()
        before = rig.store.run("r1")
        breaks[0] = point
        with pytest.raises(StateError, match="the process ends here"):
            rig.store.say_done("r1", rig.clock.now(), by="ann")
        assert rig.store.run("r1") == before
