"""What the engine adds to a step: the time between one action's call and the next, beside plain calls of the same."""

from __future__ import annotations

import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from bench.stored import fill
from bench.workers import CLOCK, Figures, one, running
from changewire.actions.context import ActionContext
from changewire.config.settings import Settings
from changewire.triggers.schedule import percentile
from changewire.values import Json

IN_A_RUN = 20  # steps
DIRECT = 20_000  # calls
KINDS = ("mark", "think")  # actions of the bench: one that has an effect, and one that has none
_TRIGGER = "trigger: {type: http.document_changed, every: 1h, with: {path: /any}}\n"
_ACTIONS = """connector: core
actions:
  mark:
    title: Mark
    description: Tells that it was called, as something that happened outside.
    parameters: {run: {required: true}}
    code: tell
    idempotency: natural
  think:
    title: Think
    description: Tells that it was called, and does nothing.
    parameters: {run: {required: true}}
    code: tell
    idempotency: pure
"""
_CODE = """def tell(context, values):
    context.log("bench", values["run"])
    return {"run": values["run"]}
"""


def make_steps_home(home: Path) -> None:
    """A home with a workflow of twenty steps of either kind, and room for one run at a time."""
    (home / "config" / "workflows").mkdir(parents=True)
    (home / "actions").mkdir()
    (home / "actions" / "core.yaml").write_text(_ACTIONS, encoding="utf-8")
    (home / "actions" / "core.py").write_text(_CODE, encoding="utf-8")
    (home / "config" / "changewire.yaml").write_text("workers: {runs: 1}\n", encoding="utf-8")
    for kind in KINDS:
        step = f'  - {{use: core.{kind}, with: {{run: "{kind} {{{{ run.id }}}}"}}}}\n'
        text = f"name: {kind}\n{_TRIGGER}steps:\n{step * IN_A_RUN}"
        (home / "config" / "workflows" / f"{kind}.yaml").write_text(text, encoding="utf-8")


def steps(home: str, runs: int) -> Figures:
    """Do so many runs of twenty steps one after the other, and call the same function as often by itself."""
    path, told = Path(home), Told()
    fill(home, runs, due=True)
    with running(path, log=told) as (daemon, database):
        began, cpu = time.monotonic(), time.process_time()
        while one(database, "SELECT count(*) FROM runs WHERE state IN ('pending', 'running')"):
            time.sleep(0.02)
        elapsed, used = time.monotonic() - began, time.process_time() - cpu
        run = daemon.home.catalog.actions["core.mark"].run
        assert run is not None
        figures = {"steps_per_s": runs * IN_A_RUN / elapsed, "cpu_ms": used / (runs * IN_A_RUN) * 1000}
        context = ActionContext(path, None, daemon._clients, CLOCK, 0.0, "key", Told(), Settings())
        direct = []
        for _ in range(DIRECT):
            start = time.perf_counter()
            run(context, {"run": "mark direct"})
            direct.append((time.perf_counter() - start) * 1000)
    figures |= {"direct_p50_us": percentile(direct, 0.5) * 1000, "direct_p99_us": percentile(direct, 0.99) * 1000}
    for kind in KINDS:
        gaps = told.gaps(kind)
        figures |= {f"{kind}_p50_ms": percentile(gaps, 0.5), f"{kind}_p99_ms": percentile(gaps, 0.99)}
    return figures


class Told:
    """A log that keeps when each step of a run was called."""

    def __init__(self) -> None:
        self._calls: defaultdict[str, list[float]] = defaultdict(list)

    def __call__(self, event: str, message: str, /, **facts: Json) -> None:
        """Note a call; other things go unheard."""
        if event == "bench":
            self._calls[message].append(time.perf_counter())

    def gaps(self, kind: str) -> list[float]:
        """Milliseconds between each call and the next of the same run."""
        found = [calls for message, calls in self._calls.items() if message.startswith(kind)]
        return [(after - before) * 1000 for calls in found for before, after in pairwise(calls)]
