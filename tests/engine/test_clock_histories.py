"""Whatever is done to the wall clock: waits last as long as they should, polls keep their rhythm, history stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from changewire.state.records import RunState
from changewire.testing import ManualClock
from changewire.values import dumps_text
from tests.engine.inside import kick, watching, write, write_home
from tests.support.json_api import JsonApi
from tests.support.turning import Turned

HOUR, WAIT_S, TURN_S = 3600, 3 * 3600, 60
STEPS_S = st.sampled_from([50, -50, 400, -400, 5 * HOUR, -5 * HOUR, 400 * 24 * HOUR, -400 * 24 * HOUR])
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("elapse"), st.integers(1, 90)),
        st.tuples(st.just("set"), STEPS_S),
        st.tuples(st.just("restart"), st.one_of(st.just(0), STEPS_S)),
        st.tuples(st.just("fire"), st.just(0)),
    ),
    min_size=4,
    max_size=12,
)


class Model:
    """A daemon under a clock, and what should become of its runs by elapsed time alone."""

    def __init__(self, path: Path, api: JsonApi) -> None:
        self.path, self.clock = path, ManualClock()
        watched = {"type": "http.new_item", "every": f"{TURN_S}s", "with": {"path": "/rows", "items": "data"}}
        write_home(
            path,
            waits=watching("go", {"wait": f"{WAIT_S}s"}, write("done")),
            polls={"trigger": watched, "steps": [write("event")]},
        )
        made = {"list": {"connector": "http", "base_url": api.url, "allow_private": True, "auth": {"type": "none"}}}
        (path / "config" / "connections.yaml").write_text(dumps_text(made))
        self.down_s = 0.0  # the time that passed while no daemon ran, as the wall clock told
        self.ends: list[float] = []  # of the waits, in seconds of elapsed time
        self.start()

    @property
    def passed_s(self) -> float:
        return self.clock.monotonic() + self.down_s

    def start(self) -> None:
        self.turned = Turned(self.path, self.clock)
        self.turned.daemon._start_housekeeping = lambda: None  # type: ignore[method-assign]
        self.turned.start()
        self.turned.on(0)

    def do(self, action: str, amount: int) -> None:
        if action == "elapse":
            self.turned.on(amount * TURN_S)
        elif action == "set":
            self.clock.set_wall(amount)
            self.turned.on(0)
        elif action == "restart":
            self.turned.close()
            self.clock.set_wall(amount)
            self.down_s += max(0, amount)
            self.start()
        else:
            kick(self.turned, "go", len(self.ends))
            self.turned.on(0)
            self.ends.append(self.passed_s + WAIT_S)
        self.turned.daemon._beat()
        self.turned.daemon._retention.prune()

    def check(self) -> None:
        runs = [history.run for history in self.turned.store.runs(workflow="waits")]
        assert len(runs) == len(self.ends)
        for run, end in zip(runs, self.ends, strict=True):
            over = self.passed_s >= end
            assert (run.state is RunState.SUCCEEDED) == over, (run, end, self.passed_s)
        (record,) = self.turned.store.triggers(workflow="polls")
        now = self.turned.steady.now()
        assert record.next_due is not None
        assert now < record.next_due <= now + timedelta(seconds=TURN_S)
        assert not record.late(now, 1)

    def close(self) -> None:
        self.turned.close()


@contextmanager
def model() -> Iterator[Model]:
    with TemporaryDirectory() as folder, JsonApi() as api:
        made = Model(Path(folder), api)
        try:
            yield made
        finally:
            made.close()


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(ACTIONS)
def test_no_history_of_the_wall_clock_changes_a_wait_or_a_rhythm_or_deletes_anything(
    actions: list[tuple[str, int]],
) -> None:
    with model() as made:
        made.do("fire", 0)
        for action, amount in actions:
            made.do(action, amount)
            made.check()
