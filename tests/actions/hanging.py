"""Code of actions that never returns, or ends in a way that takes its process along."""

from __future__ import annotations

from pathlib import Path

HANGS = {
    "sleeps": "while True: time.sleep(1)",
    "spins": "while True: pass",
    "reads": "os.read(os.pipe()[0], 1)",
    "matches": "re.match('(a+)+$', 'a' * 60 + 'b')",  # holds the interpreter lock
    "counts": "sum(range(10 ** 14))",  # likewise, and no signal handler of Python gets in
    "waits": "(lambda lock: (lock.acquire(), lock.acquire()))(threading.Lock())",
    "starts": "subprocess.run(['sleep', '1000'])",
    "ignores": "[signal.signal(n, signal.SIG_IGN) for n in (signal.SIGTERM, signal.SIGINT)]\n    time.sleep(1000)",
    "swallows": "while True:\n        try: time.sleep(1000)\n        except BaseException: pass",
    "forks": "os.fork() or os.setsid()\n    time.sleep(15)",  # a child that has left the group keeps the pipe open
}
ENDS = {
    "leaves": ("os._exit(3)", "its process ended with exit code 3"),
    "crashes": ("os.kill(os.getpid(), signal.SIGSEGV)", "its process was ended by signal 11"),
    "shuts": ("os.closerange(3, 64)\n    time.sleep(0.2)", "its process"),
    "aborts": ("os.abort()", "its process was ended by signal 6"),
}
RAISES = {
    "usage": "raise UsageError('there is nothing to read')",
    "api": "raise ApiError('no', FailureClass.PLAN, status=402, code='7', body='{}')",
    "refused": "raise CredentialError('no', 'work', 'sign in')",
    "missing": "open('/nowhere/at/all')",
    "own": "raise Own(context, 'x')",
    "own_usage": "raise OwnUsage('mine')",
    "strange": "raise ValueError(lambda: 1)",
    "unicode": "b'\\xff'.decode()",
    "exits": "raise SystemExit(3)",
    "not_plain": "return {1, 2}",
}
HEAD = """
import os, re, signal, subprocess, sys, threading, time
from pathlib import Path
from changewire.errors import ApiError, CredentialError, FailureClass, UsageError


class Own(Exception):
    def __init__(self, context, text):
        super().__init__(text)
        self.context = context


class OwnUsage(UsageError):
    pass


def quick(context, values):
    return {"pid": os.getpid(), "values": values}


def talks(context, values):
    print("this is no message")
    os.write(1, b"nor is this")
    sys.stdout.flush()
    return {"read": sys.stdin.read()}


def uses(context, values):
    from changewire.connectors.client import Request

    context.log("own_word", "I was here", count=1)
    answer = context.client.send(Request("GET", "/thing"), deadline=context.deadline)
    other = context.clients.get("site").send(Request("POST", "/note", body=b"{}"))
    return {
        "data": answer.data,
        "status": other.status,
        "key": context.idempotency_key,
        "home": str(context.home),
        "left": context.deadline - context.clock.monotonic() > 0,
    }


def downloads(context, values):
    from changewire.connectors.partial_file import Part

    part = Part(context.home / "part")
    return {"size": context.client.download(values["url"], part, deadline=context.deadline).size}


def raises_event(context, values):
    from changewire.state.records import Raised

    return {"events": list(context.feed(Raised("core.emitted", "key", {"name": "n", "key": "k", "payload": {}})))}


def stays(context, values):
    def speak():
        time.sleep(0.5)
        try:
            context.log("late_word", "I am still here")
        except RuntimeError as error:
            Path(context.home / "said").write_text(str(error))

    threading.Thread(target=speak).start()
    return {}


def short(context, values):
    Path(context.home / "begun").write_text(str(os.getpid()))
    time.sleep(1.5)
    return {"pid": os.getpid()}


def orphans(context, values):
    child = subprocess.Popen(["sleep", "1000"])
    Path(context.home / "child").write_text(str(child.pid))
    os._exit(3)
"""
EXTRA = ("quick", "talks", "raises_event", "stays", "short", "orphans")


def write_actions(home: Path, *, timeout: str = "1s", run_in: str = "process") -> None:
    """Write the actions ``core.NAME`` for all of the above into a home, and ``http.uses``."""
    (home / "actions").mkdir(parents=True, exist_ok=True)
    bodies = {**HANGS, **{name: body for name, (body, _) in ENDS.items()}, **RAISES}
    functions = "".join(f"\n\ndef {name}(context, values):\n    {body}\n" for name, body in bodies.items())
    entry = "title: T, description: D., idempotency: natural"
    entries = "".join(
        f"  {name}: {{{entry}, code: {name}, timeout: {timeout}, run_in: {run_in}}}\n" for name in (*bodies, *EXTRA)
    )
    (home / "actions" / "core.py").write_text(HEAD + functions)
    (home / "actions" / "core.yaml").write_text(f"connector: core\nactions:\n{entries}")
    (home / "actions" / "http.py").write_text(HEAD)
    (home / "actions" / "http.yaml").write_text(
        f"connector: http\nactions:\n  uses: {{{entry}, code: uses}}\n  downloads: {{{entry}, code: downloads}}\n"
    )
