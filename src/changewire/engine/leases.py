"""The claims that this process works on, queue time included, and the renewal of their leases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

from changewire.clock import Clock
from changewire.errors import StateError, fault_of_ours
from changewire.log import Log
from changewire.state.protocol import Store
from changewire.state.records import Claim

LEASE = timedelta(seconds=60)
RENEW_EVERY_S = LEASE.total_seconds() / 3


class LeaseKeeper:
    """Renews the leases of all held claims in one statement per table, by elapsed time. Thread-safe.

    A claim is held from the moment it was claimed until its work has ended, however long that takes. Work whose claim
    does not stand any more, see `stands`, stops before its next effect.
    """

    def __init__(self, store: Store, clock: Clock, log: Log) -> None:
        self._store, self._clock, self._log = store, clock, log
        self._held: dict[Claim, float] = {}  # and since when the lease runs, in elapsed seconds
        self._since: dict[Claim, float] = {}  # when it was claimed
        self._lost: set[Claim] = set()  # of those that are held
        self._owed: dict[Claim, Callable[[], object]] = {}  # ends of work that could not be stored yet
        self._lock = threading.Lock()
        self._renewing = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="changewire-leases", daemon=True)

    def start(self) -> None:
        """Begin to renew, from a thread that does nothing else."""
        self._thread.start()

    def stop(self) -> None:
        """Renew no more."""
        self._stopping.set()

    def hold(self, claim: Claim) -> None:
        """Renew the lease of a claim from now on."""
        with self._lock:
            self._held[claim] = self._since[claim] = self._clock.monotonic()

    def drop(self, claim: Claim) -> None:
        """The work of a claim has ended."""
        with self._lock:
            if claim not in self._owed:
                self._held.pop(claim, None)
                self._since.pop(claim, None)
                self._lost.discard(claim)

    def held_since(self) -> dict[Claim, float]:
        """All claims that are held, and when each was claimed, in elapsed seconds."""
        with self._lock:
            return dict(self._since)

    def held(self) -> set[Claim]:
        """All claims that are held, whether they stand or not."""
        with self._lock:
            return set(self._held)

    def stands(self, claim: Claim) -> bool:
        """Whether the work of a held claim may have effects. Raises StateError if the lease ended and cannot be
        renewed.
        """
        with self._lock:
            renewed = self._held.get(claim)
            if renewed is None or claim in self._lost:
                return False
        if self._clock.monotonic() - renewed >= LEASE.total_seconds():
            self._renew_leases()
            with self._lock:
                return claim not in self._lost
        return True

    def give_up(self, claim: Claim, end: Callable[[], object]) -> None:
        """Store that the work of a claim was given up, which ``end`` does; while the store fails, again at each
        renewal.
        """
        try:
            end()
        except StateError:
            with self._lock:
                self._owed[claim] = end

    def renew(self) -> None:
        """Renew all leases, and store what is owed. Raises StateError."""
        self._renew_leases()
        with self._lock:
            owed = list(self._owed.items())
        for claim, end in owed:
            self._settle(claim, end)

    def _renew_leases(self) -> None:
        with self._renewing:
            began, held = self._clock.monotonic(), self.held()
            standing = self._store.renew_claims(held, self._clock.now(), LEASE)
            with self._lock:
                self._held |= {claim: began for claim in standing if claim in self._held}
                self._lost |= (held - standing) & self._held.keys()

    def _settle(self, claim: Claim, end: Callable[[], object]) -> None:
        """Store an end that is owed; after a fault the claim is left to the reaper."""
        try:
            end()
        except StateError:
            return  # it stays owed, and holds back neither other ends nor the renewals
        except Exception as error:
            self._log("worker_failed", fault_of_ours(error))
        with self._lock:
            self._owed.pop(claim, None)
        self.drop(claim)

    def _work(self) -> None:
        while not self._stopping.wait(RENEW_EVERY_S):
            try:
                self.renew()
            except StateError as error:
                self._log("state_failed", f"{str(error).rstrip('.')}; the leases of running work are renewed later")
            except Exception as error:
                self._log("worker_failed", fault_of_ours(error))
