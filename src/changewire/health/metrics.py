"""Figures for Prometheus. Labels name workflows, connections and rate labels, which the files bound; never items.

What happens is counted here as it happens, since the process began. What is there is read from the store when
somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from changewire import __version__
from changewire.connectors.clients import Clients
from changewire.errors import StateError
from changewire.health.attention import judged
from changewire.health.checkup import Checkup
from changewire.state.records import Figures, PauseCause, PauseKind, RunState, TriggerRecord, TriggerState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"  # which every reader understands
POLL_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
LAG_S = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800)
KINDS = ("daemon", "files", "connection", "workflow", "trigger")
Counts: TypeAlias = dict[tuple[str, ...], float]
UNFINISHED = (RunState.PENDING, RunState.RUNNING, RunState.WAITING, RunState.PAUSED)


class Metrics:
    """The figures of one daemon, in a registry of their own. Thread-safe."""

    def __init__(self, checkup: Checkup, clients: Clients) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second line for each counter
        self._registry = registry = CollectorRegistry()
        self._polls = Counter(
            "changewire_polls", "Polls by what came of them", ("workflow", "outcome"), registry=registry
        )
        self._runs = Counter(
            "changewire_runs", "Times that a worker left a run, by the state it left it in", ("workflow", "state"),
            registry=registry,
        )  # fmt: skip
        self._steps = Counter(
            "changewire_steps", "Attempts at steps by what came of them", ("action", "state"), registry=registry
        )
        self._duration = Histogram(
            "changewire_poll_duration_seconds", "What polls took, requests and storing included", ("connection",),
            buckets=POLL_S, registry=registry,
        )  # fmt: skip
        self._poll_lag = Histogram(
            "changewire_poll_lag_seconds", "How late polls began", buckets=LAG_S, registry=registry
        )
        self._run_lag = Histogram(
            "changewire_run_lag_seconds", "How late runs were begun or gone on with", buckets=LAG_S, registry=registry
        )
        ProcessCollector(registry=registry)
        registry.register(_Present(checkup, clients))

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self._registry)

    def polled(self, workflow: str, connection: str, outcome: str, lag_s: float, took_s: float) -> None:
        """A poll came to its end."""
        self._polls.labels(workflow, outcome).inc()
        self._poll_lag.observe(lag_s)
        if outcome != "delayed":  # nothing was asked
            self._duration.labels(connection).observe(took_s)

    def ran(self, workflow: str, state: str, lag_s: float) -> None:
        """A worker left a run."""
        self._runs.labels(workflow, state).inc()
        self._run_lag.observe(lag_s)

    def tried(self, action: str, state: str) -> None:
        """An attempt at a step came to its end."""
        self._steps.labels(action, state).inc()


class _Present(Collector):
    """What is there at the moment when somebody asks."""

    def __init__(self, checkup: Checkup, clients: Clients) -> None:
        self._checkup, self._clients = checkup, clients

    def describe(self) -> Iterable[Metric]:
        """Nothing: reading before the store is open would fail."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All of it; without what is stored where the store fails, which one of them says."""
        yield _gauge("build_info", "Which version this is", {(__version__,): 1}, "version")
        yield _gauge("loop_idle_seconds", "Seconds since the loop took its last turn", {(): self._checkup.passed()})
        yield from self._budgets()
        now, suspects, stored = self._checkup.clock.now(), None, list[Metric]()
        with suppress(StateError):  # which is among what needs a person
            suspects = self._checkup.store.suspects(now)
            stored = list(self._stored(suspects, now))
        found: Counts = {(kind,): 0 for kind in KINDS}
        for each in self._checkup.attention(suspects):
            found[each.kind,] += 1
        yield _gauge("attention", "Things that need a person, as /health tells them", found, "kind")
        yield _gauge("database_up", "1 while the database can be read", {(): int(bool(stored))})
        yield from stored

    def _budgets(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "changewire_requests", "Requests to APIs that were sent", labels=("connection", "label")
        )
        limits: Counts = {}
        today: Counts = {}
        for connection, uses in self._clients.uses().items():
            for use in uses:
                requests.add_metric((connection, use.label), use.requests)
                limits |= {(connection, use.label, span): limit for span, limit in use.limits.items()}
                if "day" in use.limits:
                    today[connection, use.label] = use.today
        yield requests
        words = "Requests that plan and share allow"
        yield _gauge("budget_limit_requests", words, limits, "connection", "label", "per")
        words = "Requests of today that count for the daily limit, those of labels that share it included"
        yield _gauge("budget_today_requests", words, today, "connection", "label")

    def _stored(self, suspects: list[TriggerRecord], now: datetime) -> Iterator[Metric]:
        checkup = self._checkup
        figures = checkup.store.figures(now)
        broken = set(checkup.home().kept.values())
        yield from _triggers(figures, suspects, broken, now)
        yield from _workflows(figures, now)
        yield from _runs(figures, now)
        aside: Counts = {(workflow,): 0 for workflow in figures.workflows}
        for each in checkup.store.set_aside():
            workflow = each.trigger.rpartition("/")[0]
            aside[workflow,] = aside.get((workflow,), 0) + each.count
        yield _gauge("items_set_aside", "Items that cannot be processed", aside, "workflow")
        refused = {pause.name: pause for pause in checkup.store.pauses() if pause.kind is PauseKind.CONNECTION}
        paused: Counts = {
            (name, str(cause)): int(name in refused and refused[name].cause is cause)
            for name in checkup.home().connections
            for cause in PauseCause
        }
        yield _gauge("connection_paused", "1 while it is paused, by the cause", paused, "connection", "cause")
        stats = checkup.store.stats()
        yield _gauge("database_bytes", "Size of the database on disk", {(): stats["bytes"]})
        yield _gauge("database_writes_waiting", "Writes that wait for the database", {(): stats["waiting"]})
        yield CounterMetricFamily("changewire_database_writes", "Writes to the database", stats["units"])


def _gauge(name: str, words: str, values: Counts, *labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"changewire_{name}", words, labels=labels)
    for named, value in values.items():
        family.add_metric(named, value)
    return family


def _triggers(figures: Figures, suspects: list[TriggerRecord], broken: set[str], now: datetime) -> Iterator[Metric]:
    """Triggers by the state that `status` shows: some are stalled, and those of a file that broke are unavailable."""
    counts: Counts = {}
    for (workflow, state), count in figures.triggers.items():
        shown = str(TriggerState.UNAVAILABLE) if workflow in broken else state
        counts[workflow, shown] = counts.get((workflow, shown), 0) + count
    for record in suspects:
        shown = judged(record, now).state
        if shown is not record.state and record.workflow not in broken:
            counts[record.workflow, str(record.state)] -= 1
            counts[record.workflow, str(shown)] = counts.get((record.workflow, str(shown)), 0) + 1
    yield from _by_state("triggers", "Triggers by state", counts, TriggerState)


def _runs(figures: Figures, now: datetime) -> Iterator[Metric]:
    yield from _by_state("unfinished_runs", "Runs that are not finished by state", {**figures.runs}, UNFINISHED)
    yield _gauge("runs_due", "Runs that could be begun or gone on with and wait for it", {(): figures.runs_due})
    since = figures.runs_due_since
    age = 0.0 if since is None else (now - since).total_seconds()
    yield _gauge("runs_due_oldest_seconds", "How long the run has waited that waits longest for it", {(): age})


def _by_state(name: str, words: str, counts: Counts, states: Iterable[str]) -> Iterator[Metric]:
    """All together with every state there is, then by workflow where there are any."""
    totals: Counts = {(str(state),): 0 for state in states}
    for (_, state), count in counts.items():
        totals[state,] += count
    yield _gauge(name, words, totals, "state")
    some = {labels: count for labels, count in counts.items() if count}
    yield _gauge(f"workflow_{name}", f"{words}, where there are any", some, "workflow", "state")


def _workflows(figures: Figures, now: datetime) -> Iterator[Metric]:
    found = figures.workflows
    events = CounterMetricFamily("changewire_events", "Events that were ever stored", labels=("workflow",))
    for workflow, each in found.items():
        events.add_metric((workflow,), each.events)
    yield events
    last_ok: Counts = {(name,): each.last_ok.timestamp() for name, each in found.items() if each.last_ok is not None}
    words = "The last good poll, of the trigger for which it is the longest ago"
    yield _gauge("last_ok_timestamp_seconds", words, last_ok, "workflow")
    late: Counts = {
        (name,): max(0.0, (now - each.due_since).total_seconds())
        for name, each in found.items()
        if each.due_since is not None
    }
    yield _gauge("late_seconds", "Since when its latest poll is due; 0 where none is", late, "workflow")
    lag: Counts = {(name,): each.lag_p99_ms / 1000 for name, each in found.items() if each.lag_p99_ms is not None}
    yield _gauge("lag_p99_seconds", "How late polls began, 99 of 100 no more", lag, "workflow")
