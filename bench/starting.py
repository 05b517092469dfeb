"""How long commands take from nothing to their end, as multiples of an interpreter that does nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from bench.workers import Figures

ROUNDS = 7
COMMANDS = {
    "version": ["--version"],
    "help": ["--help"],
    "catalog": ["catalog"],
    "runs": ["runs"],
    "validate": ["validate"],
    "status": ["status"],
}
COMPLETED = "changewire call zoom.create_"


def starting(home: str, rounds: int = ROUNDS) -> Figures:
    """Medians of wall and processor time of each command, and their multiples of ``python -c pass``, by turns."""
    typed = {"_CHANGEWIRE_COMPLETE": "bash_complete", "COMP_WORDS": COMPLETED, "COMP_CWORD": "2"}
    program = [sys.executable, "-m", "changewire"]
    told: dict[str, tuple[list[str], Mapping[str, str]]] = {"nothing": ([sys.executable, "-c", "pass"], {})}
    told |= {name: ([*program, *words], {}) for name, words in COMMANDS.items()}
    told["completion"] = (program, typed)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in told}
    for number in range(rounds + 1):
        for name, (command, more) in told.items():
            spent = _once(command, {**os.environ, **more, "CHANGEWIRE_HOME": home})
            if number:  # the first round fills the caches
                taken[name].append(spent)
    figures: Figures = {}
    for name, all_spent in taken.items():
        wall, cpu = (median(part) for part in zip(*all_spent, strict=True))
        pairs = zip(all_spent, taken["nothing"], strict=True)
        figures |= {f"{name}_s": wall, f"{name}_cpu_s": cpu}
        figures[f"{name}_ratio"] = median(one[1] / max(nothing[1], 0.001) for one, nothing in pairs)
    return figures


def _once(command: list[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """Seconds and processor seconds."""
    environment = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.monotonic()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        process = subprocess.Popen(command, stdout=nowhere, stderr=nowhere, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1, 3):
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.monotonic() - began, used.ru_utime + used.ru_stime
