"""A small pool of processes that run the code of actions, started when needed and kept for the next attempt.

It protects the daemon from code that never ends. It is no protection from code that means harm: the processes have all
the rights of the daemon.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection

from changewire.actions.processes.messages import Call, Job, Outcome
from changewire.actions.processes.worker import RECEIVED
from changewire.values import Json, loads

FREE_WITHIN_S = 30.0  # a shorter limit of the attempt counts as well
START_WITHIN_S = 60.0
TRIES = 3  # processes that an attempt is given to, while certainly none of them began it
_REAP_S, _LOOK_S = 1.0, 0.01
Serve = Callable[[Call], Outcome]
"""Does what only the daemon can do. Raises nothing."""


class OverrunError(Exception):
    """The code did not end at its limit, and was ended."""


class BusyError(Exception):
    """No process was free in time."""


class LostError(Exception):
    """A process ended before it gave an outcome. ``begun``: it may have done its work, all or in part."""

    def __init__(self, how: str, *, begun: bool) -> None:
        super().__init__(how)
        self.how, self.begun = how, begun


class ProcessPool:
    """Runs attempts in ``most`` processes at a time, which can be killed. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._places = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._busy: set[_Process] = set()
        self._closed = False

    def run(self, job: Job, grace_s: float, serve: Serve) -> Json:
        """Run an attempt and return its output, plain data.

        The process is killed ``grace_s`` seconds after the limit of the job. Raises BusyError if none was free
        within half a minute, OverrunError, LostError, or the error of the code.
        """
        if not self._places.acquire(timeout=min(max(0.0, job.limit_s), FREE_WITHIN_S)):
            raise BusyError
        try:
            outcome = self._run(job, grace_s, serve)
        finally:
            self._places.release()
        if outcome.fault is not None:
            raise outcome.fault.error()
        return loads(outcome.output)

    def _run(self, job: Job, grace_s: float, serve: Serve) -> Outcome:
        for attempt in range(TRIES):
            process = self._take()
            try:
                outcome = process.run(job, grace_s, serve)
            except LostError as error:
                if error.begun or self._closed or attempt == TRIES - 1:
                    raise
            else:
                self._put_back(process)
                return outcome
            finally:
                with self._lock:
                    self._busy.discard(process)
        raise AssertionError("the last try returns or raises")

    def _take(self) -> _Process:
        while (process := self._idle_one()) is not None:
            if process.alive():
                return process
            process.close()
        if self._closed:
            raise LostError("the daemon stops", begun=False)
        try:
            started = _Process()
        except (OSError, RuntimeError) as error:  # no memory, no descriptors, no thread
            raise LostError(str(error), begun=False) from error
        with self._lock:
            self._busy.add(started)
            closed = self._closed
        if closed:
            started.kill()
        return started

    def _idle_one(self) -> _Process | None:
        with self._lock:
            process = self._idle.pop() if self._idle else None
            if process is not None:
                self._busy.add(process)
            return process

    def _put_back(self, process: _Process) -> None:
        with self._lock:
            closed = self._closed
            if not closed:
                self._idle.append(process)
        if closed:
            process.close()

    def close(self) -> None:
        """End all processes, whatever they do."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
        for process in busy:
            process.kill()
        for process in idle:
            process.close()


class _Process:
    """One process and the pipe to it. For one attempt at a time; `kill` is safe from every thread."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs, ExitStack() as opened:
            lifeline, kept = os.pipe()  # the end that is kept closes with the daemon, however that ends
            opened.callback(os.close, lifeline)
            undo = opened.enter_context(ExitStack())
            undo.callback(os.close, kept)
            command = [sys.executable, "-P", "-m", "changewire.actions.processes.worker"]
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(lifeline)],
                stdin=subprocess.DEVNULL,
                stdout=sys.__stderr__ or subprocess.DEVNULL,  # stdout is for results
                pass_fds=(theirs.fileno(), lifeline),
                start_new_session=True,
            )
            undo.pop_all()
            self._lifeline, self._socket = kept, ours.dup()
            self._pipe = Connection(ours.detach())
        self._ending = threading.Lock()
        self._closed = False

    def run(self, job: Job, grace_s: float, serve: Serve) -> Outcome:
        """Run an attempt. Raises OverrunError or LostError; then the process is gone."""
        begun, overrun = False, threading.Event()
        try:
            with self._killed_after(START_WITHIN_S):
                self._pipe.send(job)
                begun = self._pipe.recv() == RECEIVED
            with self._killed_after(job.limit_s + grace_s, overrun):
                return self._outcome(serve)
        except Exception as error:  # a pipe that broke, or a message that cannot be read
            self._await_end()  # it is about to end, and how it does says most
            how = self.close()
            if overrun.is_set():
                raise OverrunError from error
            raise LostError(how, begun=begun) from error

    def _outcome(self, serve: Serve) -> Outcome:
        while True:
            message = self._pipe.recv()
            if isinstance(message, Outcome):
                return message
            self._pipe.send(serve(message))

    @contextmanager
    def _killed_after(self, seconds: float, mark: threading.Event | None = None) -> Iterator[None]:
        """Kill the process if what is done inside takes longer; ``mark`` is set then."""

        def end() -> None:
            if mark is not None:
                mark.set()
            self.kill()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def alive(self) -> bool:
        """Whether the process is there."""
        with self._ending:
            return not self._ended()

    def _ended(self) -> bool:
        """Whether it ended by itself. It is not reaped, so that nobody else gets its number, which is its group's."""
        if self._process.returncode is not None:
            return True
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def _await_end(self) -> None:
        end = time.monotonic() + _REAP_S
        while self.alive() and time.monotonic() < end:
            time.sleep(_LOOK_S)

    def kill(self) -> None:
        """End the process and all that it started and that stayed in its group; a thread that reads is released."""
        with self._ending:
            if self._process.returncode is None:  # not reaped: also if it ended, what it started may be there
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):  # a process that a broken disk holds ends when the disk lets go
                self._process.wait(_REAP_S)
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> str:
        """End the process and close the pipe, from the thread that uses it. Returns how the process ended."""
        self.kill()
        if not self._closed:
            self._closed = True
            self._pipe.close()
            self._socket.close()
            os.close(self._lifeline)
        code = self._process.returncode
        if code is None:
            return "its process broke off"
        return f"its process was ended by signal {-code}" if code < 0 else f"its process ended with exit code {code}"
