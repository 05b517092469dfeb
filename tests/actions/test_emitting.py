from __future__ import annotations

from typing import Any

import pytest

from changewire.actions.calling import check_inputs, perform
from changewire.actions.emitting import MOST_HOPS, Emission, TooManyHopsError, hops_of, next_hop
from changewire.actions.pipeline import Runner
from changewire.actions.retry import failure_of
from changewire.errors import UsageError
from changewire.secret import Secret
from changewire.state.records import RunState
from tests.actions.rig import Rig
from tests.state.samples import DAY, NOW, event, run, with_events


class Hearing:
    """What the engine does with an emission, without the engine."""

    def __init__(self) -> None:
        self.heard: list[Emission] = []

    def __call__(self, emission: Emission) -> list[str]:
        self.heard.append(emission)
        return ["Send invoice"]


def emit(rig: Rig, hearing: Any, given: dict[str, Any], **changes: Any) -> Any:
    action = rig.action("core.emit")
    return perform(action, check_inputs(action, given), rig.context(emit=hearing, **changes))


def test_an_event_is_handed_over_with_where_it_comes_from(rig: Rig) -> None:
    hearing = Hearing()
    given = {"name": "invoice_ready", "data": {"n": 1, "s": Secret("open-sesame")}, "key": "o-7"}
    out = emit(rig, hearing, given, workflow="Orders", run_id="r1", hops=2)
    assert out == {"name": "invoice_ready", "workflows": ["Send invoice"], "hops": 3}
    assert hearing.heard == [Emission("invoice_ready", {"n": 1, "s": "***"}, "o-7", 3, "Orders", "r1", "key_1")]
    assert hearing.heard[0].payload == {
        "event_type": "invoice_ready",
        "name": "invoice_ready",
        "data": {"n": 1, "s": "***"},
        "source": {"workflow": "Orders", "run": "r1"},
        "hops": 3,
    }


def test_the_same_step_raises_the_same_event_again(rig: Rig) -> None:
    hearing = Hearing()
    for _ in range(2):
        emit(rig, hearing, {"name": "x"})
    emit(rig, hearing, {"name": "x"}, idempotency_key="key_2")
    ids = [one.event(trigger_id="t", trigger="w/t", workflow="w", now=NOW).id for one in hearing.heard]
    assert ids[0] == ids[1] != ids[2]
    assert [one.key for one in hearing.heard] == ["key_1", "key_1", "key_2"]


def test_the_event_that_was_raised_knows_its_hops() -> None:
    event = Emission("x", None, "k", 3, "w", "r", "key_1").event(trigger_id="t", trigger="w/t", workflow="w", now=NOW)
    assert (event.type, event.event_type, event.key, event.detected_at) == ("core.emitted", "x", "k", NOW)
    assert hops_of(event.type, event.payload) == 3
    assert hops_of("zoom.new_meeting_created", {"hops": 3}) == 0
    assert hops_of("core.emitted", {}) == hops_of("core.emitted", None) == MOST_HOPS


def test_a_circle_is_broken_after_eight(rig: Rig) -> None:
    hearing = Hearing()
    hops = 0
    for _ in range(8):
        hops = next_hop(hops, "x")
    assert hops == 8
    with pytest.raises(TooManyHopsError) as caught:
        emit(rig, hearing, {"name": "x"}, hops=8)
    assert str(caught.value).startswith("the event 'x' was not raised: 8 emitted events led to this run")
    failure = failure_of(caught.value)
    assert (failure.kind, failure.permanent, failure.undone) == ("bad_input", True, True)
    assert hearing.heard == []


def test_by_hand_nobody_listens(rig: Rig) -> None:
    with pytest.raises(UsageError, match=r"core\.emit needs the daemon"):
        emit(rig, None, {"name": "x"})


def test_a_run_hands_its_hops_and_its_hook_to_the_action(rig: Rig) -> None:
    hearing = Hearing()
    rig.store.save_version("v1", "trigger: {type: zoom.x}\nsteps: [{use: core.emit, with: {name: x}}]")
    with_events(rig.store, [event(type="core.emitted", payload={"hops": 4}, trigger="w/trigger")], [run()])
    runner = Runner(
        store=rig.store,
        actions=rig.actions,
        clients=rig.clients,
        connections=rig.connections,
        environment=rig.environment,
        settings=rig.settings,
        clock=rig.clock,
        home=rig.home,
        log=rig.log,
        emit=hearing,
    )
    claimed = rig.store.claim_runs(rig.clock.now(), 1, DAY)[0]
    assert runner.advance(claimed.id, claimed.claim) is RunState.SUCCEEDED
    [heard] = hearing.heard
    assert (heard.hops, heard.run_id, heard.workflow) == (5, "r1", run().workflow)
    assert rig.output("steps/0") == {"name": "x", "workflows": ["Send invoice"], "hops": 5}
