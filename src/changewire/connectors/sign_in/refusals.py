"""Whether a connection's credentials are refused, or only one of the addresses that they are shown to."""

from __future__ import annotations

MOST_PATHS = 1000  # that are remembered; addresses may be made of data


class Refusals:
    """What is known of a connection's credentials since its client was made.

    The first refusal puts the credentials as a whole in doubt. Where other addresses accept them after it, the address
    that refused them is alone with that, and from then on its refusals are its own. One writer is as good as many here:
    a lost note costs one doubt more.
    """

    def __init__(self) -> None:
        self._refused: frozenset[str] = frozenset()  # in doubt
        self._alone: frozenset[str] = frozenset()  # others accept what they refuse

    def accepted(self, path: str) -> None:
        """An address accepted the credentials."""
        if self._refused or self._alone:
            self._alone = frozenset((self._alone | self._refused) - {path})
            self._refused = frozenset()

    def in_doubt(self, path: str) -> bool:
        """An address refused the credentials: whether that is more than its own affair."""
        if path in self._alone:
            return False
        self._refused = frozenset({*list(self._refused)[-MOST_PATHS:], path})
        return True
