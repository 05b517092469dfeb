"""How a run goes on: what a person resumed, what happens at the run's bound, and what is written when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from changewire.config.step_fields import MOST_ITERATIONS
from changewire.state.records import AttemptState, RunState
from tests.actions.rig import Rig, connection
from tests.actions.table import Recorder, play, shown, workflow_file, write_actions
from tests.connectors.server import Reply
from tests.state.samples import DAY


@pytest.fixture
def hits() -> Iterator[Recorder]:
    server = Recorder()
    yield server
    server.close()


@pytest.fixture
def site(hits: Recorder, make_rig: Callable[..., Rig], tmp_path: Path) -> Rig:
    write_actions(tmp_path)
    return make_rig(connection("site", hits.url, "http", allow_private=True))


def test_a_run_that_took_too_long_gets_its_time_again_when_a_person_resumes_it(site: Rig, hits: Recorder) -> None:
    site.start("timeout: 1h\nsteps: [{wait: 90m}, {use: http.hit, with: {path: a}}]")
    assert play(site) == (RunState.PAUSED, [3600])
    site.resume()
    assert play(site) == (RunState.SUCCEEDED, [1800])
    assert (hits.calls, shown(site)) == (["a"], "steps/0:s steps/1:s timeout:f")


@pytest.mark.parametrize("before", ["", "{wait: 1h}, "])
def test_waiting_for_a_person_takes_nothing_of_the_time_that_a_run_has(site: Rig, hits: Recorder, before: str) -> None:
    hits.on("/a", Reply(404), Reply(404), Reply(body={}))
    site.start(f"timeout: 2h\nsteps: [{before}{{use: http.hit, with: {{path: a}}}}, {{wait: 90m}}]")
    for _ in range(2):
        assert play(site)[0] is RunState.PAUSED
        site.clock.advance(5 * 3600)  # type: ignore[attr-defined]
        site.resume()
    assert play(site) == (RunState.SUCCEEDED, [5400])


def test_on_failure_runs_again_for_a_failure_after_the_clock_was_set_back(site: Rig, hits: Recorder) -> None:
    hits.on("/a", Reply(404), Reply(404))
    hits.on("/told", Reply(body={}))
    site.start("steps: [{use: http.hit, with: {path: a}}]\non_failure: [{use: http.hit, with: {path: told}}]")
    for _ in range(2):
        assert play(site)[0] is RunState.PAUSED
        site.clock.set_back(30)  # type: ignore[attr-defined]
        site.resume()
    assert hits.calls == ["a", "told", "a", "told"]


def test_on_failure_runs_again_for_another_failure(site: Rig, hits: Recorder) -> None:
    hits.on("/a", Reply(404), Reply(404), Reply(body={}))
    hits.on("/told", Reply(body={}))
    handlers = "on_failure: [{if: true, then: [{use: http.hit, with: {path: told}}, {wait: 1m}]}]"
    site.start(f"steps: [{{use: http.hit, with: {{path: a}}}}]\n{handlers}")
    for _ in range(2):
        assert play(site) == (RunState.PAUSED, [60])
        site.clock.advance(60)  # type: ignore[attr-defined]
        site.resume()
    assert play(site) == (RunState.SUCCEEDED, [])
    assert hits.calls == ["a", "told", "a", "told", "a"]
    assert shown(site) == "steps/0:ffs on_failure/0:ss on_failure/0/then/0:ss on_failure/0/then/1:ss"


def test_a_decision_that_failed_is_made_again_when_a_person_resumes_the_run(site: Rig, hits: Recorder) -> None:
    site.start("steps: [{call: sub}, {use: http.hit, with: {path: after}}]")
    assert play(site)[0] is RunState.PAUSED
    site.workflows["sub"] = workflow_file("sub", "trigger: {type: zoom.x}\nsteps: [{use: http.hit, with: {path: sub}}]")
    site.resume()
    assert play(site)[0] is RunState.SUCCEEDED
    assert (hits.calls, shown(site)) == (["sub", "after"], "steps/0:fs steps/0/call/steps/0:s steps/1:s")


def test_a_called_workflow_keeps_the_version_that_it_began_with(site: Rig, hits: Recorder) -> None:
    sub = "trigger: {type: zoom.x}\nsteps: [{wait: 1h}, {use: http.hit, with: {path: NAME}}]"
    site.workflows["sub"] = workflow_file("sub", sub.replace("NAME", "old"))
    site.start("steps: [{repeat: {times: 2}, do: [{call: sub}]}]")
    assert site.go() is RunState.WAITING
    site.workflows["sub"] = workflow_file("sub", sub.replace("NAME", "new"))
    site.clock.advance(3600)  # type: ignore[attr-defined]
    assert play(site) == (RunState.SUCCEEDED, [3600])
    assert hits.calls == ["old", "new"]


def test_a_moment_is_decided_once_whatever_the_clock_says_later(site: Rig) -> None:
    site.start("steps: [{wait: 1h}, {wait: 2h}]")
    assert site.go() is RunState.WAITING
    first = site.output("steps/0")
    site.clock.advance(3600)  # type: ignore[attr-defined]
    assert site.go() is RunState.WAITING
    site.clock.advance(-1800)  # type: ignore[attr-defined]
    assert site.store.claim_runs(site.clock.now(), 1, DAY) == []
    assert (site.output("steps/0"), site.output("steps/1")) == (first, {"until": "2026-11-21T13:00:00.000000Z"})


def test_decisions_cost_no_write_of_their_own(make_rig: Callable[..., Rig]) -> None:
    points: list[str] = []
    rig = make_rig(on_write=points.append)
    rig.start(
        "steps: [{set: {n: 0}}, {repeat: {times: 50}, do: [{set: {n: '{{ n + 1 }}'}}]},"
        " {if: '{{ n == 50 }}', then: []}]"
    )
    points.clear()
    assert rig.go() is RunState.SUCCEEDED
    assert points.count("commit:after") == 2, "the claim, and everything else"
    assert len(rig.attempts) == 53


def test_the_longest_loop_ends(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    rig.start(
        f"steps: [{{set: {{n: 0}}}}, {{repeat: {{times: {MOST_ITERATIONS}}}, do: [{{set: {{n: '{{{{ n + 1 }}}}'}}}}]}}]"
    )
    assert rig.go() is RunState.SUCCEEDED
    assert rig.output(f"steps/1[{MOST_ITERATIONS - 1}]/do/0") == {"values": {"n": MOST_ITERATIONS}}


def test_a_secret_in_an_item_is_masked_before_and_after_a_restart(make_rig: Callable[..., Rig], tmp_path: Path) -> None:
    rig = make_rig(SOME_TOKEN="s3cr3t-w0rd")
    rig.environment.expand("${SOME_TOKEN}")
    rig.start(
        "steps: [{for_each: ['s3cr3t-{{ payload.rest }}'],"
        " do: [{wait: 1s}, {use: core.log, with: {message: '{{ item }}'}}]}]",
        {"rest": "w0rd"},
    )
    assert play(rig) == (RunState.SUCCEEDED, [1])
    assert rig.output("steps/0[0]/do/1") == {"message": "***"}


def test_a_loop_over_what_an_answer_gave_sees_the_same_after_a_restart(site: Rig, hits: Recorder) -> None:
    hits.on("/list", Reply(body=b'{"b": 1, "a": 2}'))
    loop = "{for_each: '{{ steps.l.keys() | list }}', do: [{use: http.hit, with: {path: '{{ item }}'}}]}"
    site.start(f"steps: [{{id: l, use: http.hit, with: {{path: list}}}}, {loop}, {{wait: 1s}}, {loop}]")
    assert play(site) == (RunState.SUCCEEDED, [1])
    assert hits.calls == ["list", "a", "b", "a", "b"]


def test_nothing_is_under_way_in_a_run_that_is_over(site: Rig) -> None:
    site.start("steps: [{for_each: [1, 2], do: [{if: true, then: [{stop: enough}]}]}]")
    assert play(site)[0] is RunState.SUCCEEDED
    assert {state for _, _, state in site.attempts} == {AttemptState.SUCCEEDED}
