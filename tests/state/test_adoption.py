"""A memory passes to another trigger only with evidence of a rename, and all that is stored by name goes with it."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.state.adoption import HomeFiles, plan
from changewire.state.records import (
    AlertRecord,
    Lane,
    PauseCause,
    PauseKind,
    PauseRecord,
    RunState,
    TriggerRecord,
    TriggerState,
    WriteRecord,
)
from changewire.state.store import Store
from tests.state.samples import DAY, MINUTE, NOW, claim, event, item, poll, run, trigger

FILES = HomeFiles(connections=("work",))


def watching(workflow: str, **changes: Any) -> TriggerRecord:
    """A trigger that watches the same as all others of these tests."""
    given = {"id": workflow, "workflow": workflow, "fingerprint": "same", "file": f"{workflow}.yaml"}
    given |= {"name": "trigger", "version": f"text of {workflow}", "account": "acme"}
    return replace(trigger(), **{**given, **changes})


def remembering(store: Store, *records: TriggerRecord) -> None:
    """Store triggers, each with a first poll that saw one item, which is named as the trigger."""
    store.sync_triggers(list(records), NOW, FILES)
    for _ in records:
        claimed = claim(store)
        assert store.commit_poll(poll(claimed, baseline_at=NOW, upserts=[item(claimed.trigger_id)]))


def adopted(store: Store, *records: TriggerRecord, files: HomeFiles = FILES) -> list[tuple[str, str]]:
    """Sync again: which trigger's memory passed to which."""
    plan = store.sync_triggers(list(records), NOW, files).plan
    return [(before.id, after.id) for before, after in plan.adopted]


def memory(store: Store) -> dict[str, list[str]]:
    """The items of each trigger, also of those that left."""
    return {t.id: list(store.load_poll_state(t.id)[1]) for t in store.triggers(active=None)}


def test_a_renamed_trigger_takes_over_row_items_events_and_writes_and_keeps_its_epoch(store: Store) -> None:
    remembering(store, watching("bill"))
    later = poll(claim(store, NOW + MINUTE), NOW + MINUTE, events=[event(trigger_id="bill", workflow="bill")])
    assert store.commit_poll(later)
    store.put_writes([WriteRecord("bill", "r1", "steps/0", "PUT", "/1", None, None, NOW)])
    assert adopted(store, watching("ship", next_due=None)) == [("bill", "ship")]
    (record,) = store.triggers(active=None)
    kept = (record.id, record.workflow, record.file, record.baseline_at, record.polls, record.epoch, record.next_due)
    assert kept == ("ship", "ship", "ship.yaml", NOW, 2, 1, NOW + 2 * MINUTE)
    assert memory(store) == {"ship": ["bill"]}
    assert [(e.trigger_id, e.workflow, e.trigger) for e in store.events()] == [("ship", "ship", "ship/trigger")]
    assert [write.run_id for write in store.writes("ship")] == ["r1"]


def test_a_memory_stays_with_a_trigger_whose_file_is_broken_and_not_gone(store: Store) -> None:
    remembering(store, watching("bill"))
    broken = HomeFiles({"bill.yaml": "bill.yaml:3:1: bad"}, ("work",))
    placeholder = trigger("p", state=TriggerState.UNAVAILABLE, fingerprint="", interval_s=0.0, file="bill.yaml")
    assert adopted(store, watching("ship"), placeholder, files=broken) == []
    bill, ship = store.triggers()
    assert (bill.id, bill.state, bill.error) == ("bill", TriggerState.UNAVAILABLE, "bill.yaml:3:1: bad")
    assert (ship.id, ship.baseline_at) == ("ship", None)
    assert adopted(store, watching("bill"), watching("ship")) == []
    assert (store.triggers()[0].state, memory(store)) == (TriggerState.OK, {"bill": ["bill"], "ship": []})


def test_a_file_that_is_renamed_while_it_is_repaired_keeps_its_memory(store: Store) -> None:
    remembering(store, watching("bill"))
    adopted(store, files=HomeFiles({"bill.yaml": "bad"}, ("work",)))
    assert adopted(store, watching("ship")) == [("bill", "ship")]


def test_where_the_file_of_a_trigger_is_unknown_any_broken_file_may_hold_it(store: Store) -> None:
    remembering(store, watching("bill", file=""))
    assert adopted(store, watching("ship"), files=HomeFiles({"x.yaml": "bad"}, ("work",))) == []
    assert memory(store)["ship"] == []


def test_a_memory_that_left_with_an_earlier_sync_passes_to_nobody_and_waits_for_its_own_name(store: Store) -> None:
    remembering(store, watching("bill"))
    store.sync_triggers([], NOW, FILES)
    synced = store.sync_triggers([watching("ship")], NOW + 400 * DAY, FILES)
    assert synced.plan.adopted == []
    assert [(new.id, [old.id for old in rest]) for new, rest in synced.plan.unmatched] == [("ship", ["bill"])]
    assert memory(store) == {"bill": ["bill"], "ship": []}
    back = store.sync_triggers([watching("bill")], NOW + 500 * DAY, FILES)
    assert [(record.id, record.active) for record in back.returned] == [("bill", False)]
    assert memory(store)["bill"] == ["bill"]


def test_a_copy_beside_the_original_takes_nothing(store: Store) -> None:
    remembering(store, watching("bill"))
    synced = store.sync_triggers([watching("bill"), watching("copy")], NOW, FILES)
    assert (synced.plan.adopted, synced.plan.unmatched) == ([], [])


@pytest.mark.parametrize(
    ("likely", "reason"),
    [
        ({"file": "bill.yaml"}, "the file is the same"),
        ({"version": "text of bill"}, "its text is the same, word for word"),
        ({"name": "orders"}, "the trigger has the same name"),
    ],
    ids=str,
)
def test_of_two_possible_heirs_the_likelier_one_takes_over(store: Store, likely: dict[str, str], reason: str) -> None:
    remembering(store, watching("bill", name="orders"))
    assert adopted(store, watching("copy"), watching("ship", **likely)) == [("bill", "ship")], reason


def test_where_it_is_unclear_who_was_renamed_all_begin_anew_and_all_memories_stay(store: Store) -> None:
    remembering(store, watching("bill"))
    synced = store.sync_triggers([watching("one"), watching("two")], NOW, FILES)
    assert synced.plan.adopted == []
    assert [new.id for new, _ in synced.plan.unmatched] == ["one", "two"]
    assert memory(store) == {"bill": ["bill"], "one": [], "two": []}


def test_of_two_memories_the_one_of_the_same_file_passes_on_and_then_the_other_is_clear_as_well(store: Store) -> None:
    remembering(store, watching("bill"), watching("pack"))
    moved = adopted(store, watching("ship", file="pack.yaml"), watching("send"))
    assert sorted(moved) == [("bill", "send"), ("pack", "ship")]
    assert memory(store) == {"send": ["bill"], "ship": ["pack"]}


def test_two_memories_for_one_new_trigger_are_unclear(store: Store) -> None:
    remembering(store, watching("bill"), watching("pack"))
    assert adopted(store, watching("ship")) == []
    assert memory(store) == {"bill": ["bill"], "pack": ["pack"], "ship": []}


@pytest.mark.parametrize(
    ("connections", "changes", "passes"),
    [
        (("main",), {"connection": "main"}, True),
        (("main", "work"), {"connection": "main"}, False),
        (("main",), {"connection": "main", "account": "other"}, False),
        (("work",), {"connection": None}, False),
    ],
    ids=["renamed", "both are there", "another account", "none"],
)
def test_a_memory_passes_through_a_renamed_connection_to_the_same_account_only(
    store: Store, connections: tuple[str, ...], changes: dict[str, Any], passes: bool
) -> None:
    remembering(store, watching("bill"))
    new = watching("bill", id="new id", **changes)
    assert bool(adopted(store, new, files=HomeFiles(connections=connections))) is passes


def test_a_connection_of_unknown_account_was_not_renamed(store: Store) -> None:
    remembering(store, watching("bill", account=""))
    new = watching("bill", id="new id", connection="main", account="")
    assert adopted(store, new, files=HomeFiles(connections=("main",))) == []


def test_a_trigger_that_returns_keeps_its_own_memory_whoever_leaves(store: Store) -> None:
    remembering(store, watching("bill"))
    store.sync_triggers([], NOW, FILES)
    remembering(store, watching("ship"))
    assert adopted(store, watching("bill")) == []
    assert memory(store) == {"bill": ["bill"], "ship": ["ship"]}


def test_where_a_trigger_comes_from_is_kept_up_to_date_without_ending_its_poll(store: Store) -> None:
    remembering(store, watching("bill"))
    claimed = claim(store, NOW + MINUTE)
    store.sync_triggers([watching("bill", file="b.yaml", version="v2", account="z")], NOW, FILES)
    (record,) = store.triggers()
    assert (record.file, record.version, record.account) == ("b.yaml", "v2", "z")
    assert store.commit_poll(poll(claimed, NOW + MINUTE))


NAMES = st.sampled_from(["a", "b", "c"])
TRIGGERS = st.lists(
    st.builds(
        lambda number, workflow, name, file, version, connection, watches, active: watching(
            workflow, id=str(number), name=name, file=file, version=version, connection=connection, active=active,
            fingerprint=watches, baseline_at=NOW,
        ),
        st.integers(0, 12), NAMES, NAMES, NAMES, NAMES, st.sampled_from(["work", "main"]), NAMES, st.booleans(),
    ),
    max_size=8, unique_by=lambda trigger: trigger.id,
)  # fmt: skip


@given(TRIGGERS, TRIGGERS, st.sets(NAMES), st.sets(st.sampled_from(["work", "main"])), st.randoms())
def test_each_memory_passes_once_at_most_and_only_with_evidence_in_whatever_order(
    stored: list[TriggerRecord], records: list[TriggerRecord], broken: set[str], connections: set[str], chance: Random
) -> None:
    files = HomeFiles(dict.fromkeys(broken, "bad"), connections)
    made = plan(stored, records, files).adopted
    assert len({old.id for old, _ in made}) == len({new.id for _, new in made}) == len(made)
    for old, new in made:
        assert old.active, "it was watched until now"
        assert old.file not in broken
        assert old.fingerprint == new.fingerprint
        assert old.connection == new.connection or old.connection not in connections
        assert old.id not in {record.id for record in records}
        assert new.id not in {trigger.id for trigger in stored}
    shuffled = [chance.sample(each, len(each)) for each in (stored, records)]
    again = plan(shuffled[0], shuffled[1], files).adopted
    assert {(old.id, new.id) for old, new in again} == {(old.id, new.id) for old, new in made}


class TestNames:
    def test_pauses_by_hand_follow_a_renamed_workflow_trigger_and_connection(self, store: Store) -> None:
        remembering(store, watching("bill"))
        names = {PauseKind.WORKFLOW: "bill", PauseKind.TRIGGER: "bill/trigger", PauseKind.CONNECTION: "work"}
        for kind, name in names.items():
            store.pause(PauseRecord(kind, name, PauseCause.PERSON, NOW, "a move"), NOW)
        renamed = watching("ship", name="orders", connection="main")
        assert adopted(store, renamed, files=HomeFiles(connections=("main",)))
        assert {pause.kind: pause.name for pause in store.pauses()} == {
            PauseKind.WORKFLOW: "ship",
            PauseKind.TRIGGER: "ship/orders",
            PauseKind.CONNECTION: "main",
        }
        assert store.triggers()[0].paused

    def test_a_pause_follows_a_workflow_that_is_renamed_in_its_file_and_watches_something_else(
        self, store: Store
    ) -> None:
        remembering(store, watching("bill"))
        store.pause(PauseRecord(PauseKind.WORKFLOW, "bill", PauseCause.PERSON, NOW, "a move"), NOW)
        assert adopted(store, watching("ship", file="bill.yaml", fingerprint="another")) == []
        assert [(pause.name, t.paused) for pause in store.pauses() for t in store.triggers()] == [("ship", True)]

    def test_workflows_that_swap_their_names_swap_what_is_stored_by_name(self, store: Store) -> None:
        one, two = watching("one", fingerprint="a"), watching("two", fingerprint="b")
        remembering(store, one, two)
        feed(store, "one", "two")
        store.pause(PauseRecord(PauseKind.WORKFLOW, "one", PauseCause.PERSON, NOW, "a move"), NOW)
        swapped = [watching("two", id="x", fingerprint="a"), watching("one", id="y", fingerprint="b")]
        assert sorted(adopted(store, *swapped)) == [("one", "x"), ("two", "y")]
        assert [pause.name for pause in store.pauses()] == ["two"]
        assert {h.run.id: h.run.workflow for h in store.runs()} == {"r one": "two", "r two": "one"}
        assert {t.workflow: t.paused for t in store.triggers()} == {"one": False, "two": True}

    def test_a_pause_follows_to_both_halves_of_a_workflow(self, store: Store) -> None:
        left, right = watching("bill", name="a", fingerprint="a"), watching("bill", id="b", name="b", fingerprint="b")
        remembering(store, left, right)
        store.pause(PauseRecord(PauseKind.WORKFLOW, "bill", PauseCause.PERSON, NOW, "a move"), NOW)
        feed(store, "bill", "b", workflow="bill")
        halves = [watching("one", name="a", fingerprint="a"), watching("two", name="b", fingerprint="b")]
        assert sorted(adopted(store, *halves)) == [("b", "two"), ("bill", "one")]
        assert [pause.name for pause in store.pauses()] == ["one", "two"]
        assert {h.run.id: h.run.workflow for h in store.runs()} == {"r bill": "one", "r b": "two"}

    def test_a_pause_stays_with_a_workflow_that_one_of_its_triggers_leaves(self, store: Store) -> None:
        left, right = watching("bill", name="a", fingerprint="a"), watching("bill", id="b", name="b", fingerprint="b")
        remembering(store, left, right)
        store.pause(PauseRecord(PauseKind.WORKFLOW, "bill", PauseCause.PERSON, NOW, "a move"), NOW)
        assert adopted(store, left, watching("two", name="b", fingerprint="b")) == [("b", "two")]
        assert [pause.name for pause in store.pauses()] == ["bill"]

    def test_a_workflow_that_joins_one_that_was_there_pauses_nothing_of_it(self, store: Store) -> None:
        remembering(store, watching("bill", fingerprint="a"), watching("ship", fingerprint="b"))
        store.pause(PauseRecord(PauseKind.WORKFLOW, "bill", PauseCause.PERSON, NOW, "a move"), NOW)
        joined = watching("ship", id="x", name="orders", fingerprint="a")
        assert adopted(store, watching("ship", fingerprint="b"), joined) == [("bill", "x")]
        assert [t.paused for t in store.triggers(workflow="ship")] == [False, False]

    def test_a_new_workflow_of_the_old_name_is_paused_as_well(self, store: Store) -> None:
        remembering(store, watching("bill"))
        store.pause(PauseRecord(PauseKind.WORKFLOW, "bill", PauseCause.PERSON, NOW, "a move"), NOW)
        assert adopted(store, watching("ship"), watching("bill", id="n", fingerprint="another")) == [("bill", "ship")]
        assert sorted(pause.name for pause in store.pauses()) == ["bill", "ship"]

    def test_the_trial_of_a_refused_connection_is_the_renamed_trigger(self, store: Store) -> None:
        remembering(store, watching("bill"))
        store.pause(PauseRecord(PauseKind.CONNECTION, "work", PauseCause.CREDENTIAL, NOW, "no", by_request=True), NOW)
        assert store.begin_trial("work", NOW) == "bill"
        assert adopted(store, watching("ship"))
        assert [pause.trial for pause in store.pauses()] == ["ship"]
        assert not store.triggers()[0].paused

    def test_runs_keep_their_order_with_those_that_come_after_a_rename(self, store: Store) -> None:
        remembering(store, watching("bill"))
        feed(store, "bill", lane=Lane.PARALLEL, order_value="order 1")
        assert adopted(store, watching("ship"))
        feed(store, "ship", lane=Lane.PARALLEL, order_value="order 1")
        assert [r.id for r in store.claim_runs(NOW, 9, DAY)] == ["r bill"], "the other one waits for it"

    def test_events_gather_in_the_batch_of_before_a_rename(self, store: Store) -> None:
        remembering(store, watching("bill"))
        feed(store, "bill", batch_max=3, due_at=NOW + DAY)
        assert adopted(store, watching("ship"))
        feed(store, "ship", batch_max=3, due_at=NOW + DAY)
        assert [h.event_ids for h in store.runs()] == [["e bill", "e ship"]]

    def test_runs_held_by_a_pause_go_on_when_the_pause_of_the_new_name_ends(self, store: Store) -> None:
        remembering(store, watching("bill"))
        feed(store, "bill")
        store.pause(PauseRecord(PauseKind.WORKFLOW, "bill", PauseCause.PERSON, NOW, "a move"), NOW)
        (held,) = store.claim_runs(NOW, 9, DAY)
        assert store.finish_run(held.id, held.claim, RunState.PAUSED, reason="paused", held_by="workflow/bill")
        assert adopted(store, watching("ship"))
        lifted = store.lift(PauseKind.WORKFLOW, "ship", NOW)
        assert lifted is not None
        assert (lifted.triggers, lifted.runs) == (1, ["r bill"])

    def test_failures_in_a_row_are_counted_on_across_a_rename(self, store: Store) -> None:
        remembering(store, watching("bill"))
        store.alert_after = 2
        fail(store, "bill")
        assert adopted(store, watching("ship"))
        fail(store, "ship")
        assert [(alert.what, alert.name) for alert in store.untold_alerts()] == [("workflow_failing", "ship")]

    def test_what_was_late_under_the_old_name_is_on_time_again_under_the_new_one(self, store: Store) -> None:
        remembering(store, watching("bill"))
        turns = ("trigger_stalled", "trigger_on_time")
        assert store.alert_turn(AlertRecord(NOW, turns[0], "bill/trigger", "late"), *turns)
        assert adopted(store, watching("ship"))
        assert not store.alert_turn(AlertRecord(NOW, turns[0], "ship/trigger", "late"), *turns)
        assert store.alert_turn(AlertRecord(NOW, turns[1], "ship/trigger", "on time"), *turns)


def feed(store: Store, *triggers: str, workflow: str | None = None, **changes: Any) -> None:
    """An event of each trigger with its run, named after it."""
    for name in triggers:
        whose = workflow or name
        runs = [run(f"r {name}", f"e {name}", workflow=whose, **changes)]
        store.feed([event(f"e {name}", trigger_id=name, workflow=whose)], runs)


def fail(store: Store, workflow: str) -> None:
    feed(store, workflow)
    (held,) = store.claim_runs(NOW, 9, DAY)
    assert store.finish_run(held.id, held.claim, RunState.FAILED, reason="no", finished_at=NOW)
