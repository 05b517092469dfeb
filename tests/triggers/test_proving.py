"""Whether a missing item is gone, where a type asks for evidence."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from changewire.errors import ApiError, CredentialError, DelayedError, FailureClass
from changewire.testing import ManualClock
from changewire.triggers.follow_ups import MOST, FollowUps
from changewire.triggers.missing import BRAKE_PATIENCE
from changewire.triggers.noticed import Memory
from changewire.triggers.noticing import notice
from changewire.triggers.polling import Allowance
from changewire.triggers.proving import GIVE_UP, proven
from tests.triggers.kinds import NOW, SCOPE, Watcher, kind_of

GONE = ApiError("gone", FailureClass("gone"), status=404, code="3001")
NOT_YET = ApiError("not yet", FailureClass("not_yet"), status=404)
DOWN = ApiError("down", FailureClass("transient"), status=503)
ANSWER = {"id": 1, "over": True}
BY_ERROR = {"path": "/things/{item.id}", "errors": [{"status": 404, "code": 3001}]}
BY_ANSWER = {"path": "/over/{item.id}"}


class Proving(Watcher):
    """A memory whose deletions need evidence: what it ``says`` of any item, or of each by its id."""

    def __init__(self, evidence: dict[str, Any], says: Any = None) -> None:
        super().__init__(kind_of(["created", "deleted"], absences=2, evidence=evidence))
        self.says, self.asked = says, 0

    def _ask(self, _: object, item: Any) -> Any:
        self.asked += 1
        assert isinstance(item, dict)
        answer = self.says[item["id"]] if isinstance(self.says, dict) and self.says is not ANSWER else self.says
        if isinstance(answer, Exception):
            raise answer
        return answer

    def read(self, *items: Any, now: Any = NOW) -> list[str]:
        memory = Memory(self.items, self.baseline_at, self.rules)
        found = notice([(item, SCOPE) for item in items], self.watch, memory, now)
        self.requests = FollowUps(Allowance(60.0, ManualClock()))
        self.last = proven(found, self.watch, self._ask, self.requests)
        records = [*self.last.quiet, *(n.record for n in self.last.noticed if n.record)]
        self.items |= {record.key: record for record in records}
        self.baseline_at, self.rules = self.baseline_at or now, self.watch.rules.fingerprint
        return [noticed.key for noticed in self.last.noticed]


def test_an_error_that_says_so_proves_it() -> None:
    watcher = Proving(BY_ERROR, GONE)
    watcher.read({"id": 1}, {"id": 2})
    assert [watcher.read({"id": 2}), watcher.read({"id": 2}), watcher.read({"id": 2})] == [[], ["1"], []]
    assert watcher.asked == 1


def test_an_item_that_is_elsewhere_is_not_gone_and_is_asked_about_again_much_later() -> None:
    watcher = Proving(BY_ERROR, ANSWER)
    watcher.read({"id": 1})
    assert [watcher.read() for _ in range(2 * BRAKE_PATIENCE)] == [[]] * (2 * BRAKE_PATIENCE)
    assert watcher.asked == 1
    watcher.says = GONE
    assert [key for _ in range(4) for key in watcher.read()] == ["1"]


def test_an_item_that_was_elsewhere_and_came_back_is_not_new() -> None:
    watcher = Proving(BY_ERROR, ANSWER)
    watcher.read({"id": 1})
    assert [watcher.read(), watcher.read(), watcher.read({"id": 1}), watcher.read()] == [[]] * 4
    watcher.says = GONE
    assert watcher.read() == ["1"]


def test_an_answer_proves_it_where_no_error_does_and_is_the_detail() -> None:
    watcher = Proving(BY_ANSWER, NOT_YET)
    watcher.read({"id": 1})
    assert [watcher.read() for _ in range(5)] == [[]] * 5
    watcher.says = ANSWER
    assert watcher.read() == ["1"]
    assert watcher.last.noticed[0].detail == ANSWER
    assert watcher.asked == 5


def test_what_is_never_proven_is_forgotten_in_the_end() -> None:
    watcher = Proving(BY_ANSWER, NOT_YET)
    watcher.read({"id": 1})
    for _ in range(GIVE_UP + 3):
        assert watcher.read() == []
    asked, watcher.says = watcher.asked, ANSWER
    assert watcher.read() == []
    assert watcher.asked == asked


@pytest.mark.parametrize("evidence", [BY_ERROR, BY_ANSWER])
def test_any_other_error_leaves_its_own_item_unproven(evidence: dict[str, Any]) -> None:
    proof = GONE if evidence is BY_ERROR else ANSWER
    watcher = Proving(evidence, {1: DOWN, 2: proof})
    watcher.read({"id": 1}, {"id": 2})
    watcher.read()
    assert watcher.read() == ["2"]
    assert [str(error) for error in watcher.requests.refusals] == ["down"]
    assert watcher.last.verdicts["unproven"] == 1
    watcher.says = proof
    assert watcher.read() == ["1"]


def test_after_three_refusals_in_a_row_no_more_is_requested() -> None:
    watcher = Proving(BY_ERROR, DOWN)
    watcher.read(*({"id": number} for number in range(9)))
    watcher.read()
    watcher.read()
    assert watcher.asked == len(watcher.requests.refusals) == 3
    watcher.says = {number: DOWN if number < 3 else GONE for number in range(9)}
    assert len(watcher.read()) == 6


def test_items_without_proof_do_not_starve_later_ones() -> None:
    watcher = Proving(BY_ANSWER, dict.fromkeys(range(MOST), NOT_YET) | {MOST: ANSWER})
    watcher.read(*({"id": number} for number in range(MOST + 1)), *({"id": f"other {n}"} for n in range(2 * MOST)))
    others = [{"id": f"other {n}"} for n in range(2 * MOST)]
    assert [key for _ in range(3) for key in watcher.read(*others)] == [str(MOST)]


@pytest.mark.parametrize("error", [DelayedError("later", NOW), CredentialError("who?", "work", "sign in")])
def test_what_stops_the_poll_says_nothing_about_the_items(error: Exception) -> None:
    watcher = Proving(BY_ERROR, {1: GONE, 2: error})
    watcher.read({"id": 1}, {"id": 2}, {"id": 3})
    watcher.read()
    assert watcher.read() == ["1"]
    assert (watcher.asked, watcher.requests.refusals) == (2, [])
    watcher.says = GONE
    assert watcher.read() == ["2", "3"]


def test_only_so_many_are_asked_for_in_one_poll() -> None:
    watcher = Proving(BY_ERROR, GONE)
    many = [{"id": number} for number in range(3 * MOST)]
    watcher.read(*many)
    found = [watcher.read(*many[: 2 * MOST - 5]) for _ in range(3)]
    assert [len(keys) for keys in found] == [0, MOST, 5]
    assert watcher.last.verdicts["fired"] == 5


def test_new_items_are_told_all_the_same() -> None:
    watcher = Proving(BY_ERROR, ANSWER)
    watcher.read({"id": 1})
    watcher.read()
    assert watcher.read({"id": 2}) == ["2"]


def test_it_belongs_to_deletions() -> None:
    with pytest.raises(ValidationError, match="`evidence` belongs to kind: deleted"):
        kind_of("created", evidence=BY_ERROR)


class TestOneItemInPlaceOfAnother:
    """A single item of which only the newest can be missing."""

    OLD, NEW = {"id": 1, "at": "2026-11-01"}, {"id": 2, "at": "2026-11-02"}

    def watcher(self) -> Watcher:
        sample = {"id": 1, "at": ""}
        return Watcher(kind_of(["created", "deleted"], items="", absences=1, newest_by="at", sample=sample))

    def test_one_that_was_replaced_is_not_missed(self) -> None:
        watcher = self.watcher()
        watcher.read(self.OLD)
        assert [watcher.read(self.NEW) for _ in range(3)] == [["2"], [], []]
        assert [watcher.read() for _ in range(3)] == [["2"], [], []]

    def test_a_newer_one_is_missed_where_an_older_one_is_there_again(self) -> None:
        watcher = self.watcher()
        watcher.read(self.OLD)
        watcher.read(self.NEW)
        assert [watcher.read(self.OLD), watcher.read(self.OLD), watcher.read()] == [["2"], [], ["1"]]

    def test_of_several_that_an_earlier_form_of_the_type_knew_the_newest_is_missed(self) -> None:
        watcher = self.watcher()
        watcher.read(self.OLD, self.NEW)
        assert [watcher.read() for _ in range(3)] == [["2"], [], []]

    @pytest.mark.parametrize(("kind", "items"), [("created", ""), (["created", "deleted"], "[*]")])
    def test_it_belongs_to_deletions_of_single_items(self, kind: Any, items: str) -> None:
        with pytest.raises(ValidationError, match="`newest_by` belongs to kind: deleted of a single item"):
            kind_of(kind, items=items, newest_by="id")
