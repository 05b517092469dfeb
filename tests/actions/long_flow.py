"""Run as a program: one long workflow, carried on by processes that are killed again and again until it is done.

Arguments: a home, the address of a server, how to kill (``random`` or ``writes``), a seed, how often at most. Prints
one line for each process that was killed: where, or nothing for a random moment.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from datetime import timedelta
from itertools import count
from pathlib import Path

from changewire.clock import SystemClock
from changewire.state.records import RunState
from tests.actions.rig import Rig, connection
from tests.actions.table import workflow_file, write_actions

LONGEST_LIFE_S = 0.25
LEASE = timedelta(minutes=2)
OPENING = 14  # write points before the first step
SUB = """
trigger: {type: zoom.x}
steps:
  - {id: one, use: http.hit, with: {path: "sub-{{ payload.n }}"}}
  - {wait: 0.01}
  - {use: http.hit, with: {path: "sub-{{ steps.one.path }}"}}
"""
WORKFLOW = """
trigger: {type: zoom.x}
steps:
  - {id: first, use: http.hit, with: {path: "flaky-first"}}
  - {set: {sum: 0, name: "{{ steps.first.path }}"}}
  - if: "{{ payload.n == 50 }}"
    then:
      - {use: http.hit, with: {path: "then-{{ name }}"}}
      - choose:
          - {when: "{{ sum > 0 }}", do: [{use: http.hit, with: {path: never}}]}
          - {when: "{{ sum == 0 }}", do: [{use: http.hit, with: {path: chosen}}, {wait: 0.01}]}
    else: [{use: http.hit, with: {path: never}}]
  - id: loop
    for_each: "{{ range(payload.n) | list }}"
    as: n
    do:
      - {set: {sum: "{{ sum + n }}"}}
      - use: http.hit
        with: {path: "{{ 'flaky-' if n % 10 == 3 else '' }}item-{{ n }}"}
        RETRY
      - {if: "{{ n % 25 == 7 }}", then: [{wait: 0.02}, {use: http.hit, with: {path: "slow-{{ n }}"}}]}
  - {wait: 0.03}
  - {use: http.hit, with: {path: "sum-{{ sum }}-{{ steps.loop.count }}"}}
  - {repeat: {times: 3}, do: [{use: http.hit, with: {path: "time-{{ loop.index }}"}}]}
  - id: side
    for_each: [a, b, c, d, e, f]
    max_parallel: 3
    do:
      - {use: http.hit, with: {path: "side-{{ item }}"}}
      - {wait: 0.01}
      - {use: http.hit, with: {path: "back-{{ item }}"}}
  - {set: {left: 3}}
  - repeat: {while: "{{ left > 0 }}"}
    do: [{set: {left: "{{ left - 1 }}"}}, {use: http.hit, with: {path: "left-{{ left }}"}}]
  - {id: called, call: sub, with: {n: "{{ sum }}"}}
  - use: http.hit
    RETRY
    with: {path: "end-{{ steps.called.output.path }}-{{ steps.side.results | map(attribute='path') | join('.') }}"}
"""
RETRY = "retry: {attempts: 100, delay: 0.01, backoff: constant}"  # a kill in flight counts as an attempt
SUB, WORKFLOW = (
    text.replace("{use: http.hit,", "{use: http.hit, RETRY,").replace("RETRY", RETRY) for text in (SUB, WORKFLOW)
)


def make(home: Path, url: str, on_write: object = None) -> Rig:
    rig = Rig(
        home,
        connection("site", url, "http", allow_private=True),
        clock=SystemClock(),
        on_write=on_write,  # type: ignore[arg-type]
    )
    rig.workflows["sub"] = workflow_file("sub", SUB)
    return rig.open()


def prepare(home: Path, url: str, items: int = 50) -> None:
    """A home with one run to do."""
    write_actions(home)
    rig = make(home, url)
    rig.start(WORKFLOW, {"n": items})
    rig.close()


def finish(rig: Rig) -> RunState:
    """Carry the run on whenever it is due, until it is done."""
    while True:
        run = rig.store.load_run("r1")[0]
        if run.state.finished or run.state is RunState.PAUSED:
            return run.state
        if run.due_at is not None:
            time.sleep(max(0.0, (run.due_at - rig.clock.now()).total_seconds()))
        for claimed in rig.store.claim_runs(rig.clock.now(), 1, LEASE):
            rig.runner().advance(claimed.id, claimed.claim)


def live(home: Path, url: str, last: int | None) -> None:
    """One process's life; ``last`` None, or the number of the write point to die at."""
    numbers = count()

    def on_write(point: str) -> None:
        if next(numbers) == last:
            os.write(1, f"{point}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    rig = make(home, url, None if last is None else on_write)
    finish(rig)
    rig.close()


def _write_point(number: int, seed: int) -> int:
    """First those of opening and claiming; after that far enough on for every process to finish some step."""
    return number if number < OPENING else OPENING + 20 + (seed + number) % 120


def main(home: Path, url: str, how: str, seed: int, kills: int) -> None:
    """Fork processes until one comes to its end; after so many kills they are let alone."""
    chance = random.Random(seed)
    for number in count():
        spared = number >= kills
        last = None if spared or how == "random" else _write_point(number, seed)
        child = os.fork()
        if child == 0:
            live(home, url, last)
            os._exit(0)
        if how == "random" and not spared:
            time.sleep(chance.uniform(0.0, LONGEST_LIFE_S))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(os.WEXITSTATUS(status))
        if last is None:
            os.write(1, b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
