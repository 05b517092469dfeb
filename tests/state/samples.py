"""Records to store, with everything that a test does not care about filled in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from changewire.state.protocol import Store
from changewire.state.records import (
    AttemptRecord,
    AttemptState,
    Claimed,
    EventRecord,
    ItemRecord,
    PollCommit,
    RunRecord,
    TriggerRecord,
    TriggerState,
)

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def trigger(name: str = "t1", **changes: Any) -> TriggerRecord:
    given: dict[str, Any] = {"next_due": NOW, "workflow": "w", "type": "zoom.x", "connection": "work", "epoch": 1}
    given |= {"fingerprint": f"print of {name}", "interval_s": 60.0}
    return TriggerRecord(**{"id": name, "name": name, **given, **changes})


def item(key: str, content: str = "1") -> ItemRecord:
    return ItemRecord(key, f"hash of {content}", content.encode())


def event(name: str = "e1", trigger_id: str = "t1", at: datetime = NOW, **changes: Any) -> EventRecord:
    given: dict[str, Any] = {"type": "zoom.x", "kind": "created", "event_type": "x_created", "key": "k"}
    given |= {"payload": {"a": 1}, "workflow": "w", "trigger": f"w/{trigger_id}"}
    return EventRecord(**{"id": name, "trigger_id": trigger_id, "detected_at": at, **given, **changes})


def run(name: str = "r1", event_id: str = "e1", at: datetime = NOW, **changes: Any) -> RunRecord:
    given: dict[str, Any] = {"workflow": "w", "version": "v1", "event_id": event_id, "created_at": at}
    return RunRecord(**{"id": name, **given, **changes})


def attempt(
    address: str = "0", number: int = 1, state: AttemptState = AttemptState.SUCCEEDED, **changes: Any
) -> AttemptRecord:
    return AttemptRecord(
        **{"run_id": "r1", "address": address, "attempt": number, "use": "core.log", "state": state, **changes}
    )


def end_stale(store: Store, now: datetime) -> tuple[int, int]:
    """End the claims whose lease has ended; how many triggers and runs there were."""
    polls, runs = store.stale_claims(now)
    for claimed in polls:
        assert store.release(claimed.trigger_id, claimed.claim, claimed.due_at)
    for held in runs:
        assert store.abandon_run(held.id, held.claim, now, "no worker has it") is not None
    return len(polls), len(runs)


def poll(claimed: Claimed, now: datetime = NOW, **changes: Any) -> PollCommit:
    """A good poll; the trigger is due again in a minute."""
    given: dict[str, Any] = {"now": now, "next_due": now + MINUTE, "ok": True, "state": TriggerState.OK}
    given |= {"trigger_id": claimed.trigger_id, "claim": claimed.claim, "generation": claimed.generation}
    return PollCommit(**{**given, **changes})


def claim(store: Store, now: datetime = NOW, limit: int = 1) -> Claimed:
    """The first due trigger."""
    return store.claim_due(now, limit, 5 * MINUTE)[0]


def with_events(store: Store, events: Sequence[EventRecord], runs: Sequence[RunRecord]) -> None:
    """Store a trigger, and one poll of it that noticed these."""
    store.sync_triggers([trigger()], NOW)
    assert store.commit_poll(poll(claim(store), events=events, runs=runs))
