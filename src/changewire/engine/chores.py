"""What a daemon does beside its loop, again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from apscheduler.schedulers.background import BackgroundScheduler

from changewire.clock import Clock
from changewire.errors import ChangewireError, fault_of_ours
from changewire.log import Log

Chore = Callable[[], None]


class Chores:
    """Runs chores on a thread of their own. One that fails is told in the log and comes again."""

    def __init__(self, clock: Clock, log: Log) -> None:
        self._clock, self._log = clock, log
        self._scheduler = BackgroundScheduler(timezone="UTC")

    def start(self, at_once: Mapping[Chore, int], later: Mapping[Chore, int]) -> None:
        """Begin. Each has its seconds in between, and those of ``later`` wait as long before the first time.

        APScheduler's defaults would drop a chore that is a second late.
        """
        for chore, every in [*at_once.items(), *later.items()]:
            self._scheduler.add_job(
                self.guarded(chore),
                "interval",
                seconds=every,
                misfire_grace_time=None,
                coalesce=True,
                max_instances=1,
                next_run_time=self._clock.now() + timedelta(seconds=0 if chore in at_once else every),
            )
        self._scheduler.start()

    def set_back(self, step: timedelta) -> None:
        """The clock on the wall was set back, and APScheduler goes by it: no chore waits for the old time."""
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=job.next_run_time - step)

    def stop(self) -> None:
        """Begin no more of them."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def guarded(self, chore: Chore) -> Chore:
        """The chore, which raises nothing."""

        def done() -> None:
            try:
                chore()
            except ChangewireError as error:
                self._log("chore_failed", str(error))
            except Exception as error:
                self._log("chore_failed", fault_of_ours(error))

        return done
