"""Every Zoom type beyond the sheet's on one busy account: silent at first, one event for each change, none of noise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from changewire.catalog import builtin_folder
from changewire.sandbox import Sandbox
from changewire.state.records import EventRecord
from changewire.triggers.loading import load_trigger_types, sample_events
from tests.support.zoom_cases import CASES, ROUNDS, play_noise, play_round, prepare, watches
from tests.triggers.account import Account
from tests.triggers.kinds import NOW
from tests.triggers.test_zoom_types import SHEET

TYPES, _ = load_trigger_types([builtin_folder("triggers")])


@dataclass
class Told:
    """What real polls brought."""

    quiet: list[EventRecord] = field(default_factory=list)
    rounds: list[list[EventRecord]] = field(default_factory=list)
    wanted: list[Counter[tuple[str, str]]] = field(default_factory=list)

    def of(self, name: str) -> list[EventRecord]:
        return [event for events in self.rounds for event in events if event.type == f"zoom.{name}"]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with Sandbox(enforce_limits=False, start=NOW) as sandbox:
        stage = prepare(sandbox)
        account = Account(sandbox, tmp_path_factory.mktemp("home"))
        account.watch_all(**{name: (parameters, "") for name, (_, parameters) in watches(stage).items()})
        found = Told(account.running.events[:])
        for number in range(ROUNDS):
            play_noise(stage)
            found.quiet += [*account.poll(), *account.poll()]
            found.wanted.append(play_round(stage, number))
            found.rounds.append([*account.poll(), *account.poll()])
        found.quiet += [*account.poll(), *account.poll()]
        yield found
        account.running.close()


def words(events: list[EventRecord]) -> Counter[tuple[str, str]]:
    return Counter((event.type.partition(".")[2], event.event_type) for event in events)


def test_each_type_has_a_case() -> None:
    names = {name.partition(".")[2] for name in TYPES if name.startswith("zoom.")}
    assert names == SHEET.keys() | CASES.keys()


def test_the_first_poll_noise_and_polls_without_a_change_bring_nothing(told: Told) -> None:
    assert words(told.quiet) == {}


@pytest.mark.parametrize("name", CASES)
def test_each_change_brings_its_events_and_no_others(told: Told, name: str) -> None:
    for events, wanted in zip(told.rounds, told.wanted, strict=True):
        mine = {word: count for (kind, word), count in words(events).items() if kind == name}
        assert mine == {word: count for (kind, word), count in wanted.items() if kind == name}


@pytest.mark.parametrize("name", CASES)
def test_payloads_are_as_the_sample_promises(told: Told, name: str) -> None:
    kind = TYPES[f"zoom.{name}"]
    (promised, *_) = sample_events(kind)
    assert {event.event_type for event in told.of(name)} == set(kind.event_types)
    for event in told.of(name):
        assert event.payload.keys() == promised.payload.keys()
        assert event.payload["event_type"] == event.event_type
        for noun, value in promised.payload.items():
            assert type(event.payload[noun]) is type(value), noun
            if isinstance(value, dict) and noun != "changes_detected":
                assert event.payload[noun].keys() & value.keys(), noun
