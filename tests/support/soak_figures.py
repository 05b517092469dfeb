"""What happened in a soak, for people to read."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Figures:
    """What happened, and what came of it."""

    minutes: float
    triggers: int
    kills: int = 0
    stops: int = 0
    clock_steps: int = 0
    edits: int = 0
    faults: int = 0
    changes: int = 0
    events: int = 0
    runs: int = 0
    repeated: int = 0  # steps that a kill cut off and that were done again under the same key
    charges: int = 0
    decisions: int = 0  # charges of which a person said whether they were made
    lost: int = 0
    doubled: int = 0
    charged_twice: int = 0
    stuck: int = 0
    memory: list[float] = field(default_factory=list)  # MiB, of the last process
    log_mib: float = 0.0  # the longest write-ahead log
    database_mib: float = 0.0
    lag_p99_ms: float = 0.0  # of the worst trigger

    @property
    def growth(self) -> float:
        """Memory at the end of the last process by what it was halfway."""
        half = len(self.memory) // 2
        if half < 4:
            return 1.0
        return _mean(self.memory[-half // 2 :]) / _mean(self.memory[half : half + half // 2])

    def table(self) -> str:
        """The figures for people, as Markdown."""
        rows: list[tuple[str, object]] = [
            ("minutes", f"{self.minutes:g}"),
            ("triggers", self.triggers),
            ("kills (SIGKILL)", self.kills),
            ("stops (SIGTERM)", self.stops),
            ("wall clock set", self.clock_steps),
            ("files edited", self.edits),
            ("faults of the API", self.faults),
            ("changes", self.changes),
            ("events", self.events),
            ("runs", self.runs),
            ("charges", self.charges),
            ("steps repeated under their key", self.repeated),
            ("charges that a person decided", self.decisions),
            ("events lost", self.lost),
            ("events doubled", self.doubled),
            ("charged twice", self.charged_twice),
            ("runs or triggers stuck", self.stuck),
            ("memory, MiB: median, most", f"{_median(self.memory):.0f}, {max(self.memory, default=0):.0f}"),
            ("memory at the end, by halfway", f"{self.growth:.2f}"),
            ("longest write-ahead log, MiB", f"{self.log_mib:.1f}"),
            ("database, MiB", f"{self.database_mib:.1f}"),
            ("lag p99 of the worst trigger, s", f"{self.lag_p99_ms / 1000:.1f}"),
        ]
        lines = [f"| {name} | {value} |" for name, value in rows]
        return "\n".join(["| what happened | in one run |", "| --- | ---: |", *lines])


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0
