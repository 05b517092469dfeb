"""A workflow that changes what it watches does not set itself off by it.

Each request of a step that writes through a connection which a trigger of the same workflow polls is noted in the store
before it is sent, for its answer may be lost with the process, and once it is acknowledged. The polls of those triggers
hold what they notice against it, see `changewire.triggers.echoing`. Other workflows notice the change like any other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from changewire.actions.context import Origin
from changewire.actions.flow.effects import may_be_done
from changewire.clock import Clock, wall
from changewire.connectors.client import Acknowledge, Answer, Watcher
from changewire.connectors.transport.messages import Request
from changewire.errors import ApiError
from changewire.home.definition import Home, Trigger
from changewire.log import Log
from changewire.state.protocol import Store
from changewire.state.records import TriggerRecord, WriteRecord
from changewire.triggers.echoing import ECHO, PAST, judge, made_key, still_counts
from changewire.triggers.noticed import Notice, Noticed
from changewire.values import Json, loads, loads_answer

UNDER_WAY = "under_way"
"""The verdict on a change that a write under way may be behind; it is looked at again in the next poll."""


@dataclass
class Sifted:
    """A notice without what is our own."""

    notice: Notice
    outcomes: dict[int, str] = field(default_factory=dict)  # what became of writes, by their number in the store
    echoes: list[tuple[Noticed, WriteRecord]] = field(default_factory=list)


class Echoes:
    """Knows what steps write, and what of it comes back. Thread-safe; ``home`` gives the present one."""

    def __init__(self, home: Callable[[], Home], store: Store, clock: Clock, log: Log) -> None:
        self._home, self._store, self._clock, self._log = home, store, clock, log
        self._under_way: dict[int, WriteRecord] = {}
        self._number = 0
        self._renames: list[Mapping[str, str]] = []
        self._lock = threading.Lock()

    def rename(self, ids: Mapping[str, str]) -> None:
        """Triggers have other ids from now on (new id by old id): writes under way belong to them."""
        with self._lock:
            self._renames.append(ids)
            for number, write in self._under_way.items():
                self._under_way[number] = _renamed(write, [ids])

    def watcher(self, origin: Origin, connection: str) -> Watcher | None:
        """Who is to be told of what a step writes through a connection; None: nobody need know."""
        triggers = [
            trigger
            for trigger in self._home().triggers_of(origin.workflow)
            if trigger.connection == connection and trigger.config.echo == "ignore"
        ]
        if not triggers:
            return None
        base = (self._home().connections[connection].base_url or "").rstrip("/")
        return lambda request: self._writing(origin, triggers, request, _below(base, request.path))

    @contextmanager
    def _writing(
        self, origin: Origin, triggers: list[Trigger], request: Request, path: str | None
    ) -> Iterator[Acknowledge]:
        triggers = triggers if path is not None else []
        where = (origin.run_id, origin.address, request.method, path or "", _body(request))
        writes = [WriteRecord(trigger.id, *where, None, wall(self._clock)) for trigger in triggers]
        if writes:
            self._store.put_writes(writes)
        with self._lock:
            before = len(self._renames)
            numbers = range(self._number, self._number + len(writes))
            self._number += len(writes)
            self._under_way |= zip(numbers, writes, strict=True)

        def present() -> list[WriteRecord]:
            with self._lock:
                return [_renamed(write, self._renames[before:]) for write in writes]

        def acknowledged(answer: Answer) -> None:
            now = wall(self._clock)
            made = _data(answer) if request.method == "POST" else None
            keys = [made_key(made, trigger.watch, trigger.reader, now) for trigger in triggers]
            done = [replace(write, key=key, acknowledged_at=now) for write, key in zip(present(), keys, strict=True)]
            if done:
                self._store.put_writes(done)

        try:
            yield acknowledged
        except ApiError as error:
            if writes and not may_be_done(error):
                self._store.drop_writes(present())
            raise
        finally:
            with self._lock:
                for number in numbers:
                    del self._under_way[number]

    def sift(self, trigger: Trigger, record: TriggerRecord, notice: Notice, began: datetime) -> Sifted:
        """Take out of a notice what the trigger's own workflow wrote."""
        if trigger.config.echo == "fire" or not notice.noticed or trigger.schedule is None:
            return Sifted(notice)
        with self._lock:  # before the store is asked: what is acknowledged in between is in one of the two
            under_way = [write for write in self._under_way.values() if write.trigger_id == trigger.id]
        kind = trigger.watch.kind
        polls = max(trigger.watch.settle, kind.absences if "deleted" in kind.kind else 1) + 1
        interval = trigger.schedule.interval(began)
        stored = self._store.writes(trigger.id)
        writes = [write for write in stored if still_counts(write, record.last_ok, interval, polls)] + under_way
        return self._sift(trigger, notice, writes, began) if writes else Sifted(notice)

    def _sift(self, trigger: Trigger, notice: Notice, writes: list[WriteRecord], began: datetime) -> Sifted:
        ended = wall(self._clock)
        sifted = Sifted(
            replace(
                notice,
                noticed=[],
                quiet=[*notice.quiet],
                verdicts=notice.verdicts.copy(),
                held=[*notice.held],
                failed=[*notice.failed],
            )
        )
        for noticed in notice.noticed:
            try:
                verdict = judge(noticed, trigger.watch, trigger.reader, writes, began, ended)
            except Exception as error:  # whatever it is, it must not hold up the other items
                sifted.notice.failed.append((noticed.key, noticed.item, error))
                sifted.notice.verdicts["fired"] -= 1
                continue
            word = ECHO if verdict.echo else PAST
            sifted.outcomes |= {write.number: word for write in verdict.settled if write.number is not None}
            if verdict.echo:
                sifted.echoes.append((noticed, verdict.settled[-1]))
                sifted.notice.quiet += [] if noticed.record is None else [noticed.record]
            elif not verdict.unclear:
                sifted.notice.noticed.append(noticed)
                continue
            sifted.notice.verdicts["fired"] -= 1
            sifted.notice.hold(ECHO if verdict.echo else UNDER_WAY, noticed.key)
        return sifted

    def tell(self, trigger: Trigger, sifted: Sifted) -> None:
        """Say what was no event because it was our own."""
        for noticed, write in sifted.echoes:
            self._log(
                "echo_ignored",
                f"{trigger.shown}: {noticed.key} is as {write.run_id} wrote it ({write.address}), which is no event",
                trigger=trigger.shown,
                key=noticed.key,
                run=write.run_id,
                address=write.address,
            )


def _renamed(write: WriteRecord, renames: Iterable[Mapping[str, str]]) -> WriteRecord:
    for ids in renames:
        write = replace(write, trigger_id=ids.get(write.trigger_id, write.trigger_id))
    return write


def _below(base: str, path: str) -> str | None:
    """The part of an address below that of the connection; None where it is elsewhere."""
    if "://" not in path:
        return path
    return path.removeprefix(base) if base and path.startswith(f"{base}/") else None


def _body(request: Request) -> Json:
    """What a request writes; None where it is no JSON."""
    try:
        return loads(request.body) if request.body else None
    except ValueError:
        return None


def _data(answer: Answer) -> Json:
    try:
        return loads_answer(answer.body)
    except ValueError:
        return None
