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
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_FIRST_TO_GO), encoding="ascii")
    threading.Thread(target=_end_with_daemon, args=(lifeline,), daemon=True).start()
    with suppress(EOFError, OSError):
        while pipe.poll(IDLE_S):
            job = pipe.recv()
            signal.setitimer(signal.ITIMER_REAL, job.limit_s + LATEST_S)  # ends also code that never lets go
            pipe.send(RECEIVED)
            outcome = _run(job, pipe)
            signal.setitimer(signal.ITIMER_REAL, 0)
            pipe.send(outcome)
    os._exit(0)  # whatever threads the code of actions left


def _end_with_daemon(lifeline: int) -> None:
    """End this process and all that it started as soon as the daemon is gone."""
    with suppress(OSError):
        os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)


def _run(job: Job, pipe: Connection) -> Outcome:
    lock = threading.Lock()  # the code of an action may have threads of its own

    def ask(call: Call) -> Json:
        with lock:
            pipe.send(call)
            answer: Outcome = pipe.recv()
        if answer.fault is not None:
            raise answer.fault.error()
        return answer.output

    try:
        return Outcome(_encoded(job.use, job.place.load()(context_of(job, ask), job.values)))
    except SystemExit:
        return Outcome(fault=Fault.of(RuntimeError("it called sys.exit")))
    except BaseException as error:
        return Outcome(fault=Fault.of(error))


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
