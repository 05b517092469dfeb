"""Internal events: what happens inside, as events that workflows watch like any other; and the runs of events.

A trigger type with ``source: internal`` is not polled. Whoever has something to tell makes a `Raised` of it and hands
it to `Feeder.feed`. Each trigger of that type gets it as ``item``: ``ready`` says whether it is for this trigger (with
the trigger's ``parameters``), ``event_type`` and ``payload`` make the event. Events and the runs that they start are
stored in one transaction. An event's id follows from the trigger and `Raised.id`, so raising the same thing again, as
after a crash, stores nothing twice. The store knows `Raised.id` as well, in case the trigger was renamed in between.
A trigger that is not in the files or cannot be used when something is raised gets it once it is back.

What a run raises carries the chain of workflows that led to it. A chain of more than `MOST_HOPS` is refused: workflows
that set each other off for ever are cut there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from changewire.actions.flow.beginning import in_lane
from changewire.clock import Clock
from changewire.engine.telling import tell_event
from changewire.errors import LoopError, StateError
from changewire.home.definition import Home, Trigger
from changewire.log import Log
from changewire.state.protocol import Store
from changewire.state.records import EventRecord, KeptEvent, Raised, RunRecord
from changewire.triggers.expressions import EXPRESSIONS
from changewire.triggers.noticed import Noticed, item_key
from changewire.triggers.payloads import make_events
from changewire.values import Json, make_id

MOST_HOPS = 8
"""So many events may lead one to the next."""
MOST_KEPT = 100
"""So many kept events are read at once."""


class Feeder:
    """Hands what is raised inside to the triggers of a home. Thread-safe; ``home`` gives the present one."""

    def __init__(self, home: Callable[[], Home], store: Store, clock: Clock, log: Log) -> None:
        self._home, self._store, self._clock, self._log = home, store, clock, log

    def feed(self, raised: Raised) -> list[str]:
        """Store the events that ``raised`` is for the triggers of its type: their ids, also of those stored before.

        Raises LoopError where the chain is too long, the error of a trigger that cannot take it (the others got
        theirs), StateError.
        """
        if len(raised.chain) > MOST_HOPS:
            raise LoopError(_too_long(raised))
        now, offset = self._clock.now(), self._clock.offset()
        taken: list[tuple[Trigger, EventRecord]] = []
        failed: Exception | None = None
        for trigger in self._home().fed_by(raised.type):
            try:
                taken += [(trigger, event) for event in events_for(trigger, raised, now + offset)]
            except Exception as error:  # whatever it is, it must not hold up the other triggers
                failed = error
        runs = [run_for(event, trigger, now, offset) for trigger, event in taken]
        known = [trigger.id for trigger in self._home().fed_by(raised.type)]
        self._tell(taken, self._store.feed([event for _, event in taken], runs, raised, known))
        if failed is not None:
            raise failed
        return [event.id for _, event in taken]

    def feed_kept(self) -> None:
        """Give triggers what was raised while they were not in the files or could not be used.

        Raises the error of a trigger that cannot take it, which stays kept (the others got theirs), and StateError.
        """
        failed: Exception | None = None
        waiting = {trigger.id: trigger for trigger in self._home().triggers.values() if trigger.schedule is None}
        while kept := self._store.kept_events(list(waiting), MOST_KEPT):
            for event in kept:
                trigger = waiting.get(event.trigger_id)
                if trigger is None:
                    continue  # it could not take an earlier one, and the order stays
                try:
                    self._feed_kept(trigger, event)
                except StateError:
                    raise
                except Exception as error:
                    failed = error
                    del waiting[trigger.id]
        if failed is not None:
            raise failed

    def _feed_kept(self, trigger: Trigger, kept: KeptEvent) -> None:
        now, offset = self._clock.now(), self._clock.offset()
        taken = [(trigger, event) for event in events_for(trigger, kept.raised, now + offset)]
        runs = [run_for(event, trigger, now, offset) for _, event in taken]
        self._tell(taken, self._store.feed_kept(kept.number, [event for _, event in taken], runs))

    def _tell(self, taken: Sequence[tuple[Trigger, EventRecord]], new: Collection[str]) -> None:
        for _, event in taken:
            if event.id in new:
                tell_event(self._log, event)


def _too_long(raised: Raised) -> str:
    name = raised.item.get("name", raised.type)
    chain = " → ".join(raised.chain)
    return (
        f"the event {name!r} would be number {len(raised.chain)} in a row that workflows set off, and {MOST_HOPS} is "
        f"the most: {chain}. Let the circle end, as by a `when` on event.hops, and cancel this run"
    )


def events_for(trigger: Trigger, raised: Raised, now: datetime) -> list[EventRecord]:
    """The events that ``raised`` is for a trigger of its type, mostly one; none where it is not for this one."""
    ready, scope = trigger.watch.kind.ready, trigger.reader.scope(now)
    item = dict(raised.item)
    if ready is not None and not EXPRESSIONS.condition(ready, {**scope, "item": item}):
        return []
    return [
        replace(
            event,
            id=make_id("evt", trigger.id, "raised", raised.id, event.event_type),
            chain=list(raised.chain),
            cause=raised.cause,
            raised=raised.id,
        )
        for event in _events(trigger, item, now)
    ]


def samples_of(trigger: Trigger, now: datetime) -> list[EventRecord]:
    """The events that the sample of a fed trigger's type is for it."""
    return _events(trigger, trigger.watch.kind.sample, now)


def _events(trigger: Trigger, item: Json, now: datetime) -> list[EventRecord]:
    kind, scope = trigger.watch.kind, trigger.reader.scope(now)
    return make_events(
        Noticed(item_key(item, kind, scope), "created", item, None, (), (), None),
        kind,
        scope,
        trigger_id=trigger.id,
        epoch=0,  # the id follows from what was raised
        trigger=trigger.shown,
        workflow=trigger.workflow.name,
        now=now,
    )


def run_for(event: EventRecord, trigger: Trigger, now: datetime, offset: timedelta = timedelta(0)) -> RunRecord:
    """The run that an event starts. Its id follows from both, so that an event has one run of a workflow.

    It is due at ``now``. ``offset`` is what the wall clock shows, less ``now``.
    """
    run = RunRecord(
        id=make_id("run", event.id, trigger.workflow.name),
        workflow=trigger.workflow.name,
        version=trigger.version,
        event_id=event.id,
        created_at=now + offset,
        due_at=now,
    )
    return in_lane(run, event, trigger.workflow, trigger.connection)
