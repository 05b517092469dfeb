"""How a running daemon is doing: whether its loop turns, and what needs a person."""

from __future__ import annotations

from collections.abc import Callable

from changewire.clock import Clock, wall
from changewire.errors import StateError
from changewire.health.attention import (
    Attention,
    attention,
    items_set_aside,
    judged,
    refused_files,
    stuck_changes,
    unsent_alerts,
)
from changewire.home.definition import Home
from changewire.secret import mask
from changewire.state.protocol import Store
from changewire.state.records import TriggerRecord
from changewire.values import Json

TURNS_WITHIN_S = 60.0  # it turns twice a second; a database that somebody has locked may hold up a turn for a while
MOST_TOLD = 20  # entries; the rest is counted
LONGEST_TOLD = 500  # characters of what one entry says
VERSION = 1


class Checkup:
    """Looks at a daemon from inside. Thread-safe.

    ``home`` gives the files as they are used, ``passed`` the seconds since the loop took its last turn, ``refused`` why
    changed files could not be taken over; None: they could. ``stalled`` gives work without progress.
    """

    def __init__(
        self,
        home: Callable[[], Home],
        store: Store,
        clock: Clock,
        passed: Callable[[], float],
        refused: Callable[[], str | None],
        stalled: Callable[[], list[Attention]],
    ) -> None:
        self.home, self.store, self.clock, self.passed = home, store, clock, passed
        self._refused, self._stalled = refused, stalled

    def live(self) -> list[Attention]:
        """What a new start would mend: a loop that does not turn."""
        passed = self.passed()
        if passed <= TURNS_WITHIN_S:
            return []
        words = f"its loop took no turn for {passed:.0f} seconds"
        return [Attention("daemon", "loop", "stalled", words, "look into its log, then start it again")]

    def own(self) -> list[Attention]:
        """Return work without progress, which only the daemon knows; each heartbeat has it for `status`."""
        return [*self.live(), *self._stalled()]

    def attention(self, suspects: list[TriggerRecord] | None = None) -> list[Attention]:
        """All that needs a person, as `status` counts it, and what only the daemon knows of itself.

        ``suspects`` are those of the store; None: they are read.
        """
        own = self.own()
        refused = self._refused()
        if refused is not None:
            own.append(refused_files(refused))
        try:
            return [*own, *self._stored(suspects)]
        except StateError as error:
            return [*own, Attention("daemon", "database", "failed", str(error), "do as the message says")]

    def _stored(self, suspects: list[TriggerRecord] | None) -> list[Attention]:
        home, now = self.home(), self.clock.now()
        found = self.store.suspects(now) if suspects is None else suspects
        runs = self.store.waiting_for_a_person()
        triggers, pauses = [judged(one, now) for one in found], self.store.pauses()
        needs = attention(triggers, home.broken, home.kept, pauses, runs, self.store.sleepers())
        stuck = stuck_changes(self.store.waiting_changes().values(), wall(self.clock))
        aside = items_set_aside(self.store.set_aside())
        return [*needs, *stuck, *aside, *unsent_alerts(self.store.untold_since(), wall(self.clock))]


def view(found: list[Attention]) -> dict[str, Json]:
    """The answer to ``/live`` and ``/health``. ``more`` counts what is left out of the list."""
    told = [{name: _short(str(words)) for name, words in each.view().items()} for each in found[:MOST_TOLD]]
    status = "attention" if found else "ok"
    return {"v": VERSION, "status": status, "attention": told, "more": len(found) - len(told)}


def _short(words: str) -> str:
    words = mask(words)
    return words if len(words) <= LONGEST_TOLD else f"{words[: LONGEST_TOLD - 1]}…"
