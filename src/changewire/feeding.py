"""Internal events: what happens inside, as events that workflows watch like any other; and the runs of events.

A trigger type with ``source: internal`` is not polled. Whoever has something to tell makes a `Raised` of it and hands
it to `Feeder.feed`. Each trigger of that type gets it as ``item``: ``ready`` says whether it is for this trigger (with
the trigger's ``parameters``), ``event_type`` and ``payload`` make the event. Events and the runs that they start are
stored in one transaction. An event's id follows from the trigger and `Raised.id`, so raising the same thing again, as
after a crash, stores nothing twice.

What a run raises carries the chain of workflows that led to it. A chain of more than `MOST_HOPS` is refused: workflows
that set each other off for ever are cut there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from changewire.actions.beginning import in_lane
from changewire.clock import Clock
from changewire.errors import ChangewireError, LoopError
from changewire.home import Home, Trigger
from changewire.log import Log
from changewire.state.protocol import Store
from changewire.state.records import EventRecord, Raised, RunRecord
from changewire.triggers.comparing import Scope
from changewire.triggers.expressions import EXPRESSIONS
from changewire.triggers.noticing import Noticed, item_key
from changewire.triggers.payloads import make_event
from changewire.values import Json, make_id

MOST_HOPS = 8
"""So many events may lead one to the next."""


class Feeder:
    """Hands what is raised inside to the triggers of a home. Thread-safe; ``home`` gives the present one."""

    def __init__(self, home: Callable[[], Home], store: Store, clock: Clock, log: Log) -> None:
        self._home, self._store, self._clock, self._log = home, store, clock, log

    def feed(self, raised: Raised) -> list[str]:
        """Store the events that ``raised`` is for the triggers of its type: their ids, also of those stored before.

        Raises LoopError where the chain is too long, TemplateError or PollError where a trigger type of the home's own
        cannot take it (the others got theirs), StateError.
        """
        if len(raised.chain) > MOST_HOPS:
            raise LoopError(_too_long(raised))
        now = self._clock.now()
        taken: list[tuple[Trigger, EventRecord]] = []
        failed: ChangewireError | None = None
        for trigger in self._home().fed_by(raised.type):
            try:
                event = event_for(trigger, raised, now)
            except ChangewireError as error:
                failed = error
            else:
                taken += [] if event is None else [(trigger, event)]
        runs = [run_for(event, trigger, now) for trigger, event in taken]
        new = set(self._store.feed([event for _, event in taken], runs))
        for trigger, event in taken:
            if event.id in new:
                self._tell(trigger, event)
        if failed is not None:
            raise failed
        return [event.id for _, event in taken]

    def _tell(self, trigger: Trigger, event: EventRecord) -> None:
        self._log(
            "event_stored",
            f"{trigger.shown}: {event.event_type} {event.key}",
            trigger=trigger.shown,
            type=event.type,
            event=event.id,
            event_type=event.event_type,
            key=event.key,
        )


def _too_long(raised: Raised) -> str:
    name = raised.item.get("name", raised.type)
    chain = " → ".join(raised.chain)
    return (
        f"the event {name!r} would be number {len(raised.chain)} in a row that workflows set off, and {MOST_HOPS} is "
        f"the most: {chain}. Let the circle end, as by a `when` on event.hops, and cancel this run"
    )


def event_for(trigger: Trigger, raised: Raised, now: datetime) -> EventRecord | None:
    """The event that ``raised`` is for a trigger of its type; None: it is not for this one."""
    scope = trigger.reader.scope(now)
    ready = trigger.watch.kind.ready
    item = dict(raised.item)
    if ready is not None and not EXPRESSIONS.condition(ready, {**scope, "item": item}):
        return None
    event = _event(trigger, item, scope, now)
    mark = make_id("evt", trigger.id, "raised", raised.id)
    return replace(event, id=mark, chain=list(raised.chain), cause=raised.cause)


def sample_of(trigger: Trigger, now: datetime) -> EventRecord:
    """The event that the sample of a fed trigger's type is for it."""
    return _event(trigger, trigger.watch.kind.sample, trigger.reader.scope(now), now)


def _event(trigger: Trigger, item: Json, scope: Scope, now: datetime) -> EventRecord:
    kind = trigger.watch.kind
    return make_event(
        Noticed(item_key(item, kind, scope), item, None, (), (), None),
        kind,
        scope,
        trigger_id=trigger.id,
        trigger=trigger.shown,
        workflow=trigger.workflow.name,
        now=now,
    )


def run_for(event: EventRecord, trigger: Trigger, now: datetime) -> RunRecord:
    """The run that an event starts. Its id follows from both, so that an event has one run of a workflow."""
    run = RunRecord(
        id=make_id("run", event.id, trigger.workflow.name),
        workflow=trigger.workflow.name,
        version=trigger.version,
        event_id=event.id,
        created_at=now,
    )
    return in_lane(run, event, trigger.workflow, trigger.connection)
