"""Events of noticed changes, with the answers to the requests that a type makes about each of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from changewire.clock import Clock, wall
from changewire.connectors.clients import Clients
from changewire.engine.telling import describe
from changewire.errors import ApiError
from changewire.home.definition import Trigger
from changewire.state.records import EventRecord, PendingRecord
from changewire.triggers import pending
from changewire.triggers.follow_ups import FollowUps, Refused
from changewire.triggers.noticed import Noticed
from changewire.triggers.payloads import make_events, refuse_larger
from changewire.triggers.polling import Allowance, fetch_detail
from changewire.triggers.schedule import retry_delay


@dataclass
class Changes:
    """What became of the changes that one poll worked on."""

    events: list[EventRecord] = field(default_factory=list)
    fired: list[Noticed] = field(default_factory=list)  # those that are events now
    untold: int = 0  # those that no event type is about
    pending: list[PendingRecord] = field(default_factory=list)  # those that wait, as they are stored from now on
    settled: list[int] = field(default_factory=list)  # numbers of pending changes that wait no longer


class Details:
    """Makes events of changes. A change whose request is not answered stays pending. Thread-safe, stores nothing.

    ``largest``: the bytes of JSON that one event may have at present.
    """

    def __init__(self, clients: Clients, clock: Clock, largest: Callable[[], int]) -> None:
        self._clients, self._clock, self._largest = clients, clock, largest

    def of_noticed(
        self,
        trigger: Trigger,
        epoch: int,
        noticed: Iterable[Noticed],
        waiting: Callable[[], Collection[str]],
        requests: FollowUps,
        now: datetime,
    ) -> Changes:
        """The events of changes of this poll; a change of a key that is ``waiting`` waits behind it."""
        changes, noticed = Changes(), list(noticed)
        keys = waiting() if noticed else ()
        for each in noticed:
            made = None
            if each.key not in keys and not (_needs_request(trigger, each) and requests.stopped):
                made = requests.attempt(partial(self.events_of, trigger, epoch, each, requests.allowance, now))
            if isinstance(made, list):
                _add(changes, each, made)
            else:
                record = PendingRecord(trigger.id, each.key, pending.to_text(each), now, self._clock.now())
                changes.pending.append(record if made is None else self._refused(trigger, record, made))
        return changes

    def of_pending(
        self, trigger: Trigger, epoch: int, records: Iterable[PendingRecord], requests: FollowUps, now: datetime
    ) -> Changes:
        """The events of pending changes, as far as their requests are answered."""
        changes = Changes()
        for record in records:
            if trigger.watch.kind.detail is not None and requests.stopped:
                break
            made = requests.attempt(partial(self._of_record, trigger, epoch, record, requests.allowance, now))
            if isinstance(made, Refused):
                changes.pending.append(self._refused(trigger, record, made))
            elif record.number is not None:
                _add(changes, *made)
                changes.settled.append(record.number)
        return changes

    def _of_record(
        self, trigger: Trigger, epoch: int, record: PendingRecord, allowance: Allowance, now: datetime
    ) -> tuple[Noticed, list[EventRecord]]:
        noticed = pending.from_text(record.key, record.change, trigger.reader, now)
        return noticed, self.events_of(trigger, epoch, noticed, allowance, now)

    def _refused(self, trigger: Trigger, record: PendingRecord, refused: Refused) -> PendingRecord:
        """The pending change after an attempt: a refusal delays the next one, and others come first in any case."""
        assert trigger.schedule is not None
        record.due_at = self._clock.now()
        if refused.error is not None:
            failure, record.reason = describe(refused.error)
            record.tries += 1
            record.due_at += retry_delay(record.tries, trigger.schedule.interval(wall(self._clock)), failure)
            if isinstance(refused.error, ApiError) and refused.error.retry_at is not None:
                record.due_at = max(record.due_at, refused.error.retry_at)
        return record

    def events_of(
        self, trigger: Trigger, epoch: int, noticed: Noticed, allowance: Allowance, now: datetime
    ) -> list[EventRecord]:
        """One change as events, with its details if the type has them. Raises ApiError, PollError, TemplateError."""
        scope, detail = noticed.scope or trigger.reader.scope(now), noticed.detail
        if _needs_request(trigger, noticed):
            assert trigger.connection is not None
            client = self._clients.get(trigger.connection)
            detail = fetch_detail(trigger.reader, client, allowance, scope, noticed.item)
        events = make_events(
            noticed,
            trigger.watch.kind,
            scope,
            trigger_id=trigger.id,
            epoch=epoch,
            trigger=trigger.shown,
            workflow=trigger.workflow.name,
            now=now,
            detail=detail,
        )
        refuse_larger(events, self._largest())
        return events


def _needs_request(trigger: Trigger, noticed: Noticed) -> bool:
    return trigger.watch.kind.detail is not None and noticed.kind != "deleted"


def _add(changes: Changes, noticed: Noticed, events: list[EventRecord]) -> None:
    changes.events += events
    changes.fired.append(noticed)
    changes.untold += not events
