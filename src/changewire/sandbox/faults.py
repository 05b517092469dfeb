"""Faults that the sandbox commits on demand."""

from __future__ import annotations

import itertools
import re
import threading
from dataclasses import dataclass, field
from typing import Any

from changewire.sandbox.errors import JSON, ControlError

# kind: what parameters it takes and their defaults
KINDS: dict[str, JSON] = {
    "status": {"status": 500, "code": None, "message": "Internal error.", "body": None, "headers": {}},
    "delay": {"delay_s": 1.0},
    "reset": {},
    "cut_body": {"keep": 0.5},
    "repeat_page_token": {},
    "cycle_page_tokens": {"length": 2},
    "page_shift": {"shift": -1},
    "empty_200": {"form": "object"},
    "error_200": {"code": 200, "message": "Only available for Paid account."},
    "html_200": {"body": "<!DOCTYPE html><html><body>Enter the passcode</body></html>"},
    "huge_body": {"size": 50_000_000},
    "bad_json": {},
    "dead_page_token": {},
    "rate_second": {"label": None},
    "rate_day": {"label": None, "retry_after_s": None},
    "expire_tokens": {},
}
_NEED_TOKEN = ("dead_page_token", "page_shift")


@dataclass
class Fault:
    """A rule: requests that match ``pattern``, from the one after ``after``, ``times`` of them.

    ``times`` None means for ever. ``tokens`` remembers what a page-token cycle is made of.
    """

    id: int
    pattern: re.Pattern[str]
    kind: str
    times: int | None
    after: int
    params: JSON
    seen: int = 0
    fired: int = 0
    tokens: list[str] = field(default_factory=list)

    def as_dict(self) -> JSON:
        """Return the rule with its counters."""
        return {
            "id": self.id, "match": self.pattern.pattern, "kind": self.kind, "times": self.times,
            "after": self.after, "seen": self.seen, "fired": self.fired, **self.params,
        }  # fmt: skip

    def next_token(self, natural: str, sent: str) -> str:
        """Return the page token to give instead of the ``natural`` one."""
        if self.kind == "repeat_page_token":
            return sent or natural
        if natural and len(self.tokens) < self.params["length"] and natural not in self.tokens:
            self.tokens.append(natural)
            return natural
        if not self.tokens:
            return natural
        place = self.tokens.index(sent) + 1 if sent in self.tokens else 0
        return self.tokens[place % len(self.tokens)]


class FaultBoard:
    """The rules in force, tried in the order they were added; the first that fires wins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._rules: list[Fault] = []

    def add(self, rule: JSON) -> Fault:
        """Add a rule or raise ControlError."""
        params = dict(rule)
        kind, match = str(params.pop("kind", "")), str(params.pop("match", ""))
        times, after = params.pop("times", None), params.pop("after", 0)
        if kind not in KINDS:
            raise ControlError(f"no fault kind {kind!r}", known={k: list(v) for k, v in KINDS.items()})
        if strange := set(params) - set(KINDS[kind]):
            raise ControlError(f"{kind} does not take {sorted(strange)}", takes=list(KINDS[kind]))
        if not (times is None or isinstance(times, int)) or not isinstance(after, int):
            raise ControlError("times must be a number or null, after a number")
        try:
            pattern = re.compile(match)
        except re.error as error:
            raise ControlError(f"match is no regular expression: {error}") from error
        fault = Fault(next(self._ids), pattern, kind, times, after, KINDS[kind] | params)
        with self._lock:
            self._rules.append(fault)
        return fault

    def pick(self, line: str) -> Fault | None:
        """Return the rule that fires for ``METHOD /path?query``, None for a healthy answer."""
        with self._lock:
            return next((rule for rule in self._rules if _fires(rule, line)), None)

    def clear(self) -> int:
        """Remove all rules; returns how many."""
        with self._lock:
            count = len(self._rules)
            self._rules.clear()
            return count

    def listing(self) -> list[dict[str, Any]]:
        """Return all rules with their counters."""
        with self._lock:
            return [rule.as_dict() for rule in self._rules]


def _fires(rule: Fault, line: str) -> bool:
    if rule.pattern.search(line) is None or (rule.kind in _NEED_TOKEN and "next_page_token=" not in line):
        return False
    rule.seen += 1
    if rule.seen <= rule.after or (rule.times is not None and rule.fired >= rule.times):
        return False
    rule.fired += 1
    return True
