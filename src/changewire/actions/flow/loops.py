"""Steps that do other steps again and again, one after the other or several at once."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future
from concurrent.futures import wait as wait_for
from typing import TYPE_CHECKING, Any

from changewire.actions.flow.control import decided, decision
from changewire.actions.flow.endings import Ended, Failed, Held, Interrupted, Stopped, Waits
from changewire.config.step_fields import MOST_ITERATIONS
from changewire.errors import StateError, UsageError
from changewire.templates import condition, render
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.actions.flow.course import Course
    from changewire.actions.flow.frame import Frame
    from changewire.config.steps import ForEach, Repeat

LOOK_AGAIN_S = 30.0  # the wall clock may be set while iterations wait for a moment on it


def for_each(walk: Course, step: ForEach, address: str, frame: Frame) -> Json:
    """`for_each`: the same steps for each item; the output of the last one of each iteration in ``results``."""

    def work_out(scope: Mapping[str, Any]) -> Json:
        return {"items": _listed(render(step.items, scope))}

    row = decided(walk, step, address, frame, work_out)
    if row is None:
        return None
    items = row.output["items"]
    in_turn = step.max_parallel == 1 or len(items) < 2
    if in_turn:
        for n in _left(address, frame, len(items)):
            inner = frame.inside(_names(step, items, n))
            result = walk.block(step.do, f"{address}[{n}]/do", inner)
            _pass_over(address, n, result, inner)
    else:
        _Parallel(walk, step, address, frame, items).run()
    frame.ledger.close(row)
    return {"count": len(items), "results": _results(address, frame)}


def _left(address: str, frame: Frame, times: int) -> range:
    """The iterations of a loop in turn that are not over; what those before them set is in the frame."""
    passed = frame.ledger.progress.loop(address)
    frame.variables.update(passed.variables)
    return range(len(passed.results), times)


def _pass_over(address: str, index: int, result: Json, inner: Frame) -> None:
    """An iteration in turn is over."""
    progress = inner.ledger.progress
    progress.pass_over(address, index, result)
    passed = progress.loop(address)
    passed.variables, passed.outputs = dict(inner.variables), dict(inner.outputs)


def _results(address: str, frame: Frame) -> list[Json]:
    """What all iterations gave, in their order."""
    return [result for _, result in sorted(frame.ledger.progress.loop(address).results.items())]


def _names(step: ForEach, items: Sequence[Json], index: int) -> dict[str, Json]:
    loop = {"index": index, "first": index == 0, "last": index == len(items) - 1, "length": len(items)}
    return {step.name: items[index], "loop": loop}


def _listed(value: Json) -> list[Json]:
    if not isinstance(value, list):
        what = {dict: "a mapping; write … | dictsort", str: "text", type(None): "nothing"}.get(type(value), repr(value))
        raise UsageError(f"for_each needs a list, and this is {what}")
    if len(value) > MOST_ITERATIONS:
        raise UsageError(f"for_each: {len(value)} items are more than the {MOST_ITERATIONS} allowed")
    return value


def repeat(walk: Course, step: Repeat, address: str, frame: Frame) -> Json:
    """`repeat`: ``exhausted`` says whether it ended at its bound although ``while`` or ``until`` would go on."""
    row = decided(walk, step, address, frame, lambda scope: _bound(step, scope))
    if row is None:
        return None
    bound, counted = row.output["most"], step.rule.times is not None
    left, exhausted = _left(address, frame, bound + (not counted)), False
    inner = _after(address, frame, left.start - 1)
    for index in left:
        if not counted and not _again(walk, step, f"{address}[{index}]", inner, index):
            break
        if index == bound:
            exhausted = True
            break
        inner = frame.inside(_loop_names(index))
        _pass_over(address, index, walk.block(step.do, f"{address}[{index}]/do", inner), inner)
    frame.ledger.close(row)
    results = _results(address, frame)
    return {"count": len(results), "results": results, "exhausted": exhausted}


def _loop_names(index: int) -> dict[str, Json]:
    return {"loop": {"index": index, "first": index == 0}}


def _after(address: str, frame: Frame, index: int) -> Frame:
    """The frame of an iteration that is over; before the first, the loop's own."""
    if index < 0:
        return frame
    inner = frame.inside(_loop_names(index))
    inner.outputs.update(frame.ledger.progress.loop(address).outputs)
    return inner


def _bound(step: Repeat, scope: Mapping[str, Any]) -> Json:
    if step.rule.times is None:
        return {"most": step.rule.max}
    times = render(step.rule.times, scope)
    if isinstance(times, bool) or not isinstance(times, int) or not 0 <= times <= MOST_ITERATIONS:
        raise UsageError(f"repeat: times is {times!r}, and a whole number from 0 to {MOST_ITERATIONS} is needed")
    return {"most": times}


def _again(walk: Course, step: Repeat, address: str, frame: Frame, index: int) -> bool:
    """Whether there is to be an iteration ``index``; asked with the outputs of the one before it in scope."""
    rule = step.rule

    def work_out(scope: Mapping[str, Any]) -> Json:
        if rule.while_ is not None:
            return {"again": condition(rule.while_, scope)}
        return {"again": not condition(rule.until or "", scope)}

    if rule.until is not None and index == 0:
        return True
    row = decision(walk, (step.kind, None), address, frame, work_out)
    if row is None:
        return False
    frame.ledger.close(row)
    return bool(row.output["again"])


class _Parallel:
    """Iterations of one loop, so many at once. One that waits keeps its place and holds nobody else up."""

    def __init__(self, walk: Course, step: ForEach, address: str, frame: Frame, items: Sequence[Json]) -> None:
        self._walk, self._step, self._address, self._frame, self._items = walk, step, address, frame, items
        self._halt = threading.Event()
        over = frame.ledger.progress.loop(address).results
        self._left = iter([n for n in range(len(items)) if n not in over])
        self._active: dict[Future[Json], int] = {}
        self._parked: dict[int, Waits] = {}
        self._ends: dict[int, Ended] = {}
        self._fault: BaseException | None = None

    def run(self) -> None:
        """Bring all iterations to their end. Raises what ended the first that did not come to it."""
        self._frame.ledger.flush()  # iterations hold rows of their own, and nobody looks at these before the last ends
        try:
            self._fill()
            while self._active:
                done, _ = wait_for(self._active, timeout=self._patience(), return_when=FIRST_COMPLETED)
                for future in done:
                    self._take(future)
                self._fill()
        finally:  # whatever went wrong: the run is not given up while iterations may still have effects
            if self._active:
                self._halt.set()
                wait_for(self._active)
        if self._fault is not None:
            raise self._fault
        self._raise_end()

    def _fill(self) -> None:
        """Give every free place an iteration: one that has waited long enough, else the next one."""
        now = self._walk.clock.now()
        for index in [n for n, waits in self._parked.items() if waits.due(self._walk.clock) <= now]:
            if not self._halt.is_set():
                del self._parked[index]
                self._begin(index)
        while len(self._active) + len(self._parked) < self._step.max_parallel and not self._halt.is_set():
            index = next(self._left, -1)
            if index < 0:
                return
            self._begin(index)

    def _begin(self, index: int) -> None:
        """Let an iteration go on in a thread that ends with the process, which the threads of an executor outlive."""
        frame = self._frame.beside(_names(self._step, self._items, index), self._halt)
        future: Future[Json] = Future()
        thread = threading.Thread(
            target=self._fulfil, args=(future, index, frame), name=f"changewire-loop-{index}", daemon=True
        )
        thread.start()
        self._active[future] = index

    def _fulfil(self, future: Future[Json], index: int, frame: Frame) -> None:
        try:
            future.set_result(self._iterate(index, frame))
        except BaseException as error:
            future.set_exception(error)

    def _iterate(self, index: int, frame: Frame) -> Json:
        try:
            result = self._walk.block(self._step.do, f"{self._address}[{index}]/do", frame)
        except StateError:
            raise
        except Exception:
            frame.ledger.flush()
            raise
        frame.ledger.flush()
        return result

    def _take(self, future: Future[Json]) -> None:
        index = self._active.pop(future)
        try:
            self._frame.ledger.progress.pass_over(self._address, index, future.result())
        except Waits as end:
            self._parked[index] = end
        except Ended as end:
            self._ends[index] = end
            self._halt.set()
        except BaseException as fault:
            self._fault = self._fault or fault
            self._halt.set()

    def _patience(self) -> float | None:
        """Seconds until an iteration that waits can go on, or may if the wall clock is set; None: none waits."""
        if not self._parked:
            return None
        clock = self._walk.clock
        earliest = min(waits.due(clock) for waits in self._parked.values())
        return min(LOOK_AGAIN_S, max(0.01, (earliest - clock.now()).total_seconds()))

    def _raise_end(self) -> None:
        over = {n: end for n, end in self._ends.items() if isinstance(end, Failed | Stopped)}
        over = {n: end for n, end in over.items() if not isinstance(end, Held)} or over  # a hold may last for days
        if over:
            raise over[min(over)]
        if self._ends:
            raise Interrupted
        if self._parked:
            raise min(self._parked.values(), key=lambda waits: waits.due(self._walk.clock))
