"""How far a poll came whose list was read: its requests about single items, and how the trigger stands after them."""

from __future__ import annotations

from dataclasses import dataclass

from changewire.engine.telling import describe
from changewire.errors import CredentialError, DelayedError
from changewire.state.records import TriggerRecord, TriggerState
from changewire.triggers.follow_ups import FollowUps


@dataclass(frozen=True)
class Progress:
    """How the requests of one poll about single items went, for evidence and for details."""

    answered: int = 0
    refusals: tuple[Exception, ...] = ()
    delayed: DelayedError | None = None  # the budget allows no more for now
    credential: CredentialError | None = None  # the connection was refused as a whole
    refused_before: bool = False  # the latest requests before this poll were all refused
    waiting: bool = False  # changes wait, as far as `refused_before` makes that matter
    reason: str = ""  # of the last refusal
    first: bool = True  # one of the refusals is the first of its item

    @property
    def refusing(self) -> bool:
        """Whether requests were sent and none was answered. One more refusal of items that were refused before does
        not make a trigger fail that recovered meanwhile.
        """
        return bool(self.refusals) and not self.answered and (self.first or self.refused_before)

    @property
    def still_refusing(self) -> bool:
        """Whether the latest requests, of this poll or of one before, were all refused and are to be repeated."""
        return self.refusing or (self.refused_before and self.waiting and not self.answered)

    def in_turn(self, *, listed: bool) -> bool:
        """Whether it is the turn of pending changes: the list was read, or the budget allowed no request about them."""
        if listed:
            return not self.refusing
        return self.delayed is not None and not self.answered

    @classmethod
    def of(cls, *requests: FollowUps, refused_before: bool, waiting: bool, first: bool) -> Progress:
        """The sum of all ``requests`` of one poll.

        An event that cannot be made is the fault of its item, unless that holds for several and for all of the poll.
        """
        answered = sum(each.answered for each in requests)
        broken = [error for each in requests for error in each.broken]
        return cls(
            answered,
            (*(error for each in requests for error in each.refusals), *(broken if len(broken) > 1 else ())),
            next((each.delayed for each in reversed(requests) if each.delayed is not None), None),
            next((each.credential for each in requests if each.credential is not None), None),
            refused_before,
            waiting,
            first=first,
        )


@dataclass(frozen=True)
class Standing:
    """The condition of a trigger."""

    state: TriggerState = TriggerState.OK
    failures: int = 0  # in a row
    error: str | None = None
    error_class: str | None = None


def standing_after(record: TriggerRecord, progress: Progress, *, listed: bool) -> Standing:
    """How a trigger stands after a poll. ``listed``: the list was read, which ends the failures of reading it."""
    if progress.refusing:
        failure, _ = describe(progress.refusals[-1])
        message = f"no change became an event, so they wait: {progress.reason}"
        return Standing(TriggerState.FAILING, record.failures + 1, message, str(failure))
    if progress.still_refusing or (not listed and not progress.refused_before):
        return Standing(record.state, record.failures, record.error, record.error_class)
    return Standing()
