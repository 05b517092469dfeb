"""The requests of one poll about single items: how they went, and whether more may be sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from changewire.errors import ApiError, CredentialError, DelayedError, FailureClass, StateError, StoppedError
from changewire.triggers.polling import Allowance

T = TypeVar("T")
MOST = 50  # in one poll, for details and for evidence each; the other items wait for a later poll
MOST_IN_A_ROW = 3  # refusals after which a poll sends no more: then it is hardly the fault of the items


@dataclass(frozen=True)
class Refused:
    """No answer about an item in this poll."""

    error: Exception | None  # why; None: the poll had to stop, which says nothing about the item

    @property
    def broken(self) -> bool:
        """Whether it is the fault of this item: what is known of it, or its answer, cannot be processed."""
        if isinstance(self.error, ApiError):
            return self.error.failure is FailureClass.BROKEN
        return self.error is not None


@dataclass
class FollowUps:
    """Sends requests one after the other; a refusal concerns its own item only."""

    allowance: Allowance
    most: int | None = MOST  # None: any number
    answered: int = 0
    refusals: list[Exception] = field(default_factory=list)
    broken: list[Exception] = field(default_factory=list)  # what was answered, or no request was needed
    delayed: DelayedError | None = None  # the budget allows no more for now
    credential: CredentialError | None = None  # the connection was refused as a whole
    _in_a_row: int = 0

    @property
    def stopped(self) -> bool:
        """Whether this poll sends no more requests."""
        if self.delayed is not None or self.credential is not None or self.allowance.used_up:
            return True
        sent = self.answered + len(self.refusals) + len(self.broken)
        return self._in_a_row >= MOST_IN_A_ROW or (self.most is not None and sent >= self.most)

    def attempt(self, send: Callable[[], T]) -> T | Refused:
        """The result of ``send``, or the reason why there is none. Raises StateError only."""
        began_fresh = self.allowance.answers == 0
        try:
            result = send()
        except StoppedError:
            return Refused(None)  # what is complete is stored all the same
        except StateError:
            raise
        except DelayedError as error:
            self.delayed = error
        except CredentialError as error:
            self.credential = error
        except Exception as error:  # whatever it is, it must not hold up the other items
            if not isinstance(error, ApiError):
                self.broken.append(error)
                return Refused(error)
            if began_fresh or not self.allowance.used_up:
                self.refusals.append(error)
                self._in_a_row += 1
                return Refused(error)
        else:
            self.answered += 1
            self._in_a_row = 0
            return result
        return Refused(None)
