"""The naive model: what each workflow saw at its last good poll, what must have fired, what its runs must have done.

It knows nothing of hashes, leases, claims or transactions.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.support.model.layout import WAIT_S, subjects
from tests.support.model.shop import Done, Shop


@dataclass
class Watched:
    """One workflow, whatever it is called."""

    kind: str
    name: str
    stem: str  # of its file
    mode: str = "parallel"
    backfill: bool = False
    file: Literal["good", "out", "broken"] = "good"
    paused: bool = False  # by hand
    seen: Any = None  # None: nothing was seen since the beginning or the last reset
    may: Counter[str] = field(default_factory=Counter)  # keys of orders that may fire
    must: set[str] = field(default_factory=set)  # those that have to, sooner or later
    gone: set[str] = field(default_factory=set)  # those that were taken away before they fired: they need not
    expected: list[tuple[str, Any, Any]] = field(default_factory=list)  # changes that have to be stored by now
    good_polls: int = 0
    events: list[str] = field(default_factory=list)  # ids

    def served(self, state: Any) -> None:
        """The API showed a poll ``state``, whatever became of it."""
        if self.kind == "orders" and (self.seen is not None or self.backfill):
            self._owe(state, ())

    def good_poll(self, reads: list[Any]) -> None:
        """A poll that was served ``reads`` was stored."""
        self.good_polls += 1
        state = reads[-1]
        first = self.seen is None
        if self.kind == "price":
            if not first and state != self.seen:
                self.expected.append(("/price", self.seen, state))
            self.seen = state
            return
        known: dict[int, Any] = {key: value for one in reads for key, value in one.items()} if first else state
        if self.kind == "orders" and (not first or self.backfill):
            self._owe(known, known)
        if self.kind == "tickets" and not first:
            moved = [
                (str(key), self.seen[key]["state"], one["state"]) for key, one in known.items() if key in self.seen
            ]
            self.expected += [one for one in moved if one[1] != one[2]]
        self.seen = {**(self.seen or {}), **known}

    def _owe(self, state: dict[int, Any], must: Any) -> None:
        """Orders that were not there before may fire; those in ``must`` have to, also later if they are late."""
        for key in map(str, state):
            if int(key) not in (self.seen or {}):
                self.may[key] = max(1, self.may[key])
        self.must |= {str(key) for key in must if self.may[str(key)]} - self.gone

    def fired(self, event_id: str, key: str, payload: dict[str, Any]) -> None:
        """An event was stored. AssertionError where nothing asked for it."""
        self.events.append(event_id)
        if self.kind == "orders":
            assert self.may[key] > 0, f"{self.name}: order {key} fired, which was not new or had fired before"
            self.may[key] -= 1
            self.must.discard(key)
            if self.seen is not None:
                self.seen.setdefault(int(key), {})
            return
        found = (key if self.kind == "tickets" else "/price", payload["before"], payload["now"])
        assert found in self.expected, f"{self.name}: {found} fired; expected were {self.expected}"
        self.expected.remove(found)

    def check_stored(self) -> None:
        """After a good poll every change that needs no further request has its event."""
        assert not self.expected, f"{self.name}: these changes were seen and did not fire: {self.expected}"

    def take_away(self, key: int) -> None:
        """An order is gone: if it has not fired, it may, and need not."""
        self.must.discard(str(key))
        if self.may[str(key)]:
            self.gone.add(str(key))

    def reset(self) -> None:
        """Everything is forgotten."""
        self.seen, self.may, self.must, self.gone, self.expected = None, Counter(), set(), set(), []


def check_run(shop: Shop, kind: str, event_id: str, *, early: bool) -> None:
    """Each step of a finished run was done once, its second part not before its time. ``early``: that may be sooner."""
    for subject, action in subjects(kind, event_id).items():
        found = shop.did(subject)
        assert found, f"{subject} was never done, and its run is over"
        check_subject(subject, action, found)
    if kind in WAIT_S and not early:
        words = {"orders": "charge", "tickets": "ship"}
        before = max(one.at for one in shop.done if one.subject.startswith(f"/{words[kind]}-{event_id}"))
        after = min(one.at for one in shop.did(f"/after-{event_id}"))
        assert after >= before + WAIT_S[kind] - 1, f"{event_id}: a wait of {WAIT_S[kind]} s took {after - before} s"


def check_subject(subject: str, action: str, found: list[Done]) -> None:
    """What may not be done twice was not; the rest only where nobody got the first answer, and under the same key."""
    if action == "charge":
        assert len(found) < 2, f"{subject} was done {len(found)} times"
    answered = [one for one in found if one.answered and not one.frame.broken]
    assert len(answered) <= 1, f"{subject} was done again although its answer had come"
    assert len({one.key for one in found}) < 2, f"{subject} was done under several keys"
    assert not any(one.frame.idle for one in found), f"{subject} was done while its workflow was paused"
