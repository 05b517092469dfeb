"""Random nested workflows, and the plainest interpreter of them that there can be: no rows, no clock, no restarts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

Scope = dict[str, Any]
Step = dict[str, Any]


class Stop(Exception):
    """A ``stop`` was reached."""


class Pause(Exception):
    """A step failed."""


def condition() -> st.SearchStrategy[str]:
    """Conditions over what is always in scope."""
    number = st.integers(0, 6)
    return st.one_of(
        number.map(lambda n: f"{{{{ x > {n} }}}}"),
        number.map(lambda n: f"{{{{ x % 3 == {n % 3} }}}}"),
        number.map(lambda n: f"{{{{ payload.n == {n} }}}}"),
        st.sampled_from(["{{ true }}", "{{ false }}"]),
    )


def holds(text: str, scope: Scope) -> bool:
    """What a condition of `condition` says; Python and Jinja agree on these."""
    words = text.strip("{ }").replace("payload.n", "n").replace("true", "True").replace("false", "False")
    return bool(eval(words, {"x": scope["x"], "n": scope["n"]}))


def leaf() -> st.SearchStrategy[Step]:
    """Steps without steps inside."""
    said = "{{ x }}-{{ item | default('') }}-{{ loop.index | default('') }}"
    note = st.integers(0, 9).map(lambda n: {"use": "core.note", "with": {"text": f"{n}:{said}"}})
    fails = st.booleans().map(lambda may: {"use": "core.fail", **({"continue_on_error": True} if may else {})})
    return st.one_of(
        note,
        note,
        note,
        st.integers(1, 3).map(lambda n: {"set": {"x": f"{{{{ x + {n} }}}}"}}),
        st.sampled_from([{"wait": "1h"}, {"wait": 0}, {"wait_until": "2026-11-21"}]),
        st.one_of(st.just({"stop": "enough"}), fails, fails.map(lambda step: {**step, "continue_on_error": True})),
    )


def nested(inside: st.SearchStrategy[Step]) -> st.SearchStrategy[Step]:
    """Steps with steps inside."""
    block = st.lists(inside, min_size=1, max_size=3)
    way = st.builds(lambda when, do: {"when": when, "do": do}, condition(), block)
    items = st.lists(st.integers(0, 5), max_size=3)
    return st.one_of(
        st.builds(lambda c, t, e: {"if": c, "then": t, "else": e}, condition(), block, block),
        st.builds(lambda w, e: {"choose": w, "else": e}, st.lists(way, min_size=1, max_size=2), block),
        st.builds(lambda i, d: {"for_each": i, "do": d}, items, block),
        st.builds(lambda i, d: {"for_each": i, "max_parallel": 2, "do": d}, items, block),
        st.builds(lambda n, d: {"repeat": {"times": n}, "do": d}, st.integers(0, 3), block),
        st.builds(lambda c, n, d: {"repeat": {"while": c, "max": n}, "do": d}, condition(), st.integers(1, 3), block),
        st.builds(lambda c, n, d: {"repeat": {"until": c, "max": n}, "do": d}, condition(), st.integers(1, 3), block),
    )


def steps() -> st.SearchStrategy[list[Step]]:
    """Whole workflows, with a ``when`` here and there."""
    step = st.recursive(leaf(), nested, max_leaves=12)
    guarded = st.builds(lambda s, c: {**s, "when": c}, step, condition())
    return st.lists(st.one_of(step, step, guarded), min_size=1, max_size=5)


def uses(step: Any, key: str) -> bool:
    """Whether ``key`` is anywhere in it."""
    if isinstance(step, dict):
        return key in step or any(uses(inner, key) for inner in step.values())
    return isinstance(step, list) and any(uses(inner, key) for inner in step)


class Naive:
    """Interprets them directly."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def run(self, steps: list[Step], n: int) -> str:
        """Do it all; the state that the run must end in."""
        try:
            self.block(steps, {"x": 0, "n": n})
        except Stop:
            return "succeeded"
        except Pause:
            return "paused"
        return "succeeded"

    def block(self, steps: list[Step], scope: Scope) -> None:
        for step in steps:
            if "when" not in step or holds(step["when"], scope):
                self.step(step, scope)

    def step(self, step: Step, scope: Scope) -> None:
        if step.get("use") == "core.note":
            text = step["with"]["text"].partition(":")[0]
            self.notes.append(f"{text}:{scope['x']}-{scope.get('item', '')}-{scope.get('index', '')}")
        elif "use" in step and not step.get("continue_on_error"):
            raise Pause
        elif "set" in step:
            scope["x"] += int(step["set"]["x"].strip("{ }").removeprefix("x + "))
        elif "stop" in step:
            raise Stop
        elif "if" in step:
            self.block(step["then"] if holds(step["if"], scope) else step["else"], scope)
        elif "choose" in step:
            ways = (way["do"] for way in step["choose"] if holds(way["when"], scope))
            self.block(next(ways, step["else"]), scope)
        elif "for_each" in step or "repeat" in step:
            self.loop(step, scope)

    def loop(self, step: Step, scope: Scope) -> None:
        outer: Scope = {key: scope[key] for key in ("item", "index") if key in scope}
        if "for_each" in step:
            alone = "max_parallel" in step and len(step["for_each"]) > 1
            for index, item in enumerate(step["for_each"]):
                inner = dict(scope) if alone else scope
                inner |= {"item": item, "index": index}
                self.block(step["do"], inner)
        else:
            self.repeat(step["repeat"], step["do"], scope)
        for key in ("item", "index"):
            scope.pop(key, None)
        scope |= outer

    def repeat(self, rule: Mapping[str, Any], do: list[Step], scope: Scope) -> None:
        for index in range(rule.get("times", rule.get("max"))):
            if "while" in rule and not holds(rule["while"], scope):
                return
            scope["index"] = index
            self.block(do, scope)
            if "until" in rule and holds(rule["until"], scope):
                return
