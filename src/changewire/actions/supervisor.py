"""Limits that hold for the code of actions, whatever it does: own processes are killed, threads are left behind."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from changewire.actions.processes.messages import CLIENT_METHODS, Call, Fault, Job, Outcome
from changewire.actions.processes.pool import BusyError, LostError, OverrunError, ProcessPool
from changewire.clock import to_text, wall
from changewire.durations import format_duration
from changewire.errors import ApiError, DelayedError, FailureClass, UsageError
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.actions.code import CodePlace
    from changewire.actions.context import ActionContext, Log

PROCESS_GRACE_S = 2.0  # beyond the limit, so that code which keeps to its deadline can say so itself
THREAD_GRACE_S = 15.0  # our own code keeps to its deadline, and has better words for it
BUSY_FOR = timedelta(seconds=10)  # until the next try to get a process
MOST_LOST = 32  # calls that hang in threads; no more are begun then
"""Each of them holds a thread and what it opened until the daemon ends."""


@dataclass(frozen=True)
class LostCall:
    """A call that did not return and that nothing can end but the end of the daemon."""

    use: str
    run_id: str | None  # None: it was not part of a run
    address: str
    since: datetime  # on the wall clock


class Supervisor:
    """Runs the code of actions, and ends or leaves what overruns its time. Thread-safe.

    ``processes``: how many of them run at the same time.
    """

    def __init__(self, log: Log, processes: int) -> None:
        self._log = log
        self._pool = ProcessPool(processes)
        self._lock = threading.Lock()
        self._lost: dict[threading.Thread, LostCall] = {}

    def run(
        self,
        use: str,
        code: Callable[..., Json],
        place: CodePlace | None,
        context: ActionContext,
        values: Mapping[str, Json],
    ) -> Json:
        """Run the code of the action ``use`` once and return its output: in a process if ``place`` says where it is.

        Raises ApiError (transient) if it did not end in time, else whatever the code raises.
        """
        limit_s = max(0.0, context.deadline - context.clock.monotonic())
        if place is not None:
            return self._in_process(_job(use, place, context, values, limit_s), context)
        return self._in_thread(use, partial(code, context, values), context, limit_s)

    def lost(self) -> list[LostCall]:
        """Return the calls that hang in threads, the oldest first."""
        with self._lock:
            self._lost = {thread: call for thread, call in self._lost.items() if thread.is_alive()}
            return sorted(self._lost.values(), key=lambda call: call.since)

    def close(self) -> None:
        """End all processes."""
        self._pool.close()

    # processes

    def _in_process(self, job: Job, context: ActionContext) -> Json:
        try:
            return self._pool.run(job, PROCESS_GRACE_S, partial(_serve, context))
        except BusyError:
            words = f"the code of {job.use} waits for a process: all of them are at work"
            raise DelayedError(words, context.clock.now() + BUSY_FOR) from None
        except OverrunError:
            words = f"{_overran(job.use, job.limit_s)}, so its process was ended"
            self._log("code_killed", f"{words}{_place_of(context)}", use=job.use)
            raise ApiError(f"{words}; {_ADVICE}", FailureClass.TRANSIENT) from None
        except LostError as error:
            if not error.begun:
                words = f"the code of {job.use} could not be started: {error.how}"
                raise ApiError(words, FailureClass.TRANSIENT, sent=False) from None
            words = f"the code of {job.use} broke off: {error.how}"
            self._log("code_killed", f"{words}{_place_of(context)}", use=job.use)
            raise ApiError(f"{words}; look into what it does there", FailureClass.TRANSIENT) from None

    # threads

    def _in_thread(self, use: str, code: partial[Json], context: ActionContext, limit_s: float) -> Json:
        if len(self.lost()) >= MOST_LOST:
            words = f"{MOST_LOST} calls of actions hang, so no more are begun: start the daemon again"
            raise ApiError(words, FailureClass.TRANSIENT, sent=False)
        call = _ThreadCall(code)
        if not call.ended.wait(limit_s + THREAD_GRACE_S):
            self._leave(call.thread, use, context, limit_s)
        if call.error is not None:
            raise call.error
        return call.output

    def _leave(self, thread: threading.Thread, use: str, context: ActionContext, limit_s: float) -> None:
        run_id, address = (context.origin.run_id, context.origin.address) if context.origin else (None, "")
        lost = LostCall(use, run_id, address, wall(context.clock))
        with self._lock:
            self._lost[thread] = lost
        words = f"{_overran(use, limit_s)} and cannot be ended; its thread is left behind"
        self._log("code_lost", f"{words}{_place_of(context)}", use=use)
        raise ApiError(f"{words}; {_ADVICE}", FailureClass.TRANSIENT)


class _ThreadCall:
    """A call in a thread of its own."""

    def __init__(self, code: partial[Json]) -> None:
        self._code = code
        self.ended = threading.Event()
        self.output: Json = None
        self.error: BaseException | None = None
        run = partial(contextvars.copy_context().run, self._run)
        self.thread = threading.Thread(target=run, name="changewire-code", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.output = self._code()
        except BaseException as error:
            self.error = error
        finally:
            self.ended.set()


_ADVICE = "it may have taken effect. Give the step more timeout, or the code less to do"


def _overran(use: str, limit_s: float) -> str:
    return f"the code of {use} did not end within {format_duration(timedelta(seconds=max(1, round(limit_s))))}"


def _place_of(context: ActionContext) -> str:
    """The step that an attempt is of, for a message of the log."""
    return f" (run {context.origin.run_id}, {context.origin.address})" if context.origin is not None else ""


def lost_words(call: LostCall) -> str:
    """Describe a call that hangs, and since when."""
    where = f", run {call.run_id} step {call.address}" if call.run_id is not None else ""
    return f"a call of {call.use} hangs since {to_text(call.since)} and cannot be ended{where}"


def _job(use: str, place: CodePlace, context: ActionContext, values: Mapping[str, Json], limit_s: float) -> Job:
    return Job(
        use=use,
        place=place,
        values=values,
        home=context.home,
        connection=None if context.client is None else context.client.connection,
        limit_s=limit_s,
        now=context.clock.now(),
        wall=wall(context.clock),
        idempotency_key=context.idempotency_key,
        settings=context.settings,
        written=context.written,
        environment=context.environment,
        origin=context.origin,
        look_first=context.look_first,
        feeds=context.feed is not None,
    )


def _serve(context: ActionContext, call: Call) -> Outcome:
    try:
        return Outcome(_done(context, call))
    except Exception as error:
        return Outcome(fault=Fault.of(error))


def _done(context: ActionContext, call: Call) -> Any:
    """What only the daemon can do for the code of an action."""
    if call.target == "log":
        return context.log(*call.arguments, **call.options)
    if call.target == "feed":
        return context.feed(*call.arguments) if context.feed is not None else []
    own = context.client
    client = own if own is not None and own.name == call.name else context.clients.get(call.name)
    if call.target == "connection":
        return client.connection
    if call.method not in CLIENT_METHODS:
        raise UsageError(f"a client has no {call.method!r}")
    options = dict(call.options)
    if call.method not in ("sign_in", "sign_in_mark"):
        now = context.clock.monotonic()
        options["deadline"] = context.deadline if call.left_s is None else min(context.deadline, now + call.left_s)
    return getattr(client, call.method)(*call.arguments, **options)
