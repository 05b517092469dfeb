"""``python -m bench``: measure, print a table, or with ``--json`` one object. Ratios count, figures are the machine's.

Everything is on 127.0.0.1 and takes less than eight minutes. What is compared is measured by turns in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.homes import make_home, point, serve
from bench.loops import LOOPS, make_loop_home
from bench.steps import make_steps_home
from changewire.config.settings import Settings

THREADS = Settings().workers.polls  # of the plain loop: as many as the engine has
SIZE = 20_000  # bytes of a document
SATURATED = (100, 20)  # workflows and triggers in each: more polls are due than can be done
CROWD = (2_000, 5)
PARTS = ("starting", "load", "saturated", "watched", "latency", "steps", "loops", "crowd", "runs", "memory")
WORKERS_END_WITHIN_S = 150.0
Figures = dict[str, Any]


def main() -> int:
    """Run what was asked for; 1 where a figure is worse than promised."""
    options = _options()
    figures: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory(prefix="changewire-bench-") as folder, _serving() as server:
        bench = Bench(Path(folder), server, quick=options.quick)
        for name in options.only or PARTS:
            print(f"measuring: {name}", file=sys.stderr)
            figures[name] = getattr(bench, name)()
    if options.json:
        print(json.dumps({"v": 1, **figures}))
    else:
        _show(figures)
    if os.getloadavg()[0] > 2 * (os.cpu_count() or 1):
        print("this machine is busy with other things, which slows down most what waits for its disk", file=sys.stderr)
    broken = _broken(figures)
    for words in broken:
        print(f"not as promised: {words}", file=sys.stderr)
    return 1 if broken else 0


class Bench:
    """Each measurement is a method; it works in ``folder`` and against the server at ``server``."""

    def __init__(self, folder: Path, server: str, *, quick: bool) -> None:
        self._folder, self._server, self._quick = folder, server, quick

    def starting(self) -> Figures:
        """How long commands take from nothing to their end, in a home of three workflows."""
        return _work("starting", home=str(self._home("starting", 3, 1, "60s", "1000/0")))

    def load(self) -> Figures:
        """How long it takes to read and check 2,000 workflows."""
        home = self._home("load", 2_000, 1, "60s", "1000/0")
        return _work("load", home=str(home))

    def saturated(self) -> Figures:
        """Polls per second of an engine that never catches up, beside a plain loop of requests."""
        rounds, seconds = (1, 2.0) if self._quick else (3, 4.0)
        home = self._home("saturated", *SATURATED, "1s", f"{SIZE}/0")
        _work("saturated", home=str(home), seconds=0.5, warm_up=0.0)  # the first polls: baselines
        plain, engine, changing, single = [], [], [], []
        for _ in range(rounds):
            plain.append(self._plain(THREADS, seconds))
            engine.append(self._saturated(home, "0", seconds))
        for _ in range(rounds - 1 or 1):
            plain.append(self._plain(THREADS, seconds))
            changing.append(self._saturated(home, "50", seconds))
        all_changed = self._saturated(home, "1", seconds)
        for _ in range(rounds - 1 or 1):
            single.append(self._plain(1, seconds / 2))
        return _compared(plain, single, engine, changing, all_changed)

    def watched(self) -> Figures:
        """What polls cost while somebody reads all figures once a second, beside a daemon that nobody asks."""
        home = self._home("watched", *SATURATED, "1s", f"{SIZE}/0")
        _work("saturated", home=str(home), seconds=0.5, warm_up=0.0)
        alone: list[Figures] = []
        asked: list[Figures] = []
        for _ in range(1 if self._quick else 3):
            for at_all, found in ((False, alone), (True, asked)):
                serve(home, at_all=at_all)
                found.append(_work("saturated", home=str(home), seconds=4.0, warm_up=1.0))
        one, other = _median(alone), _median(asked)
        ratio = other["cpu_ms"] / one["cpu_ms"]
        return {"cpu_ratio": ratio, "scrape_ms": other["scrape_ms"], "rate_ratio": other["per_s"] / one["per_s"]}

    def latency(self) -> Figures:
        """How long a stored event waits for the first step of its run."""
        home = self._home("latency", 50, 6, "1s", "2000/10")
        return _work("latency", home=str(home), seconds=3.0 if self._quick else 8.0)

    def steps(self) -> Figures:
        """What the engine adds to each step of a run, beside plain calls of the same function."""
        home = self._folder / "steps"
        make_steps_home(home)
        point(home, f"{self._server}/1000/0")
        return _work("steps", home=str(home), runs=40 if self._quick else 200)

    def loops(self) -> Figures:
        """What a run of 2,000 iterations with waits costs at its end, beside its beginning."""
        figures: Figures = {}
        times = 500 if self._quick else 2_000
        for kind in LOOPS:
            home = self._folder / f"loop-{kind}"
            make_loop_home(home, kind, times)
            point(home, f"{self._server}/1000/0")
            found = _work("loop", home=str(home))
            figures |= {f"{kind}_{name}": value for name, value in found.items()}
            figures[f"{kind}_ratio"] = found["last_ms"] / found["first_ms"]
        return {"times": times, **figures}

    def crowd(self) -> Figures:
        """10,000 triggers that are polled every minute, from a cold start."""
        home = self._home("crowd", *CROWD, "60s", "1000/0")
        return _work("crowd", home=str(home), seconds=20.0 if self._quick else 67.0, steady=15.0)

    def runs(self) -> Figures:
        """What 100,000 stored runs cost: commands, the daemon's beginning, pruning."""
        home, runs = self._home("runs", 200, 1, "60s", "1000/0"), 10_000 if self._quick else 100_000
        filled = _work("fill", home=str(home), runs=runs)
        empty = self._home("no-runs", 200, 1, "60s", "1000/0")
        figures = _work("stored", home=str(home), empty=str(empty))
        figures["status_ratio"] = figures["status_cpu_s"] / figures["status_of_none_cpu_s"]
        return {"runs": runs, "filled_s": filled["seconds"], "database_mib": filled["mib"], **figures}

    def memory(self) -> Figures:
        """What a daemon has in memory while it does 50,000 short runs."""
        home = self._home("memory", 20, 1, "60s", "1000/0")
        _work("fill", home=str(home), runs=5_000 if self._quick else 50_000, due=True)
        return _work("memory", home=str(home), seconds=WORKERS_END_WITHIN_S - 15)

    def _home(self, name: str, workflows: int, triggers: int, every: str, documents: str) -> Path:
        home = self._folder / name
        make_home(home, workflows, triggers, every)
        point(home, f"{self._server}/{documents}")
        return home

    def _plain(self, threads: int, seconds: float) -> Figures:
        names = SATURATED[0] * SATURATED[1]
        return _work("plain", base_url=f"{self._server}/{SIZE}/0", names=names, threads=threads, seconds=seconds)

    def _saturated(self, home: Path, every: str, seconds: float) -> Figures:
        point(home, f"{self._server}/{SIZE}/{every}")
        found = _work("saturated", home=str(home), seconds=seconds, warm_up=1.0)
        if found["failing"]:
            raise SystemExit(f"{found['failing']:.0f} triggers failed: the figures mean nothing")
        return found


def _compared(
    plain: list[Figures], single: list[Figures], engine: list[Figures], changing: list[Figures], all_changed: Figures
) -> Figures:
    base, alone = _median(plain), _median(single)
    unchanged, some = _median(engine), _median(changing)
    return {
        "plain_per_s": base["per_s"],
        "plain_cpu_ms": base["cpu_ms"],
        "single_per_s": alone["per_s"],
        "single_cpu_ms": alone["cpu_ms"],
        "unchanged_per_s": unchanged["per_s"],
        "unchanged_cpu_ms": unchanged["cpu_ms"],
        "unchanged_behind_s": unchanged["behind_s"],
        "unchanged_ratio": unchanged["per_s"] / base["per_s"],
        "unchanged_cpu_ratio": base["cpu_ms"] / unchanged["cpu_ms"],
        "unchanged_ratio_to_1": unchanged["per_s"] / alone["per_s"],
        "changed_2_percent_per_s": some["per_s"],
        "changed_2_percent_events": some["events"],
        "changed_2_percent_ratio": some["per_s"] / base["per_s"],
        "changed_all_per_s": all_changed["per_s"],
        "changed_all_events": all_changed["events"],
        "changed_all_ratio": all_changed["per_s"] / base["per_s"],
        "changed_all_cpu_ms": all_changed["cpu_ms"],
        "changed_all_cpu_ratio": base["cpu_ms"] / all_changed["cpu_ms"],
    }


def _median(rounds: list[Figures]) -> Figures:
    return {name: median(each[name] for each in rounds) for name in rounds[0]}


_ROWS = (
    ("an interpreter that does nothing", "starting.nothing_s", "{:.3f} s", ""),
    *(
        row
        for name, words, promised in (
            ("version", "changewire --version", ""),
            ("help", "changewire --help", ""),
            ("completion", "completion of an action's name", "< 0.3 s"),
            ("runs", "changewire runs", ""),
            ("status", "changewire status", "< 0.6 s"),
            ("validate", "changewire validate", ""),
            ("catalog", "changewire catalog", ""),
        )
        for row in (
            (words, f"starting.{name}_s", "{:.2f} s", promised),
            ("  ÷ nothing, by processor time", f"starting.{name}_ratio", "{:.0f}", ""),
        )
    ),
    ("2,000 workflows read and checked", "load.seconds", "{:.2f} s", "< 3 s"),
    (f"plain loop of requests, {THREADS} threads, 20 KB", "saturated.plain_per_s", "{:.0f}/s", ""),
    ("  its processor time for each", "saturated.plain_cpu_ms", "{:.2f} ms", ""),
    ("plain loop of requests, 1 thread", "saturated.single_per_s", "{:.0f}/s", ""),
    ("polls of what is unchanged, whole engine", "saturated.unchanged_per_s", "{:.0f}/s", ""),
    ("  processor time of one", "saturated.unchanged_cpu_ms", "{:.2f} ms", ""),
    (f"  ÷ plain loop, {THREADS} threads", "saturated.unchanged_ratio", "{:.2f}", "≥ 1.0"),
    ("  ÷ plain loop, by processor time", "saturated.unchanged_cpu_ratio", "{:.2f}", ""),
    ("  ÷ plain loop, 1 thread", "saturated.unchanged_ratio_to_1", "{:.2f}", ""),
    ("polls, 2 % changed (with their runs)", "saturated.changed_2_percent_per_s", "{:.0f}/s", ""),
    (f"  ÷ plain loop, {THREADS} threads", "saturated.changed_2_percent_ratio", "{:.2f}", ""),
    ("polls, all changed (with their runs)", "saturated.changed_all_per_s", "{:.0f}/s", ""),
    ("  processor time of one", "saturated.changed_all_cpu_ms", "{:.2f} ms", ""),
    (f"  ÷ plain loop, {THREADS} threads", "saturated.changed_all_ratio", "{:.2f}", ""),
    ("  ÷ plain loop, by processor time", "saturated.changed_all_cpu_ratio", "{:.2f}", ""),
    ("polls while all figures are read once a second", "watched.rate_ratio", "{:.2f}", ""),
    ("  processor time of one ÷ while nobody asks", "watched.cpu_ratio", "{:.2f}", ""),
    ("  an answer of /metrics for 2,000 late triggers", "watched.scrape_ms", "{:.0f} ms", ""),
    ("event stored → first action called, median", "latency.p50_ms", "{:.1f} ms", ""),
    ("  99th percentile", "latency.p99_ms", "{:.1f} ms", ""),
    ("an action called by itself, median", "steps.direct_p50_us", "{:.1f} µs", ""),
    ("  between two steps that do something, median", "steps.mark_p50_ms", "{:.2f} ms", ""),
    ("  99th percentile", "steps.mark_p99_ms", "{:.2f} ms", ""),
    ("  between two steps that only think, median", "steps.think_p50_ms", "{:.2f} ms", ""),
    ("  99th percentile", "steps.think_p99_ms", "{:.2f} ms", ""),
    ("  processor time of a step", "steps.cpu_ms", "{:.2f} ms", ""),
    ("a run with iterations that wait", "loops.times", "{:,.0f}", ""),
    ("  processor time of it all: repeat", "loops.repeat_cpu_s", "{:.1f} s", ""),
    ("    its last wake-ups ÷ its first", "loops.repeat_ratio", "{:.2f}", "< 1.5"),
    ("  for_each: its last ÷ its first", "loops.for_each_ratio", "{:.2f}", "< 1.5"),
    ("  max_parallel: its last ÷ its first", "loops.parallel_ratio", "{:.2f}", "< 1.5"),
    ("10,000 triggers every 60 s: ready after", "crowd.start_s", "{:.1f} s", ""),
    ("  polls, first minute", "crowd.per_s", "{:.0f}/s", ""),
    ("  polls, afterwards", "crowd.steady_per_s", "{:.0f}/s", ""),
    ("  lag: median", "crowd.steady_lag_p50_ms", "{:.1f} ms", ""),
    ("  lag: 99th percentile", "crowd.steady_lag_p99_ms", "{:.1f} ms", ""),
    ("  lag: longest", "crowd.steady_lag_max_ms", "{:.1f} ms", ""),
    ("  lag: 99th percentile, first minute", "crowd.lag_p99_ms", "{:.1f} ms", ""),
    ("  share of one core", "crowd.steady_cores", "{:.2f}", ""),
    ("  memory", "crowd.rss_mib", "{:.0f} MiB", "< 250 MiB"),
    ("runs that are stored", "runs.runs", "{:,.0f}", ""),
    ("  in a database of", "runs.database_mib", "{:.0f} MiB", ""),
    ("  changewire runs", "runs.runs_s", "{:.2f} s", "< 1 s"),
    ("  changewire runs --failed", "runs.failed_s", "{:.2f} s", "< 1 s"),
    ("  changewire runs RUN", "runs.show_s", "{:.2f} s", "< 1 s"),
    ("  changewire status", "runs.status_s", "{:.2f} s", "< 1 s"),
    ("    ÷ status of a home without runs", "runs.status_ratio", "{:.2f}", ""),
    ("  changewire runs --state running: none", "runs.empty_s", "{:.2f} s", "< 1 s"),
    ("  all of them: changewire runs --json", "runs.json_s", "{:.1f} s", ""),
    ("    its memory", "runs.json_mib", "{:.0f} MiB", "< 100 MiB"),
    ("  a daemon begins in", "runs.start_s", "{:.2f} s", "< 1 s"),
    ("  pruning a day, a hundredth of them", "runs.prune_day_s", "{:.2f} s", "< 1 s"),
    ("  pruning a tenth of them", "runs.prune_tenth_s", "{:.2f} s", "< 1 s"),
    ("    others' writes meanwhile: 99th percentile", "runs.prune_tenth_wait_p99_ms", "{:.1f} ms", ""),
    ("    longest", "runs.prune_tenth_wait_max_ms", "{:.0f} ms", "< 100 ms"),
    ("  writes while nothing is pruned: 99th percentile", "runs.write_p99_ms", "{:.1f} ms", ""),
    ("    longest", "runs.write_max_ms", "{:.0f} ms", ""),
    ("short runs done one after the other", "memory.done", "{:,.0f}", ""),
    ("  runs of two steps in a second", "memory.per_s", "{:.0f}/s", ""),
    ("  processor time of one", "memory.cpu_ms", "{:.2f} ms", ""),
    *((f"  memory after {n} tenths", f"memory.rss_{n}_mib", "{:.1f} MiB", "") for n in (1, 2, 4, 6, 8, 10)),
    ("  growth with 10,000 runs", "memory.slope_mib", "{:+.2f} MiB", "< 1 MiB"),
)


def _broken(figures: dict[str, Figures]) -> list[str]:
    seconds, ratio = _find(figures, "load.seconds"), _find(figures, "saturated.unchanged_ratio")
    words = []
    if seconds is not None and seconds >= 3.0:
        words.append(f"2,000 workflows load in less than 3 seconds, it took {seconds:.1f}")
    if ratio is not None and ratio < 1.0:
        words.append(f"unchanged polls are no slower than a plain loop, the ratio is {ratio:.2f}")
    return words


def _find(figures: dict[str, Figures], name: str) -> float | None:
    part, _, figure = name.partition(".")
    return figures.get(part, {}).get(figure)


def _show(figures: dict[str, Figures]) -> None:
    table = Table("what", "figure", "promised")
    for words, name, shape, promised in _ROWS:
        value = _find(figures, name)
        if value is not None:
            table.add_row(words, shape.format(value), promised)
    Console().print(table)


def _work(name: str, **arguments: Any) -> Figures:
    """The figures of one worker, measured in a process of its own."""
    command = [sys.executable, "-m", "bench.workers", name, json.dumps(arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=WORKERS_END_WITHIN_S)
    found: Figures = json.loads(done.stdout)
    return found


@contextmanager
def _serving() -> Iterator[str]:
    command = [sys.executable, "-m", "bench.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout instead of the table")
    parser.add_argument("--quick", action="store_true", help="shorter: for trying out, not for comparing")
    parser.add_argument("only", nargs="*", help=f"{', '.join(PARTS)}; without any: all")
    arguments = parser.parse_args()
    for name in arguments.only:
        if name not in PARTS:
            parser.error(f"there is no part {name!r}: {', '.join(PARTS)}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
