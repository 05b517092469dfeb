"""The end of a history: everything is well again, and in bounded time all that was promised has happened."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from changewire.state.records import RunState
from tests.support.model.layout import subjects
from tests.support.model.truth import check_run, check_subject
from tests.support.model.world import World

WITHIN_S = 4 * 3600.0  # until all runs are over: a wait, then the retries of refused credentials up to an hour apart
EACH_S = 900.0  # besides, for each run: they may be queued, and each of them waits
STEP_S = 300.0
UNFINISHED = [RunState.PENDING, RunState.RUNNING, RunState.WAITING, RunState.PAUSED]


def make_well(world: World) -> None:
    """Take everything away that keeps the process from its work."""
    world.shop.coming.clear()
    world.shop.accepts = dict.fromkeys(world.shop.accepts, True)
    world.fuse, world.jam = None, 0
    for one in world.watched:
        if one.file != "good":
            one.file = "good"
            world.write(one)
    if world.ensure():
        if world.stale:
            world.reload()
        world.end_pauses()
    assert world.alive, "nothing keeps a process from its work, and it does not begin"


def settle(world: World) -> None:
    """Let time pass until all is done. AssertionError where that takes longer than it may."""
    make_well(world)
    began = world.shop.now
    before = {one.name: one.good_polls for one in world.watched}
    world.drain()
    while True:
        world.help_runs()
        world.drain()
        left = [name for name, polls in before.items() if _of(world, name) < polls + 2]
        owed = {one.name: one.must for one in world.watched if one.must}
        runs = world.ask("SELECT count(*) FROM runs WHERE finished_at IS NULL")[0][0]
        if not left and not owed and not runs:
            return
        within = WITHIN_S + EACH_S * sum(len(one.events) for one in world.watched)
        late = f"after {within} s: not polled {left}, not fired {owed}, {runs} runs not over"
        assert world.shop.now < began + within, late
        world.pass_time(STEP_S)


def _of(world: World, name: str) -> int:
    return next(one.good_polls for one in world.watched if one.name == name)


def check(world: World, *, over: bool) -> None:
    """What holds at every moment, and what once all runs are ``over``."""
    assert not world.faults, world.faults
    if not world.alive:
        return
    events = dict(world.ask("SELECT id, workflow FROM events"))
    runs = world.ask("SELECT event_id, state, held_by, due_at, claim FROM runs")
    assert Counter(event for event, *_ in runs) == Counter(events.keys()), "each event has one run"
    pauses = {pause.held_by for pause in world.store.pauses()}
    for event, state, held_by, due_at, claim in runs:
        assert held_by is None or state != "paused" or held_by in pauses, f"{event} waits for a pause that is over"
        assert claim or state not in ("pending", "waiting") or due_at, f"{event} is {state} and never due"
    for name, due_at in world.ask("SELECT workflow, next_due FROM triggers WHERE active AND state <> 'unavailable'"):
        assert due_at is not None, f"{name} is never due"
    mine = {event: one.kind for one in world.watched for event in one.events}
    assert mine.keys() == events.keys(), "an event is gone, or came from nowhere"
    if over:
        assert {state for _, state, *_ in runs} <= {"succeeded"}, Counter(state for _, state, *_ in runs)
    for event, kind in mine.items():
        if over:
            check_run(world.shop, kind, event, early=bool(world.moved))
        else:
            for subject, action in subjects(kind, event).items():
                check_subject(subject, action, world.shop.did(subject))


def describe(world: World) -> str:
    """The rows that matter, for whoever looks at a history that failed."""
    lines = [f"true time {timedelta(seconds=world.shop.now)}, on the wall {world.clock.now()}, alive {world.alive}"]
    lines += [f"  {one}" for one in world.watched]
    for table, columns, where in (
        ("triggers", "workflow, active, state, paused, claim, lease_until, next_due, failures, error, cursor", "1"),
        ("pauses", "*", "1"),
        ("events", "seq, id, workflow, key, payload, detected_at", "1"),
        ("runs", "id, event_id, state, reason, held_by, due_at, claim, lease_until", "1"),
        ("attempts", "run_id, address, attempt, use, state, error, started_at, finished_at, retry_at, output", "1"),
    ):
        lines.append(f"{table} ({columns})")
        lines += [f"  {row}" for row in world.ask(f"SELECT {columns} FROM {table} WHERE {where}")]
    lines.append("done")
    lines += [
        f"  {one.at:9.1f} {one.subject} answered={one.answered} broken={one.frame.broken}" for one in world.shop.done
    ]
    return "\n".join([*lines, "log", *(f"  {line}" for line in world.logged)])
