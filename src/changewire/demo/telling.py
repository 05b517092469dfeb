"""How the demo is told: to people in lines, to programs in JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol, TextIO

from rich.console import Console
from rich.text import Text

from changewire.state.records import EventRecord, RunHistory
from changewire.state.views import VERSION, event_view, run_view
from changewire.values import Json, dumps_text

MOST_CHANGES = 4  # lines for one event
WIDEST = 48  # characters of a value
GO_ON = """\
Now with your own account, by a Server-to-Server OAuth app (https://marketplace.zoom.us/develop/create):
  export ZOOM_ACCOUNT_ID=… ZOOM_CLIENT_ID=… ZOOM_CLIENT_SECRET=… ZOOM_USER=you@example.com
  changewire run        (from a checkout: .venv/bin/changewire run; what it does stands in config/workflows/)
"""


@dataclass(frozen=True)
class Summary:
    """The figures at the end."""

    polls: int
    events: int
    runs: int
    unfinished: int  # runs that did not succeed, or never began
    requests: int  # that the stand-in answered
    lost: int
    doubled: int
    noise: int  # events that should not have been
    seconds: float
    complaints: Sequence[str]  # one for each thing that is wrong

    @property
    def well(self) -> bool:
        """Whether everything was noticed exactly once, nothing else fired, and all runs succeeded."""
        return not (self.lost or self.doubled or self.noise or self.unfinished)


class Teller(Protocol):
    """Tells what happens while it happens."""

    def begin(self, url: str, triggers: int) -> None:
        """The stand-in listens at ``url``; ``triggers`` watch it."""

    def scene(self, title: str) -> None:
        """Something happens at Zoom."""

    def event(self, event: EventRecord, history: RunHistory) -> None:
        """A change was noticed, and its run is over."""

    def quiet(self, polls: int, fired: int, failures: Sequence[str]) -> None:
        """A scene of noise is over: after so many polls, so many events, and the polls that failed in words."""

    def end(self, summary: Summary) -> None:
        """All is over."""


class JsonTeller:
    """One object a line: each event as in ``events --json`` with its run as in ``runs --json``, then the summary."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def begin(self, url: str, triggers: int) -> None:
        """Nothing."""

    def scene(self, title: str) -> None:
        """Nothing."""

    def event(self, event: EventRecord, history: RunHistory) -> None:
        """One line."""
        self._line({**event_view(event), "workflow": event.workflow, "run": run_view(history)})

    def quiet(self, polls: int, fired: int, failures: Sequence[str]) -> None:
        """Nothing."""

    def end(self, summary: Summary) -> None:
        """The last line."""
        self._line({"v": VERSION, "summary": asdict(summary)})

    def _line(self, data: Json) -> None:
        self._stream.write(f"{dumps_text(data)}\n")
        self._stream.flush()


class TextTeller:
    """Lines for people; in colour on a terminal only."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False, soft_wrap=True)

    def begin(self, url: str, triggers: int) -> None:
        """What is to be seen."""
        self._say(f"{triggers} workflows watch a stand-in for Zoom at {url}. No account is needed.\n")
        self._say("The first look is silent: it only remembers what is there.\n", "dim")

    def scene(self, title: str) -> None:
        """A heading."""
        self._say(f"\n{title}.", "bold")

    def event(self, event: EventRecord, history: RunHistory) -> None:
        """What was noticed, what ran, and what changed."""
        line = Text("  ")
        line.append(f"{event.type}  ", "cyan").append(event.event_type, "bold green")
        line.append(f"  ran {event.workflow!r}: {history.run.state}")
        self._console.print(line)
        for change in event.changes[:MOST_CHANGES]:
            self._say(f"      {change_line(change)}\n", "yellow")
        if len(event.changes) > MOST_CHANGES:
            self._say(f"      and {len(event.changes) - MOST_CHANGES} more\n", "yellow")
        for attempt in history.attempts:
            self._say(
                f"      {_outcome(attempt.output)}\n" if attempt.error is None else f"      {attempt.error}\n", "dim"
            )

    def quiet(self, polls: int, fired: int, failures: Sequence[str]) -> None:
        """That nothing fired, and which polls failed without any harm."""
        for failure in failures:
            self._say(f"  a poll failed and changed nothing: {failure}\n", "dim")
        self._say(f"  {polls} polls looked: {'nothing fired' if not fired else f'{fired} fired'}\n")

    def end(self, summary: Summary) -> None:
        """The figures, and how to go on."""
        self._say(
            f"\n{summary.polls} polls, {summary.requests} requests, {summary.events} events, {summary.runs} runs "
            f"in {summary.seconds:.0f} seconds\n"
            f"lost {summary.lost}, doubled {summary.doubled}, fired by noise {summary.noise}\n",
            "bold green" if summary.well else "bold red",
        )
        for complaint in summary.complaints:
            self._say(f"  {complaint}\n", "red")
        self._say(f"\n{GO_ON}")

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style), end="" if text.endswith("\n") else "\n")


def change_line(change: Mapping[str, Json]) -> str:
    """A change in one line: ``topic: Weekly → Monthly``."""
    path, old, new = change["path"], change["old"], change["new"]
    if old is None and isinstance(new, dict):
        return f"{path}: new"
    if new is None and isinstance(old, dict):
        return f"{path}: gone"
    return f"{path}: {_shown(old)} → {_shown(new)}"


def _shown(value: Json) -> str:
    text = value if isinstance(value, str) and value else dumps_text(value)
    text = " ".join(text.split())
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def _outcome(output: Json) -> str:
    """What a step says about itself: the line that it logged, or the file that it wrote."""
    if isinstance(output, dict) and "path" in output:
        return f"→ {output['path']}, {output['size']} bytes"
    return f"→ {output['message']}" if isinstance(output, dict) and "message" in output else f"→ {_shown(output)}"
