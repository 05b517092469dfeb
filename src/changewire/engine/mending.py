"""Trying whether connections that are paused work again, so that what waits for them goes on by itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from changewire.clock import Clock
from changewire.config.connections import Connection
from changewire.connectors.clients import Clients
from changewire.errors import ApiError, ShutdownError, UsageError
from changewire.log import Log
from changewire.secret import mask
from changewire.state.protocol import Store
from changewire.state.records import Lifted, PauseCause, PauseKind, PauseRecord


class Mender:
    """Looks after the paused connections of one home. Pauses by a person are left alone."""

    def __init__(self, store: Store, clients: Clients, clock: Clock, log: Log) -> None:
        self._store, self._clients, self._clock, self._log = store, clients, clock, log

    def begin(self, connections: Mapping[str, Connection]) -> None:
        """Try all at once: whoever starts the daemon may have mended them. Pauses of what is gone end."""
        now = self._clock.now()
        for pause in self._refused():
            if pause.name not in connections:
                self._store.lift(PauseKind.CONNECTION, pause.name, now, cause=PauseCause.CREDENTIAL)
        self._store.try_pauses(now)

    def reconsider(self, before: Mapping[str, Connection], after: Mapping[str, Connection]) -> None:
        """Try those at once that the files say something else of than before."""
        changed = [pause.name for pause in self._refused() if before.get(pause.name) != after.get(pause.name)]
        for name in changed:
            if name not in after:
                self._store.lift(PauseKind.CONNECTION, name, self._clock.now(), cause=PauseCause.CREDENTIAL)
        if changed:
            self._store.try_pauses(self._clock.now(), changed)

    def look(self, now: datetime) -> list[str]:
        """Try those whose time has come; the names of those that go on."""
        due = [pause for pause in self._refused() if pause.try_at is not None and pause.try_at <= now]
        return [pause.name for pause in due if self._try(pause, now)]

    def _refused(self) -> list[PauseRecord]:
        return [
            pause
            for pause in self._store.pauses()
            if pause.kind is PauseKind.CONNECTION and pause.cause is PauseCause.CREDENTIAL
        ]

    def _try(self, pause: PauseRecord, now: datetime) -> bool:
        if pause.by_request:
            if self._store.begin_trial(pause.name, now) is None:
                self._mended(pause, now)
            return True
        try:
            self._clients.get(pause.name).sign_in()
        except ShutdownError:  # which says nothing about the connection
            return False
        except (ApiError, UsageError) as error:
            self._store.put_off_pause(pause.name, mask(str(error)), now)
            return False
        self._mended(pause, now)
        return True

    def _mended(self, pause: PauseRecord, now: datetime) -> None:
        lifted = self._store.lift(PauseKind.CONNECTION, pause.name, now, cause=PauseCause.CREDENTIAL)
        if lifted is not None:
            words = f"connection {pause.name!r} works again: {went_on(lifted)}"
            self._log("connection_mended", words, connection=pause.name)


def went_on(lifted: Lifted) -> str:
    """What a pause that ended let go on, in words."""
    triggers, runs = lifted.triggers, len(lifted.runs)
    return f"{triggers} trigger{'s' * (triggers != 1)} and {runs} run{'s' * (runs != 1)} go on"
