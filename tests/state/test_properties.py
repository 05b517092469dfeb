"""Whatever happens in whatever order: only the holder of the claim writes, and no event is stored twice."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from changewire.clock import SystemClock
from changewire.state.records import Claimed
from changewire.state.store import SqliteStore
from tests.state.samples import DAY, NOW, end_stale, event, poll, run, trigger

LEASE = timedelta(minutes=1)


class Polling(RuleBasedStateMachine):
    """Two triggers, claims old and new, and a model of what must be stored."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = SqliteStore(Path(self.folder.name) / "changewire.db", clock=SystemClock())
        self.store.open()
        self.intervals = {"t1": 1.0, "t2": 1.0}
        self.sync()
        self.claims: list[Claimed] = []
        self.holders: dict[str, Claimed] = {}
        self.events: dict[str, str] = {}  # id → trigger that stored it

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    def sync(self) -> None:
        records = [trigger(name, interval_s=every, next_due=NOW) for name, every in self.intervals.items()]
        self.store.sync_triggers(records, NOW)

    @rule(limit=st.integers(1, 2))
    def claim(self, limit: int) -> None:
        for claimed in self.store.claim_due(NOW, limit, LEASE):
            assert claimed.trigger_id not in self.holders
            self.holders[claimed.trigger_id] = claimed
            self.claims.append(claimed)

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), ids=st.lists(st.sampled_from("abcdef"), max_size=3))
    def commit(self, data: st.DataObject, ids: list[str]) -> None:
        claimed = data.draw(st.sampled_from(self.claims))
        name = claimed.trigger_id
        events = [event(i, name) for i in ids]
        stored = self.store.commit_poll(
            poll(claimed, next_due=NOW, events=events, runs=[run(f"run of {i}", i) for i in ids])
        )
        assert stored == (self.holders.get(name) == claimed)
        if stored:
            del self.holders[name]
            for i in ids:
                self.events.setdefault(i, name)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        claimed = data.draw(st.sampled_from(self.claims))
        holds = self.holders.get(claimed.trigger_id) == claimed
        assert self.store.release(claimed.trigger_id, claimed.claim, NOW) == holds
        if holds:
            del self.holders[claimed.trigger_id]

    @rule(name=st.sampled_from(["t1", "t2"]), every=st.sampled_from([1.0, 2.0]))
    def edit(self, name: str, every: float) -> None:
        if self.intervals[name] != every:
            self.holders.pop(name, None)
        self.intervals[name] = every
        self.sync()

    @rule()
    def lease_passes(self) -> None:
        assert end_stale(self.store, NOW + DAY) == (len(self.holders), 0)
        self.holders.clear()

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store.open()
        self.holders.clear()

    @invariant()
    def every_event_is_stored_once_with_its_run_and_counted(self) -> None:
        assert sorted(e.id for e in self.store.events()) == sorted(self.events)
        assert sorted(h.run.event_id for h in self.store.runs()) == sorted(self.events)
        counted = {record.id: record.events for record in self.store.triggers()}
        assert counted == {name: list(self.events.values()).count(name) for name in self.intervals}


TestPolling = Polling.TestCase
TestPolling.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
