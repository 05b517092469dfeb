"""What somebody should know: triggers that are late, and how alerts get to the workflows that watch for them."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from changewire.clock import to_text
from changewire.engine.feeding import Feeder
from changewire.engine.telling import trigger_alert
from changewire.errors import ChangewireError, StateError, fault_of_ours
from changewire.log import Log
from changewire.state.protocol import Store
from changewire.state.records import AlertRecord, Raised, TriggerRecord, TriggerState
from changewire.values import Json

STALLED, ON_TIME = "trigger_stalled", "trigger_on_time"
STALLED_AFTER = 3  # intervals


class Alerts:
    """Raises alerts about silence, and tells all alerts."""

    def __init__(self, store: Store, feeder: Feeder, log: Log) -> None:
        self._store, self._feeder, self._log = store, feeder, log
        self._stalled: dict[str, TriggerRecord] | None = None  # None: an earlier process may have raised alerts
        self._telling = threading.Lock()
        self._faulty: set[str] = set()  # ids of alerts that met a fault, which is logged once

    def look_for_stalled(self, now: datetime, offset: timedelta) -> None:
        """Silence is an alarm: said once for each trigger that is late by several intervals.

        ``offset`` is what the wall clock shows, less ``now``.
        """
        records = self._store.triggers()
        before = list(self._stalled.values()) if self._stalled is not None else self._store.triggers(active=None)
        late = {record.id: record for record in records if record.late(now, STALLED_AFTER)}
        for record in late.values():
            why = record.error or record.delayed
            words = f"{record.shown} is late by more than {STALLED_AFTER} intervals" + (f": {why}" if why else "")
            self._stall(record, now + offset, STALLED, words)
        present, names = {record.id: record for record in records}, {record.shown for record in late.values()}
        for record in [each for each in before if each.shown not in names]:
            self._stall(record, now + offset, ON_TIME, _no_longer_late(record, present.get(record.id)))
        self._stalled = late
        self.tell()

    def _stall(self, record: TriggerRecord, now: datetime, what: str, words: str) -> None:
        """Said once when it begins and once when it is over, also where another process said the first."""
        self._store.alert_turn(trigger_alert(what, record, now, words), STALLED, ON_TIME)

    def tell(self) -> None:
        """Hand what somebody should know to the workflows that watch for it. Telling twice stores nothing twice.

        An alert that meets a fault stays untold until the next turn and keeps none of the others back.
        """
        with self._telling:
            while found := self._store.untold_alerts():
                sent = [alert.id for alert in found if self._tell(alert)]
                if sent:
                    self._store.alerts_told(sent)
                if len(sent) < len(found):
                    return

    def _tell(self, alert: AlertRecord) -> bool:
        if alert.id not in self._faulty and alert.what.startswith(("workflow_", STALLED, ON_TIME)):
            self._log(alert.what, alert.message, name=alert.name, **alert.facts)
        item: dict[str, Json] = {"what": alert.what, "key": alert.name, "name": alert.name}
        item |= {"message": alert.message, "at": to_text(alert.at), **alert.facts}
        try:
            self._feeder.feed(Raised("core.alert", alert.id, item, alert.chain, alert.cause))
        except StateError:
            raise
        except ChangewireError as error:
            self._log("alert_not_told", f"no workflow can be told that {alert.message}: {error}")
        except Exception as error:
            if alert.id not in self._faulty:
                self._faulty.add(alert.id)
                self._log("alert_not_told", f"{fault_of_ours(error)}, in the alert that {alert.message}")
            return False
        return True


def _no_longer_late(before: TriggerRecord, now: TriggerRecord | None) -> str:
    """Say why a trigger is not late any more; ``now`` None: it is not watched any more."""
    if now is None:
        return f"{before.shown} is not watched any more, so it is not late"
    if now.paused:
        return f"{now.shown} is paused, so it is not late any more"
    if now.state is TriggerState.UNAVAILABLE:
        return f"{now.shown} cannot be used as its file is written, so it is not polled"
    return f"{now.shown} is polled in time again"
