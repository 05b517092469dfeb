"""What is stored of a run, so that whoever takes it up next need not infer it: resumptions, its end, its time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from changewire.actions.flow.effects import must_look
from changewire.errors import StateError
from changewire.state.records import PauseCause, PauseKind, PauseRecord, RunRecord, RunState
from changewire.state.views import effect, next_step
from tests.actions.rig import Rig, connection
from tests.actions.table import Recorder, play, shown, write_actions
from tests.connectors.server import Handler, Reply, Seen
from tests.state.samples import DAY

HOUR = 3600


@pytest.fixture
def hits() -> Iterator[Recorder]:
    server = Recorder()
    yield server
    server.close()


@pytest.fixture
def site(hits: Recorder, make_rig: Callable[..., Rig], tmp_path: Path) -> Rig:
    write_actions(tmp_path)
    return make_rig(connection("site", hits.url, "http", allow_private=True))


def stored(rig: Rig) -> RunRecord:
    """The run as it stands."""
    return rig.store.load_run("r1")[0]


def pause(rig: Rig) -> None:
    """Pause the run's workflow by hand."""
    now = rig.clock.now()
    rig.store.pause(PauseRecord(PauseKind.WORKFLOW, "w", PauseCause.PERSON, now, "by hand"), now)


def lift(rig: Rig) -> None:
    """End that pause."""
    assert rig.store.lift(PauseKind.WORKFLOW, "w", rig.clock.now()) is not None


def advance(rig: Rig, seconds: float) -> None:
    """Let time pass."""
    rig.clock.advance(seconds)  # type: ignore[attr-defined]


def test_who_resumed_a_run_and_when_is_stored_and_each_resumption_begins_a_series(site: Rig, hits: Recorder) -> None:
    hits.on("/a", Reply(404), Reply(404), Reply(body={}))
    site.start("steps: [{use: http.hit, with: {path: a}}]")
    for number in (1, 2):
        assert play(site)[0] is RunState.PAUSED
        assert (stored(site).waits_for, stored(site).ending_step) == ("steps/0", "steps/0")
        advance(site, 60)
        site.resume()
        run = stored(site)
        assert (run.resumes, run.resumed_by, run.resumed_at) == (number, "ann", site.clock.now())
        assert (run.waits_for, run.ending_step) == (None, None)
    assert play(site) == (RunState.SUCCEEDED, [])
    assert [one.series for one in site.store.load_run("r1")[2]] == [0, 1, 2]


def test_an_iteration_does_nothing_new_once_another_one_ended_the_run(site: Rig, hits: Recorder) -> None:
    hits.on("/bad", Reply(404))
    branch = "{if: '{{ item == 1 }}', then: [{use: http.hit, with: {path: bad}}], else: [{wait: 30s}, HIT]}"
    branch = branch.replace("HIT", "{use: http.hit, with: {path: late}}")
    site.start(f"steps: [{{for_each: [0, 1], max_parallel: 2, do: [{branch}]}}]\non_failure: [{{wait: 1m}}]")
    assert play(site) == (RunState.PAUSED, [60])
    assert hits.calls == ["bad"], "its wait is over when on_failure has waited"
    assert stored(site).waits_for == "steps/0[1]/do/0/then/0"


def test_a_failure_ends_the_run_although_a_pause_would_hold_another_iteration(
    hits: Recorder, make_rig: Callable[..., Rig], tmp_path: Path
) -> None:
    write_actions(tmp_path)
    auth = {"type": "bearer", "token": "the-token"}
    rig = make_rig(connection("site", hits.url, "http", allow_private=True, auth=auth))
    both = threading.Barrier(2, timeout=30)

    def answer(status: int) -> Handler:
        def handle(seen: Seen) -> Reply:
            both.wait()  # so that both iterations are under way when the first one ends
            return Reply(status)

        return handle

    hits.on("/bad", answer(404))
    hits.on("/refused", answer(401))
    do = "{use: http.hit, with: {path: '{{ item }}'}}"
    rig.start(f"steps: [{{for_each: [refused, bad], max_parallel: 2, do: [{do}]}}]")
    assert rig.go() is RunState.PAUSED
    run = stored(rig)
    assert (run.held_by, run.waits_for, run.ending_step) == (None, "steps/0[1]/do/0", "steps/0[1]/do/0")
    assert [one.name for one in rig.store.pauses()] == ["site"]


def test_a_run_left_for_a_pause_that_ended_meanwhile_is_due_at_once(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    rig.start("steps: [{use: core.log, with: {message: done}}]")
    pause(rig)
    claimed = rig.store.claim_runs(rig.clock.now(), 1, DAY)[0]
    lift(rig)
    left = rig.store.finish_run("r1", claimed.claim, RunState.PAUSED, reason="paused", held_by="workflow/w")
    assert left is RunState.PENDING
    run = stored(rig)
    assert (run.state, run.held_by, run.reason, run.due_at) == (RunState.PENDING, None, None, rig.clock.now())
    assert rig.go() is RunState.SUCCEEDED


def test_what_was_held_knows_which_pause_let_it_continue(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    rig.start("steps: [{use: core.log, with: {message: done}}]")
    pause(rig)
    assert rig.go() is RunState.PAUSED
    assert stored(rig).held_by == "workflow/w"
    lift(rig)
    run = stored(rig)
    assert (run.held_by, run.resumes, run.resumed_by, run.resumed_at) == (None, 0, "workflow/w", rig.clock.now())


def test_when_is_asked_after_a_pause_that_came_before_the_first_step(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    rig.start("timeout: 1h\nwhen: '{{ payload.a == 2 }}'\nsteps: [{use: core.log, with: {message: done}}]")
    pause(rig)
    assert rig.go() is RunState.PAUSED
    lift(rig)
    assert rig.go() is RunState.FILTERED


class Died(StateError):
    """The process ends here."""


@pytest.mark.parametrize("held", [False, True])
def test_a_kill_grants_a_run_no_new_time(make_rig: Callable[..., Rig], held: bool) -> None:
    dying: list[str] = []

    def on_write(point: str) -> None:
        if point in dying:
            raise Died

    rig = make_rig(on_write=on_write)
    rig.start("timeout: 1h\nsteps: [{use: core.log, with: {message: one}}, {wait: 3h}]")
    if held:
        pause(rig)
        assert rig.go() is RunState.PAUSED
        advance(rig, 5 * HOUR)
        lift(rig)
    dying.append("leave_run:before")
    for _ in range(4):
        claimed = rig.store.claim_runs(rig.clock.now(), 1, DAY)[0]
        with pytest.raises(StateError):
            rig.runner().advance("r1", claimed.claim)
        advance(rig, 20 * 60)
        rig.store.close()
        rig.store.open()
    dying.clear()
    assert rig.go() is RunState.PAUSED
    assert rig.reason == "timeout (timeout): timeout: the run took longer than the 1h that it has"


def test_a_resumption_grants_all_of_the_time_once(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    rig.start("timeout: 1h\nsteps: [{wait: 30m}, {wait: 90m}, {wait: 3h}]")
    assert play(rig) == (RunState.PAUSED, [1800, 1800])
    advance(rig, 5 * HOUR)
    rig.resume()
    assert play(rig) == (RunState.PAUSED, [3600])
    assert shown(rig) == "steps/0:s steps/1:s steps/2:r timeout:ff"


def test_the_time_that_a_resumed_run_waits_for_its_turn_is_not_its_own(site: Rig, hits: Recorder) -> None:
    hits.on("/a", Reply(404), Reply(body={}))
    site.start("timeout: 1h\nsteps: [{use: http.hit, with: {path: a}}, {wait: 3h}]")
    assert play(site)[0] is RunState.PAUSED
    site.resume()
    advance(site, 5 * HOUR)
    assert play(site) == (RunState.PAUSED, [HOUR])
    assert shown(site) == "steps/0:fs steps/1:r timeout:f"


def test_the_time_that_a_held_run_waits_for_its_turn_is_not_its_own(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    rig.start("timeout: 1h\nsteps: [{wait: 20m}, {wait: 3h}]")
    assert rig.go() is RunState.WAITING
    advance(rig, 20 * 60)
    pause(rig)
    assert rig.go() is RunState.PAUSED
    lift(rig)
    advance(rig, 5 * HOUR)
    assert play(rig) == (RunState.PAUSED, [40 * 60])


@pytest.mark.parametrize("end", ["failed", "succeeded", "cancelled"])
def test_an_action_whose_answer_was_never_stored_is_unknown_also_if_another_iteration_ended_the_run(
    make_rig: Callable[..., Rig], hits: Recorder, tmp_path: Path, end: str
) -> None:
    write_actions(tmp_path)
    begun, ending, dead = threading.Event(), threading.Event(), threading.Event()

    def on_write(point: str) -> None:
        if dead.is_set():
            raise Died
        if point == "commit:after" and ending.is_set():
            dead.set()

    def slow(_: Seen) -> Reply:
        begun.set()
        dead.wait(30)
        return Reply(body={})

    def quick(_: Seen) -> Reply:
        begun.wait(30)
        ending.set()
        return Reply(body={})

    hits.on("/slow", slow)
    hits.on("/quick", quick)
    rig = make_rig(connection("site", hits.url, "http", allow_private=True), on_write=on_write)
    leave = f"[{{use: http.hit, with: {{path: quick}}}}, {{stop: {{state: {end}, reason: enough}}}}]"
    branch = f"{{if: '{{{{ item == 0 }}}}', then: {leave}, else: [{{use: http.once, with: {{path: slow}}}}]}}"
    rig.start(f"steps: [{{for_each: [0, 1], max_parallel: 2, do: [{branch}]}}]")
    with pytest.raises(StateError):
        rig.go()
    rig.store.close()
    dead.clear()
    ending.clear()
    rig.store.open()
    assert rig.go() is RunState(end)
    found = rig.store.load_run("r1")[2][-1]
    assert (found.use, str(found.state), found.error_class) == ("http.once", "unknown", "unknown")
    assert sorted(hits.calls) == ["quick", "slow"]


def test_a_run_whose_time_is_over_after_a_kill_first_says_which_action_may_have_been_done(
    make_rig: Callable[..., Rig], hits: Recorder, tmp_path: Path
) -> None:
    write_actions(tmp_path)
    dead = threading.Event()

    def on_write(_: str) -> None:
        if dead.is_set():
            raise Died

    def answer(_: Seen) -> Reply:
        dead.set()
        return Reply(body={})

    hits.on("/pay", answer)
    rig = make_rig(connection("site", hits.url, "http", allow_private=True), on_write=on_write)
    rig.start("timeout: 1h\nsteps: [{use: http.once, with: {path: pay}}, {use: http.hit, with: {path: b}}]")
    with pytest.raises(StateError):
        rig.go()
    rig.store.close()
    dead.clear()
    rig.store.open()
    advance(rig, 2 * HOUR)
    assert rig.go() is RunState.PAUSED
    assert stored(rig).waits_for == "steps/0"
    rig.store.say_done("r1", rig.clock.now(), by="ann")
    assert play(rig) == (RunState.SUCCEEDED, [])
    assert hits.calls == ["pay", "b"]


def test_an_action_whose_answer_is_too_large_to_keep_was_sent_and_a_person_looks_first(
    site: Rig, hits: Recorder
) -> None:
    hits.on("/pay", Reply(body={"text": "x" * (1 << 20)}))
    site.start("steps: [{use: http.once, with: {path: pay}}]")
    assert play(site)[0] is RunState.PAUSED
    attempt = site.store.load_run("r1")[2][-1]
    assert (attempt.error_class, effect(attempt), attempt.evidence.get("look")) == ("bad_input", "sent", True)
    assert (next_step(attempt) or "").startswith("it may have been done: look there first.")
    assert must_look([attempt]), "so does an action with a probe"
