"""Run as a program: carries the same run on again and again, and is killed at one write point further each time.

Arguments: a home to start from, a folder for the outcomes. Prints one line for each point: its number and name.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from itertools import count
from pathlib import Path

from changewire.actions.flow.ledger import MOST_HELD
from changewire.clock import SystemClock
from tests.actions.rig import Rig

ACTIONS = """
connector: core
actions:
  count:
    title: Count
    description: Leaves a line each time it runs.
    parameters: {step: {required: true}}
    code: count
    idempotency: natural
  charge:
    title: Charge
    description: Leaves a line each time it runs, and its answer is lost.
    code: charge
    idempotency: none
"""
CODE = """
def charge(context, values):
    with (context.home / "ran.txt").open("a") as file:
        file.write("charge\\n")
    raise TimeoutError("no answer")


def count(context, values):
    with (context.home / "ran.txt").open("a") as file:
        file.write(values["step"] + "\\n")
    return {"step": values["step"]}
"""
WORKFLOW = """
when: "{{ payload.a == 1 }}"
steps:
  - {id: a, use: core.count, with: {step: a}}
  - {id: b, use: core.write_file, with: {path: out.txt, content: "{{ steps.a.step }}\\n"}}
  - {id: c, use: core.count, with: {step: c}}
  - {id: d, use: core.write_file, with: {path: out.txt, content: "{{ steps.c.step }}\\n"}}
  - {id: e, use: core.count, with: {step: "{{ steps.b.size }}"}}
"""

FAILING = """
steps:
  - {id: a, use: core.count, with: {step: a}}
  - {id: b, use: core.count, with: {stop: b}}
on_failure:
  - {use: core.count, with: {step: h0}}
  - {use: core.count, with: {stop: "nothing of this name"}}
  - {use: core.count, with: {step: h2}}
"""

CHARGING = f"""
steps:
  - use: core.charge
on_failure:
  - {{repeat: {{times: {MOST_HELD - 2}}}, do: [{{set: {{n: 1}}}}]}}
  - {{use: core.log, with: {{message: handled}}}}
"""  # the last step of on_failure is on disk before the run's state is

BESIDE = """
steps:
  - for_each: [1, 2, 3]
    max_parallel: 3
    do: [{if: "{{ item == 2 }}", then: [{use: core.charge}], else: [{use: core.count, with: {step: "i{{ item }}"}}]}]
on_failure:
  - {use: core.count, with: {step: h0}}
  - {use: core.log, with: {message: handled}}
"""
STOPPING = """
steps:
  - {use: core.count, with: {step: a}}
  - {if: true, then: [{stop: {reason: enough, state: failed}}]}
  - {use: core.count, with: {step: never}}
on_failure:
  - {use: core.count, with: {step: h0}}
"""


def prepare(home: Path, workflow: str) -> None:
    """A home with one run to do."""
    (home / "actions").mkdir(parents=True)
    (home / "actions" / "core.yaml").write_text(ACTIONS)
    (home / "actions" / "core.py").write_text(CODE)
    rig = Rig(home, clock=SystemClock()).open()
    rig.start(workflow)
    rig.close()


def work_until(home: Path, last: int) -> None:
    """Carry the run on, and die at the write point of this number."""
    numbers = count()

    def on_write(point: str) -> None:
        if next(numbers) == last:
            os.write(1, f"{last} {point}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    rig = Rig(home, clock=SystemClock(), on_write=on_write).open()
    rig.go()
    rig.close()


def main(template: Path, folder: Path) -> None:
    """Fork a process for each point, until one comes to its end."""
    for number in count():
        home = folder / str(number)
        shutil.copytree(template, home)
        child = os.fork()
        if child == 0:
            work_until(home, number)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(os.WEXITSTATUS(status))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
