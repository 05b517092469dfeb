"""Run as a program: a process that runs the code of actions, one attempt after the other, until the daemon is gone.

Arguments: the descriptors of its pipe to the daemon, and of one that ends with the daemon.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from changewire.actions.processes.messages import Call, Fault, Job, Outcome
from changewire.actions.processes.remote import context_of
from changewire.errors import OutputError
from changewire.values import Json, dumps

IDLE_S = 300.0  # a process with nothing to do ends after this
LATEST_S = (
    10.0  # beyond the limit of an attempt: by then the daemon has ended this process, unless it was killed itself
)
RECEIVED = "received"
MOST_OUTPUT = 64 << 20  # bytes of JSON; far fewer are kept of a step
_FIRST_TO_GO = 500  # where memory runs out, this process is ended before the daemon


def main() -> None:
    """Work until the pipe ends, or nothing comes for a while."""
    pipe, lifeline = Connection(int(sys.argv[1])), int(sys.argv[2])
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _leave_signals_to_daemon()
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_FIRST_TO_GO), encoding="ascii")
    threading.Thread(target=_end_with_daemon, args=(lifeline,), daemon=True).start()
    with suppress(EOFError, OSError):
        while pipe.poll(IDLE_S):
            job = pipe.recv()
            signal.setitimer(signal.ITIMER_REAL, job.limit_s + LATEST_S)  # ends also code that never lets go
            pipe.send(RECEIVED)
            outcome = _run(job, _Asking(pipe))
            signal.setitimer(signal.ITIMER_REAL, 0)
            pipe.send(outcome)
    os._exit(0)  # whatever threads the code of actions left


def _leave_signals_to_daemon() -> None:
    """Go on after signals that end the daemon: a service manager sends them to all processes of a service, and the
    daemon still waits for what is under way. For children they mean what they always do."""
    own = os.getpid()

    def handle(number: int, _: object) -> None:
        if os.getpid() != own:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, handle)


def _end_with_daemon(lifeline: int) -> None:
    """End this process and all that it started as soon as the daemon is gone."""
    with suppress(OSError):
        os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)


class _Asking:
    """What the code of one attempt, which may have threads of its own, asks of the daemon."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._over = False

    def __call__(self, call: Call) -> Json:
        """Return what the daemon answers. Raises the error of the call, and RuntimeError after `end`."""
        with self._lock:
            if self._over:
                raise RuntimeError("the attempt of this thread is over")
            self._pipe.send(call)
            answer: Outcome = self._pipe.recv()
        if answer.fault is not None:
            raise answer.fault.error()
        return answer.output

    def end(self) -> None:
        """Keep threads that the code left behind from speaking in the name of the next attempt."""
        with self._lock:
            self._over = True


def _run(job: Job, ask: _Asking) -> Outcome:
    try:
        return Outcome(_encoded(job.use, job.place.load()(context_of(job, ask), job.values)))
    except SystemExit:
        return Outcome(fault=Fault.of(RuntimeError("it called sys.exit")))
    except BaseException as error:
        return Outcome(fault=Fault.of(error))
    finally:
        ask.end()


def _encoded(use: str, output: Json) -> bytes:
    """The output as JSON. Raises OutputError if it is not plain data."""
    try:
        encoded = dumps(output)
    except TypeError as error:
        raise OutputError(f"{use} gave something that is not plain data: {error}") from error
    if len(encoded) > MOST_OUTPUT:
        raise OutputError(f"the output of {use} is {len(encoded)} bytes, more than {MOST_OUTPUT}: return less")
    return encoded


if __name__ == "__main__":
    main()
