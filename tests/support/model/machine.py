"""The rules by which a history goes on, for hypothesis to choose from."""

from __future__ import annotations

import sys
from typing import Literal

from hypothesis import HealthCheck, Phase, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.model import ending
from tests.support.model.layout import KINDS
from tests.support.model.shop import URLS, Behaviour
from tests.support.model.truth import Watched
from tests.support.model.world import World

HAPPENINGS = ["turn", "work", "iterate", "help", "lift", "pause", "reload", "order", "reprice", "refuse", "accept"]
HAPPENINGS += ["ahead", "behind"]
MEANWHILE = st.lists(st.sampled_from(HAPPENINGS), max_size=3).map(tuple)
KINDS_OF_ANSWERS = ["good", "lost", "503", "429", "403", "omit", "overrun", "kill before", "kill after"]
ANSWERS = st.builds(
    Behaviour, st.sampled_from(KINDS_OF_ANSWERS), st.sampled_from([0.0, 0.0, 1.0, 8.0, 50.0, 130.0, 400.0]), MEANWHILE
)
SECONDS = st.sampled_from([1.0, 15.0, 61.0, 61.0, 200.0, 700.0, 4000.0])
STEPS_OF_CLOCKS = st.sampled_from([0.0, 0.0, 50.0, -50.0, 600.0, -600.0, 86400.0, -86400.0, 4e7, -4e7])


class Histories(RuleBasedStateMachine):
    """One world, in which things happen."""

    @initialize(mode=st.sampled_from(["parallel", "queued"]), backfill=st.booleans(), orders=st.integers(0, 3))
    def begin(self, mode: str, backfill: bool, orders: int) -> None:
        watched = [Watched(kind, kind, kind, mode, backfill) for kind in KINDS]
        self.world = World(watched)
        self.copies = 0
        for key in range(orders):
            self.world.put_order(key)
        self.world.shop.tickets = {1: "new", 2: "new"}
        self.world.start()
        self.world.do(self.world.drain)

    # the shop

    @rule(count=st.sampled_from([1, 2, 12]), first=st.integers(0, 30))
    def order(self, count: int, first: int) -> None:
        for key in range(first, first + count):
            self.world.put_order(key)

    @precondition(lambda self: self.world.shop.orders)
    @rule(data=st.data())
    def take_order_away(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.world.shop.orders)))
        del self.world.shop.orders[key]
        for one in self.world.watched:
            if one.kind == "orders":
                one.take_away(key)

    @rule(ticket=st.integers(1, 3), state=st.sampled_from(["new", "paid", "sent"]), polled=st.booleans())
    def move_ticket(self, ticket: int, state: str, polled: bool) -> None:
        self.world.shop.tickets[ticket] = state
        if polled:
            self.let_pass(61.0, True)

    @rule(price=st.integers(1, 3), polled=st.booleans())
    def change_price(self, price: int, polled: bool) -> None:
        self.world.shop.price = price
        if polled:
            self.let_pass(61.0, True)

    @rule(answers=st.lists(ANSWERS, min_size=1, max_size=4), after=st.integers(0, 3))
    def answer_otherwise(self, answers: list[Behaviour], after: int) -> None:
        coming = self.world.shop.coming
        coming.extend([Behaviour()] * max(0, after - len(coming)))
        coming.extend(answers)

    @rule(name=st.sampled_from(sorted(URLS)))
    def refuse_or_accept(self, name: str) -> None:
        self.world.shop.accepts[name] = not self.world.shop.accepts[name]

    # the process

    @rule(seconds=SECONDS, to_the_end=st.booleans())
    def let_pass(self, seconds: float, to_the_end: bool) -> None:
        world = self.world
        if world.ensure():
            world.do(lambda: world.pass_time(seconds))
        if world.ensure():
            world.do(world.drain if to_the_end else world.turn)

    @rule(index=st.integers(0, 6))
    def work(self, index: int) -> None:
        self.world.do(lambda: self.world.work(index))

    @rule(points=st.integers(0, 40))
    def kill_at_a_write(self, points: int) -> None:
        self.world.fuse = points

    @rule(times=st.integers(1, 3))
    def lock_the_database(self, times: int) -> None:
        self.world.jam, self.world.jammed = times, True

    @rule(killed=st.booleans(), down=SECONDS, wall=STEPS_OF_CLOCKS, rebooted=st.booleans())
    def restart(self, killed: bool, down: float, wall: float, rebooted: bool) -> None:
        self.world.kill() if killed else self.world.stop()
        self.world.clock.advance(down)
        self.world.start(wall, rebooted=rebooted)

    @rule(seconds=STEPS_OF_CLOCKS)
    def set_the_clock(self, seconds: float) -> None:
        self.world.set_wall(seconds)

    # files and people

    @rule(data=st.data(), place=st.integers(0, 3))
    def rename(self, data: st.DataObject, place: int) -> None:
        watched = self.world.watched[place % len(self.world.watched)]
        names = [f"{watched.kind}{n}" for n in range(4)]
        free = [name for name in names if name not in {each.name for each in self.world.watched}]
        if watched.file == "good" and self.world.take_over():
            watched.name = data.draw(st.sampled_from(free))
            self.world.write(watched)
            self.world.do(self.world.reload)

    @rule(place=st.integers(0, 3), file=st.sampled_from(["good", "out", "broken"]), taken=st.booleans())
    def change_file(self, place: int, file: Literal["good", "out", "broken"], taken: bool) -> None:
        watched = self.world.watched[place % len(self.world.watched)]
        if len(self.world.alike(watched)) == 1 or self.world.take_over():
            watched.file = file
            self.world.write(watched)
        if taken:
            self.world.do(self.world.reload)

    @precondition(lambda self: not self.copies)
    @rule(place=st.integers(0, 2))
    def copy(self, place: int) -> None:
        watched = self.world.watched[place]
        if self.world.take_over():
            self.copies += 1
            copied = Watched(watched.kind, f"copy of {watched.kind}", f"copy of {watched.kind}")
            self.world.watched.append(copied)
            self.world.write(copied)
            self.world.do(self.world.reload)

    @rule(place=st.integers(0, 3))
    def reset(self, place: int) -> None:
        if self.world.ensure():
            self.world.reset(self.world.watched[place % len(self.world.watched)])

    @rule(place=st.integers(0, 3), connection=st.sampled_from([None, None, *sorted(URLS)]))
    def pause(self, place: int, connection: str | None) -> None:
        if connection is not None:
            self.world.pause_connection(connection)
        else:
            self.world.pause(self.world.watched[place % len(self.world.watched)])

    @rule()
    def end_pauses(self) -> None:
        if self.world.ensure():
            self.world.end_pauses()

    @rule()
    def help_runs(self) -> None:
        if self.world.ensure():
            self.world.help_runs()

    @rule()
    def settle(self) -> None:
        ending.settle(self.world)
        ending.check(self.world, over=True)

    @invariant()
    def holds(self) -> None:
        """What holds after each rule."""
        ending.check(self.world, over=False)

    def teardown(self) -> None:
        """Whatever happened: in the end everything is well."""
        if not hasattr(self, "world"):
            return
        try:
            if sys.exc_info()[0] is None:
                self.settle()
        finally:
            if sys.exc_info()[0] is not None:
                note(ending.describe(self.world))
            self.world.close()


def prove(examples: int, steps: int, number: int = 0, *, shrinks: bool = True) -> None:
    """Try ``examples`` histories of up to ``steps`` happenings each; the shortest that fails is shown.

    Each ``number`` stands for other histories, and always for the same. ``shrinks`` False: show the first that fails.
    """
    run_state_machine_as_test(
        seed(number)(Histories),
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, database=None, print_blob=False,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink] if shrinks else [Phase.generate],
        ),
    )  # fmt: skip
