"""The proof that no answer is believed that is damaged: mutated answers to all trigger types, and good ones in between.

``python -m tests.support.mutated_answers FOLDER ANSWERS SEED`` prints the outcome as JSON.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from changewire.sandbox import Sandbox
from changewire.testing import ManualClock
from tests.support.homes import Cast, connection, make_cast, make_home, workflow
from tests.support.memory import peak_mib
from tests.support.mutations import Judgement, Mutation, Mutator
from tests.support.noise import Noise, all_workflows, notices_all
from tests.support.processes import ROOT, ask
from tests.support.replay import Recorded, Replay
from tests.support.turning import Turned
from tests.support.zoom_cases import Stage, prepare

FAULT = "fault in Changewire"
WAITS = "no change became an event, so they wait"  # the list was read and is stored; its changes are stored with it
SHARE = 0.7  # of the answers of a round that are mutated: failures meet good answers of the same connection
ROUND_S = 3600.0
EVENTS = "SELECT workflow, event_type, kind, key, changes FROM events ORDER BY seq"
STEPS = [{"use": "core.log", "with": {"message": "{{ event.key }} {{ event.type }} {{ payload | tojson }}"}}]
SETTINGS = "http: {allow_private: true, timeout: 10s}\npoll: {bytes: 2MB}\n"
SHOP: dict[str, Any] = {
    "/shop/ladder": {"sku": "L-17", "title": "Ladder", "price": 79.5, "stock": {"here": 4, "there": 0}, "tags": ["a"]},
    "/shop/orders": [{"id": number, "state": "open", "total": 1.25 * number} for number in range(1, 6)],
    "/shop/rows": {"rows": [{"name": "Ann", "score": 7}, {"name": "Ben", "score": 7}, {"name": "Ann", "score": 7}]},
    "/shop/states": {"data": {"records": [{"id": "a", "status": "open"}, {"id": "b", "status": "closed"}]}},
    "/shop/carts": {"carts": [{"id": 1, "lines": [{"sku": "x", "n": 1}, {"sku": "y", "n": 2}], "note": None}]},
}  # fmt: skip
SHOP_WATCHES: dict[str, tuple[str, dict[str, Any]]] = {
    "ladder": ("http.document_changed", {"path": "/shop/ladder"}),
    "carts": ("http.document_changed",
              {"path": "/shop/carts", "items": "carts", "key": "id", "lists": {"lines": {"key": "sku"}}}),
    "orders": ("http.new_item", {"path": "/shop/orders"}),
    "rows": ("http.new_item", {"path": "/shop/rows", "items": "rows", "key": ["name", "score"], "alike": "count"}),
    "states": ("http.status_changed",
               {"path": "/shop/states", "items": "data.records", "key": "id", "new_records": "fire"}),
}  # fmt: skip


@dataclass
class Outcome:
    """What happened, for the reader of the proof."""

    answers: int = 0  # mutated ones that were sent
    polls: int = 0
    refused: int = 0  # polls that failed
    events: int = 0  # of answers with other data, where events are right
    types: int = 0
    made: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)  # tracebacks, and errors that Changewire calls its own faults
    false: list[str] = field(default_factory=list)  # events that no answer justifies, and stored data that changed
    memory_mb: int = 0  # the peak of the process


class Proof:
    """One home that watches with all trigger types, at a server whose answers are mutated."""

    def __init__(self, folder: Path, replay: Replay, sandbox: Sandbox, chance: random.Random) -> None:
        self._replay, self._chance, self._mutator = replay, chance, Mutator(chance)
        self._wanted = Judgement.DAMAGED
        self._round: dict[str, Mutation | None] = {}
        self._lock = threading.Lock()
        self.outcome = Outcome()
        self._sandbox, self._cast, self._stage = sandbox, make_cast(sandbox), prepare(sandbox)
        Noise(sandbox, self._cast, self._stage, chance).prepare()
        for path, data in SHOP.items():
            replay.preset(path, json.dumps(data).encode())
        self.home = make_home(folder / "home", _connections(replay.url), _workflows(self._cast, self._stage), SETTINGS)
        self.clock = ManualClock(sandbox.clock.now())
        self._begin()
        self._replay.freeze()
        self._baseline()

    def _begin(self) -> None:
        self._turned = Turned(self.home, self.clock, log=self._log).start()
        self._turned.turn()

    def _log(self, event: str, message: str, /, **facts: Any) -> None:
        if FAULT in message or "Traceback" in message:
            self.outcome.faults.append(f"{event}: {message[:500]}")

    def _baseline(self) -> None:
        """Two polls of good answers, and a copy of what was stored of them."""
        for _ in range(2):
            self._turn()
        wrong = ask(self.home, "SELECT workflow, error FROM triggers WHERE state <> 'ok'")
        assert not wrong, wrong
        assert not ask(self.home, "SELECT key FROM events")
        self._good = _memories(self.home)
        self.outcome.types = len({row[0] for row in ask(self.home, "SELECT type FROM triggers")})
        self._turned.close()
        self._stored = (self.home / "state" / "changewire.db").read_bytes()
        self._begin()

    def _turn(self) -> None:
        self.clock.advance(ROUND_S)
        self._round = {}
        self._turned.turn()

    def play(self, answers: int) -> None:
        """Play rounds until so many mutated answers were sent."""
        while self.outcome.answers < answers:
            self._wanted = self._chance.choice(list(Judgement))
            self._replay.tamper = self._tamper
            before = _memories(self.home)
            self._turn()
            mutated = _memories(self.home)
            self._check_round(before, mutated)
            self._replay.tamper = lambda target, answer: answer
            self._turn()
            self._check_good_round(mutated)
            if self._wanted is Judgement.DIFFERENT:
                self._restore()
        self._end()

    def _tamper(self, target: str, answer: Recorded) -> Recorded:
        with self._lock:
            if target not in self._round:
                mutated = self._chance.random() < SHARE
                self._round[target] = self._mutator.mutate(answer.body, self._wanted) if mutated else None
            mutation = self._round[target]
            if mutation is None:
                return answer
            self.outcome.answers += 1
            self.outcome.made[mutation.name] = self.outcome.made.get(mutation.name, 0) + 1
        return Recorded(mutation.status or answer.status, mutation.body, mutation.headers)

    def _check_round(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        outcome = self.outcome
        self._events = ask(self.home, EVENTS)
        outcome.events += len(self._events)
        for name, failures, error in ask(self.home, "SELECT workflow, failures, error FROM triggers"):
            outcome.polls += 1
            outcome.refused += bool(failures)
            if error and FAULT in error:
                outcome.faults.append(self._words(name, error))
            if failures and after[name] != before[name] and WAITS not in error:
                outcome.false.append(self._words(name, f"a poll that failed changed what is stored: {error}"))
        right = self._wanted is Judgement.DIFFERENT
        outcome.false += [self._words(*each) for each in self._events if not (right and self._justified(each, after))]

    def _justified(self, event: tuple[Any, ...], after: dict[str, Any]) -> bool:
        """Whether an event says something of an item that the good answers did not say."""
        name, _, kind, key, _ = event
        known, found = self._good[name][1], after[name][1]
        return key not in known if kind == "created" else key in known and known[key] != found.get(key)

    def _check_good_round(self, mutated: dict[str, Any]) -> None:
        """A good answer fires nothing, except that a change by an answer with other data is taken back."""
        for event in ask(self.home, EVENTS)[len(self._events) :]:
            name, _, kind, key, _ = event
            changed = mutated[name][1].get(key) != self._good[name][1].get(key)
            if self._wanted is not Judgement.DIFFERENT or kind == "created" or not changed:
                self.outcome.false.append(self._words("afterwards", *event))
        failed = ask(self.home, "SELECT workflow, error FROM triggers WHERE failures > 0")
        self.outcome.false += [self._words("not recovered", *row) for row in failed]

    def _words(self, *facts: object) -> str:
        made = {target: mutation.name for target, mutation in self._round.items() if mutation}
        return f"{self._wanted}: {' '.join(map(str, facts))[:600]} | {made}"

    def _restore(self) -> None:
        """Go back to what was stored before the first mutation."""
        self._keep_faults()
        self._turned.close()
        for rest in ("-wal", "-shm"):
            (self.home / "state" / f"changewire.db{rest}").unlink(missing_ok=True)
        (self.home / "state" / "changewire.db").write_bytes(self._stored)
        self._begin()

    def _keep_faults(self) -> None:
        outcome = self.outcome
        outcome.faults += [f"{type(error).__name__}: {error}" for error in self._turned.dispatcher.failures]
        runs = ask(self.home, "SELECT workflow, state, reason FROM runs WHERE state <> 'succeeded'")
        outcome.faults += [f"run of {name}: {state}: {reason}" for name, state, reason in runs]

    def _end(self) -> None:
        """Let all change once: a proof that nothing fires is worth something only if everything would."""
        self._restore()
        self._replay.frozen = False
        notices_all(self._sandbox, self._cast, self._stage, self._turned, self.home)
        self._keep_faults()
        self._turned.close()
        self.outcome.memory_mb = round(peak_mib())


def prove(folder: Path, answers: int, seed: int) -> Outcome:
    """Send ``answers`` mutated answers, and a good one after each."""
    failures: list[str] = []
    threading.excepthook = lambda args: failures.append(f"thread: {args.exc_type.__name__}: {args.exc_value}")
    with Sandbox(enforce_limits=False) as sandbox, Replay(sandbox.url) as replay:
        proof = Proof(folder, replay, sandbox, random.Random(seed))
        proof.play(answers)
    proof.outcome.faults += failures
    return proof.outcome


def _connections(url: str) -> str:
    return json.dumps({**json.loads(connection(url)), "shop": {"connector": "http", "base_url": url}})


def _workflows(cast: Cast, stage: Stage) -> dict[str, str]:
    texts = {name: json.loads(text) for name, text in all_workflows(cast, stage).items()}
    texts |= {name: json.loads(workflow(name, *watch, every="1h")) for name, watch in SHOP_WATCHES.items()}
    return {name: json.dumps({**text, "steps": STEPS}) for name, text in texts.items()}


def _memories(home: Path) -> dict[str, Any]:
    """What is remembered of each trigger, by workflow: facts of the trigger, and the contents of its items by key."""
    triggers = ask(home, "SELECT id, workflow, baseline_at, rules, body_hash, cursor FROM triggers")
    items: dict[str, dict[str, Any]] = {row[0]: {} for row in triggers}
    for trigger, key, *rest in ask(home, "SELECT trigger_id, key, hash, body, candidate, absences FROM items"):
        items[trigger][key] = rest
    return {row[1]: (row[2:], items[row[0]]) for row in triggers}


def prove_apart(folder: Path, answers: int, seed: int) -> Outcome:
    """Run `prove` as a process of its own, so that its memory can be measured. What it reports on stderr is a fault."""
    command = [sys.executable, "-m", "tests.support.mutated_answers", str(folder), str(answers), str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    outcome = Outcome(**json.loads(done.stdout))
    outcome.faults += [done.stderr[-3000:]] if done.stderr else []
    return outcome


if __name__ == "__main__":
    print(json.dumps(asdict(prove(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))))  # noqa: T201
