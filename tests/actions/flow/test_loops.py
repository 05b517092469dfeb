"""Iterations at once: one that ends the run lets the others finish the step that they are at, and no more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from changewire.state.records import RunState
from tests.actions.rig import Rig, connection
from tests.actions.table import Recorder, play, shown, write_actions
from tests.connectors.server import Reply, Seen
from tests.state.samples import DAY, end_stale

HIT = '{use: http.hit, with: {path: "{{ item }}"}}'
LOOP = f"for_each: [a, b, c], max_parallel: 2, do: [{HIT}, {{use: http.hit, with: {{path: after}}}}]"


def together(server: Recorder, *paths: str, failing: str = "") -> None:
    """Answer these only once all of them were asked, and the failing one first."""
    barrier, told = threading.Barrier(len(paths)), threading.Event()

    def answer(seen: Seen) -> Reply:
        if not told.is_set():
            barrier.wait(10)
        path = seen.path.strip("/")
        if path == failing and not told.is_set():
            told.set()
            return Reply(404, {"message": "no"})
        told.wait(0.3)
        return Reply(body={"path": path})

    for path in paths:
        server.on(f"/{path}", answer)


def make(tmp_path: Path, make_rig: Callable[..., Rig], server: Recorder, text: str) -> Rig:
    write_actions(tmp_path)
    rig = make_rig(connection("site", server.url, "http", allow_private=True))
    rig.start(text)
    return rig


def test_two_iterations_are_under_way_at_once(tmp_path: Path, make_rig: Callable[..., Rig]) -> None:
    server = Recorder()
    together(server, "a", "b")
    rig = make(tmp_path, make_rig, server, f"steps: [{{{LOOP}}}]")
    assert play(rig) == (RunState.SUCCEEDED, [])
    assert sorted(server.calls[:2]) == ["a", "b"]
    assert sorted(server.calls) == ["a", "after", "after", "after", "b", "c"]
    server.close()


def test_one_that_fails_pauses_the_run_and_a_resumed_one_does_only_what_is_left(
    tmp_path: Path, make_rig: Callable[..., Rig]
) -> None:
    server = Recorder()
    together(server, "a", "b", failing="b")
    rig = make(tmp_path, make_rig, server, f"steps: [{{{LOOP}}}]")
    assert play(rig)[0] is RunState.PAUSED
    # the other iteration finishes the step that it is at; it may have begun its last one before the failure was told
    assert sorted(server.calls) in (["a", "b"], ["a", "after", "b"])
    assert shown(rig).split()[:2] == ["steps/0:r", "steps/0[0]/do/0:s"]
    assert shown(rig).split()[-1] == "steps/0[1]/do/0:f"
    assert str(rig.reason).startswith("steps/0[1]/do/0 (http.hit): gone: ")
    rig.resume()
    assert play(rig)[0] is RunState.SUCCEEDED
    assert sorted(server.calls) == ["a", "after", "after", "after", "b", "b", "c"]
    server.close()


def test_a_stop_in_one_ends_the_run_and_leaves_nothing_under_way(tmp_path: Path, make_rig: Callable[..., Rig]) -> None:
    server = Recorder()
    steps = '{wait: 1h, when: "{{ item == 1 }}"}, {stop: found, when: "{{ item == 3 }}"}, ' + HIT
    rig = make(tmp_path, make_rig, server, f"steps: [{{for_each: [1, 2, 3], max_parallel: 2, do: [{steps}]}}]")
    assert play(rig) == (RunState.SUCCEEDED, [])
    assert (server.calls, rig.reason) == (["2"], "found")
    assert shown(rig).split()[:2] == ["steps/0:s", "steps/0[0]/do/0:-"]
    server.close()


def test_a_stopping_process_leaves_the_loop_where_it_is(tmp_path: Path, make_rig: Callable[..., Rig]) -> None:
    server = Recorder()
    rig = make(tmp_path, make_rig, server, f"steps: [{{{LOOP}}}]")
    assert rig.go(lambda: len(server.calls) >= 2) is RunState.PENDING
    assert 2 <= len(server.calls) <= 4
    assert play(rig)[0] is RunState.SUCCEEDED
    assert sorted(server.calls) == ["a", "after", "after", "after", "b", "c"]
    server.close()


def test_the_loop_of_a_called_workflow_in_a_parallel_loop(tmp_path: Path, make_rig: Callable[..., Rig]) -> None:
    server = Recorder()
    inner = "{for_each: [x, y], as: one, max_parallel: 2, do: [{use: http.hit, with: {path: '{{ item }}{{ one }}'}}]}"
    rig = make(tmp_path, make_rig, server, f"steps: [{{for_each: [a, b], max_parallel: 2, do: [{inner}]}}]")
    assert play(rig) == (RunState.SUCCEEDED, [])
    assert sorted(server.calls) == ["ax", "ay", "bx", "by"]
    server.close()


def test_a_lost_claim_ends_all_iterations(tmp_path: Path, make_rig: Callable[..., Rig]) -> None:
    server = Recorder()
    rig = make(tmp_path, make_rig, server, f"steps: [{{{LOOP}}}]")
    claimed = rig.store.claim_runs(rig.clock.now(), 1, DAY)[0]
    server.on("/a", lambda seen: _take_over(rig))
    assert rig.runner().advance("r1", claimed.claim) is None
    # the other iteration may have begun its last step before the claim was lost; nothing is begun after that
    assert "c" not in server.calls
    assert server.calls.count("after") <= 1
    server.close()


def _take_over(rig: Rig) -> Reply:
    end_stale(rig.store, rig.clock.now() + 2 * DAY)
    return Reply(body={})
