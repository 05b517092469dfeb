"""Events of noticed changes, with the answers to the requests that a type makes about each of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from changewire.clock import Clock, wall
from changewire.connectors.clients import Clients
from changewire.engine.places import Places
from changewire.engine.telling import describe
from changewire.errors import ApiError, FailureClass
from changewire.home.definition import Home, Trigger
from changewire.state.records import EventRecord, PendingRecord
from changewire.triggers import pending
from changewire.triggers.follow_ups import FollowUps, Refused
from changewire.triggers.noticed import Noticed
from changewire.triggers.payloads import make_events, refuse_larger
from changewire.triggers.polling import Allowance, fetch_detail
from changewire.triggers.schedule import retry_delay

AFTER_LIST = timedelta(seconds=1)  # from a poll of the list to the one that tries again to make an event


@dataclass
class Changes:
    """What became of the changes that one poll worked on."""

    events: list[EventRecord] = field(default_factory=list)
    fired: list[Noticed] = field(default_factory=list)  # those that are events now
    untold: int = 0  # those that no event type is about
    pending: list[PendingRecord] = field(default_factory=list)  # those that wait, as they are stored from now on
    failed: list[tuple[Noticed, Exception]] = field(default_factory=list)  # those that cannot be stored
    settled: list[int] = field(default_factory=list)  # numbers of pending changes that wait no longer


class Details:
    """Makes events of changes. A change whose request is not answered stays pending. Thread-safe, stores nothing.

    ``home`` gives the present one.
    """

    def __init__(self, clients: Clients, clock: Clock, home: Callable[[], Home]) -> None:
        self._clients, self._clock, self._home = clients, clock, home

    def of_noticed(
        self,
        trigger: Trigger,
        epoch: int,
        noticed: Iterable[Noticed],
        waiting: Callable[[], Collection[str]],
        requests: FollowUps,
        now: datetime,
        replaced: Mapping[str, Sequence[PendingRecord]] | None = None,
    ) -> Changes:
        """The events of changes of this poll; a change of a key that is ``waiting`` waits behind it.

        ``replaced``: pending changes by key, in place of which a change of this poll comes; None: there are none.
        """
        changes, noticed, replaced = Changes(), list(noticed), replaced or {}
        keys = waiting() if noticed else ()
        every = [record for records in replaced.values() for record in records]
        changes.settled += [record.number for record in every if record.number is not None]
        for each in noticed:
            made = None
            earlier = replaced.get(each.key, ())
            if (earlier or each.key not in keys) and not (_needs_request(trigger, each) and requests.stopped):
                made = requests.attempt(partial(self.events_of, trigger, epoch, each, requests.allowance, now))
            if isinstance(made, list):
                _add(changes, each, made)
                continue
            try:
                record = PendingRecord(trigger.id, each.key, pending.to_text(each), now, self._clock.now())
                if earlier:
                    record.noticed_at, record.tries = earlier[0].noticed_at, earlier[0].tries
                    record.reason, record.broken = earlier[0].reason, True
            except Exception as error:  # whatever it is, it must not hold up the other changes
                changes.failed.append((each, error))
            else:
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
        noticed = pending.from_text(record.key, record.change, trigger.reader.scope(now))
        return noticed, self.events_of(trigger, epoch, noticed, allowance, now)

    def _refused(self, trigger: Trigger, record: PendingRecord, refused: Refused) -> PendingRecord:
        """The pending change after an attempt: a refusal delays the next one, and others come first in any case.

        One whose event cannot be made without any request is tried again at each poll.
        """
        assert trigger.schedule is not None
        record.due_at = self._clock.now()
        if refused.error is not None:
            failure, _ = describe(refused.error)
            record.reason = self._reason(trigger, refused.error)
            record.tries += 1
            record.broken = refused.broken
            interval = trigger.schedule.interval(wall(self._clock))
            if not isinstance(refused.error, ApiError):
                failure = FailureClass.TRANSIENT  # the source or the type may be repaired at any time
            is_local = record.broken and trigger.watch.kind.detail is None
            record.due_at += interval + AFTER_LIST if is_local else retry_delay(record.tries, interval, failure)
            if isinstance(refused.error, ApiError) and refused.error.retry_at is not None:
                record.due_at = max(record.due_at, refused.error.retry_at)
        return record

    def _reason(self, trigger: Trigger, error: Exception) -> str:
        return Places(trigger, self._home()).reason(error)

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
        refuse_larger(events, self._home().settings.poll.event)
        return events


def _needs_request(trigger: Trigger, noticed: Noticed) -> bool:
    return trigger.watch.kind.detail is not None and noticed.kind != "deleted"


def _add(changes: Changes, noticed: Noticed, events: list[EventRecord]) -> None:
    changes.events += events
    changes.fired.append(noticed)
    changes.untold += not events
