from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import pytest

from changewire.actions.supervisor import LostCall
from changewire.engine.chores import LateChore
from changewire.engine.workload import Workload
from changewire.errors import StateError
from changewire.health.work import Progress
from changewire.state.records import Claim
from changewire.testing import START, ManualClock


class Rig:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.load = Workload(self.clock, 2, 8)
        self.held: dict[Claim, float] = {}
        self.lost: list[LostCall] = []
        self.late: list[LateChore] = []
        self.logged: list[str] = []

        def log(event: str, message: str, /, **_: object) -> None:
            self.logged.append(f"{event}: {message}")

        self.progress = Progress(self.load, lambda: self.held, lambda: self.lost, lambda: self.late, self.clock, log)

    @property
    def found(self) -> list[tuple[str, str, str]]:
        return [(each.name, each.state, each.message) for each in self.progress.attention()]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_run_workers_that_are_all_busy_without_progress_are_named(rig: Rig) -> None:
    with ExitStack() as stack:
        for number in range(8):
            stack.enter_context(rig.load.worker("run", f"run_{number}", "Pay", None))
            stack.enter_context(rig.load.step(f"run_{number}", "Pay", f"s{number} (core.pay)", 7200))
        rig.clock.advance(600)
        assert rig.found == []
        rig.clock.advance(60)
        at = "since 2026-11-21T10:00:00.000000Z"
        assert rig.found == [
            (
                "run workers",
                "busy",
                f"8 of 8 run workers have been busy without progress for 11m: run run_0 step s0 (core.pay) {at}, "
                f"run run_1 step s1 (core.pay) {at}, run run_2 step s2 (core.pay) {at}, and 5 more",
            )
        ]
    assert rig.found == []


def test_one_worker_that_gets_on_keeps_the_pool_well(rig: Rig) -> None:
    with ExitStack() as stack:
        for number in range(7):
            stack.enter_context(rig.load.worker("run", f"run_{number}", "Pay", None))
        for _ in range(10):
            with rig.load.worker("run", "run_8", "Quick", None):
                rig.clock.advance(300)
                assert rig.found == []


def test_poll_workers_are_a_pool_of_their_own(rig: Rig) -> None:
    with rig.load.worker("poll", "A/t", "A", None), rig.load.worker("poll", "B/t", "B", None):
        rig.clock.advance(660)
        assert [(name, state) for name, state, _ in rig.found] == [("poll workers", "busy")]
        assert "2 of 2 poll workers have been busy without progress for 11m: poll of A/t since" in rig.found[0][2]


@pytest.mark.parametrize(
    ("begin", "name", "words"),
    [
        (lambda load: load.worker("poll", "A/t", "A", 60), "A/t", "poll of A/t since 2026-11-21T10:00:00.000000Z"),
        (
            lambda load: load.step("run_1", "A", "pay (x.y)", 60),
            "run_1",
            "run run_1 step pay (x.y) since 2026-11-21T10:",
        ),
    ],
)
def test_work_beyond_its_limit_is_overdue(rig: Rig, begin: Callable[..., object], name: str, words: str) -> None:
    with begin(rig.load):  # type: ignore[attr-defined]
        rig.clock.advance(120)
        assert rig.found == []
        rig.clock.advance(1)
        ((found, state, message),) = rig.found
        assert (found, state) == (name, "overdue")
        assert message.startswith(words)
        assert message.endswith("of workflow 'A' exceeds its limit of 1m and did not end")


def test_a_run_without_a_limit_is_never_overdue(rig: Rig) -> None:
    with rig.load.worker("run", "run_1", "A", None):
        rig.clock.advance(10**6)
        assert rig.found == []


def test_work_that_no_worker_takes_is_told(rig: Rig) -> None:
    claims = Claim("runs", "run_1", 1), Claim("runs", "run_2", 2), Claim("triggers", "trg_1", 1)
    rig.held = dict.fromkeys(claims, rig.clock.monotonic())
    rig.clock.advance(600)
    assert rig.found == []
    rig.clock.advance(61)
    words = "waiting, and no worker has taken any for 11m"
    assert rig.found == [
        ("poll workers", "idle", f"1 poll is {words}"),
        ("run workers", "idle", f"2 runs are {words}"),
    ]


def test_a_call_that_hangs_is_told_until_it_ends(rig: Rig) -> None:
    rig.lost = [LostCall("core.email", "run_1", "steps/0", START)]
    words = "a call of core.email hangs since 2026-11-21T10:00:00.000000Z and cannot be ended, run run_1 step steps/0"
    assert rig.found == [("core.email", "lost", words)]


@pytest.mark.parametrize(
    ("late", "state"),
    [
        (LateChore("beat", 29, None), None),
        (LateChore("beat", 31, "the disk is full"), "its heartbeat could not be stored for 31s: the disk is full"),
        (LateChore("beat", 3601, None), "its heartbeat could not be stored for 1h"),
        (LateChore("prune", 599, "no"), None),
        (LateChore("prune", 601, "no"), "its periodic job 'prune' is overdue by 10m: no"),
        (LateChore("reap", 900, None), "its periodic job 'reap' is overdue by 15m"),
    ],
)
def test_periodic_jobs_without_success_are_told(rig: Rig, late: LateChore, state: str | None) -> None:
    rig.late = [late]
    assert [message for _, _, message in rig.found] == ([] if state is None else [state])


def test_a_loop_whose_turns_all_fail_is_told(rig: Rig) -> None:
    rig.progress.turned(StateError("the disk is full"))
    rig.clock.advance(60)
    rig.progress.turned(StateError("the disk is still full"))
    assert rig.found == []
    rig.clock.advance(1)
    words = "each turn of its loop has failed for 1m, so nothing is polled: the disk is still full"
    assert rig.found == [("loop", "failing", words)]
    rig.progress.turned()
    assert rig.found == []


def test_what_does_not_get_on_is_logged_once_each_time_it_begins(rig: Rig) -> None:
    for count in (1, 1, 2):
        if count == 2:
            rig.lost = []
            rig.progress.report()
        rig.lost = [LostCall("core.email", None, "", START)]
        rig.progress.report()
        assert len(rig.logged) == count
    assert rig.logged[0].startswith("work_stalled: a call of core.email hangs since 2026-11-21")


def test_files_that_are_read_for_minutes_are_told(rig: Rig) -> None:
    with rig.progress.reading():
        rig.clock.advance(120)
        assert rig.found == []
        rig.clock.advance(1)
        words = "changed files have been read since 2026-11-21T10:00:00.000000Z, so nothing that changed is taken over"
        assert rig.found == [("config", "stalled", words)]
    assert rig.found == []


def test_work_that_was_claimed_just_now_after_a_quiet_time_is_no_reason_to_worry(rig: Rig) -> None:
    rig.clock.advance(3600)
    rig.held = {Claim("triggers", "trg_1", 1): rig.clock.monotonic()}
    assert rig.found == []
