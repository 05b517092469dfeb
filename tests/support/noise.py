"""The proof that noise never fires: an account where much happens and nothing changes, read by all types."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from changewire.sandbox import OWNER_EMAIL, OWNER_ID, Sandbox
from changewire.sandbox.clock import iso
from changewire.testing import ManualClock
from tests.support.actor import Actor
from tests.support.homes import Cast, connection, eleven, make_cast, make_home, workflow
from tests.support.processes import ask
from tests.support.turning import Turned
from tests.support.zoom_cases import CASES, ROUNDS, Stage, play_noise, play_round, prepare, refresh, watches

INTERVAL = timedelta(hours=1)  # a thousand polls are six weeks: months pass, windows slide, occurrences go by
RESTART_EVERY = 40
OTHER = "other.host@example.com"
SETTINGS = "http: {allow_private: true, timeout: 2s}\npoll: {bytes: 2MB}\nalert_after: 3\n"
LISTS: tuple[str, ...] = ("meetings", "recordings", "participants", "webinars", "audience", "upcoming")
LISTS += tuple(name for name, case in CASES.items() if case.listing)
FAULTS: list[dict[str, Any]] = [
    {"kind": "status"}, {"kind": "status", "status": 503, "body": "<h1>Service unavailable</h1>"},
    {"kind": "status", "status": 429, "headers": {"Retry-After": "20"}}, {"kind": "rate_second"},
    {"kind": "rate_day", "retry_after_s": 60}, {"kind": "reset"}, {"kind": "cut_body"}, {"kind": "error_200"},
    {"kind": "empty_200"}, {"kind": "empty_200", "form": "nothing"}, {"kind": "html_200"}, {"kind": "bad_json"},
    {"kind": "huge_body", "size": 3_000_000}, {"kind": "delay", "delay_s": 0.05}, {"kind": "expire_tokens"},
]  # fmt: skip
LIST_FAULTS: list[dict[str, Any]] = [
    {"kind": "empty_200", "form": "list"}, {"kind": "dead_page_token"}, {"kind": "repeat_page_token"},
    {"kind": "cycle_page_tokens"}, {"kind": "page_shift"}, {"kind": "page_shift", "shift": 1},
]  # fmt: skip
HANG = {"kind": "delay", "delay_s": 2.3, "times": 1}  # longer than anybody waits
ROUTES = {
    "details": "/meetings/{details}(\\?|$)", "meetings": "/meetings\\?type=scheduled", "upcoming": "type=upcoming",
    "recording": "/meetings/{recording}/recordings", "recordings": "/users/.*/recordings",
    "participants": "/past_meetings/.*/participants", "summary": "/past_meetings/{summary}|/meeting_summary",
    "user": "/users/[^/]*$", "report": "/report/daily", "webinars": "/users/.*/webinars",
    "webinar": "/webinars/{webinar}", "audience": "/past_webinars/",
}  # fmt: skip
MORE_ROUTES = {name: case.route for name, case in CASES.items()}


@dataclass
class Outcome:
    """What happened, for the reader of the proof."""

    polls: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    noises: Counter[str] = field(default_factory=Counter)


class Noise:
    """Things that happen and are no change of what is watched."""

    def __init__(self, sandbox: Sandbox, cast: Cast, stage: Stage, chance: random.Random) -> None:
        self._sandbox, self._cast, self._stage, self._chance = sandbox, cast, stage, chance
        self._number = 0
        self.kinds: list[Callable[[], Any]] = [
            self.sign_in, self.order_of_lists, self.other_forms_of_passwords, self.session_of_watched,
            self.running_session, self.new_key, self.old_meeting_comes, self.meeting_goes, self.handed_over,
            self.unfinished_recording, self.files_in_another_order, self.shuffled, self.webinar_session,
            self.numbers_to_dial, self.all_of_the_stage,
        ]  # fmt: skip

    def prepare(self) -> None:
        """What must be there before the watch begins."""
        do = self._do
        do("create_user", email=OTHER)
        do("update_user", user_id=OWNER_EMAIL, group_ids=["a", "b", "c"], login_types=[1, 100])
        do("update_meeting", meeting_id=self._cast.details, settings={"alternative_hosts": "a@b.example;c@d.example"})
        do("update_webinar", webinar_id=self._cast.webinar, settings={"alternative_hosts": "a@b.example,c@d.example"})
        old = iso(self._sandbox.clock.now() - timedelta(days=9))
        for number in range(8):
            made = do("create_meeting", user_id=OWNER_EMAIL, topic=f"Filler {number}")
            ended = do("end_meeting", meeting_id=made["meeting_id"], recording="completed")
            do("backdate_session", uuid=ended["uuid"], days=3 * number)
            do("create_meeting", user_id=OTHER, topic=f"Filler of others {number}", created_at=old)
        for kind in ("TRANSCRIPT", "CHAT", "TIMELINE"):
            do("add_recording_file", meeting_id=self._cast.recording, file_type=kind)

    def _do(self, action: str, **arguments: Any) -> Any:
        return self._sandbox.control(action, **arguments)

    def sign_in(self) -> None:
        self._number += 1
        now = self._do("clock")["now"]
        version = f"6.{self._number}"
        self._do("update_user", user_id=OWNER_EMAIL, last_login_time=now, last_client_version=version)

    def order_of_lists(self) -> None:
        groups = ["a", "b", "c"]
        self._chance.shuffle(groups)
        self._do("update_user", user_id=OWNER_EMAIL, group_ids=groups, login_types=[100, 1])
        hosts = ["a@b.example", "c@d.example"]
        self._chance.shuffle(hosts)
        self._do("update_meeting", meeting_id=self._cast.details, settings={"alternative_hosts": "; ".join(hosts)})
        self._do("update_webinar", webinar_id=self._cast.webinar, settings={"alternative_hosts": ", ".join(hosts)})

    def other_forms_of_passwords(self) -> None:
        digits = str(self._chance.randrange(10**6))
        self._do("update_meeting", meeting_id=self._cast.details, h323_password=digits)
        self._do("update_webinar", webinar_id=self._cast.webinar, h323_passcode=digits, register_key=digits)

    def numbers_to_dial(self) -> None:
        numbers = [{"country": "DE", "number": f"+49 {self._chance.randrange(10**8)}", "type": "toll"}]
        self._do("update_meeting", meeting_id=self._cast.details, settings={"global_dial_in_numbers": numbers})

    def session_of_watched(self) -> None:
        self._do("end_meeting", meeting_id=self._chance.choice([self._cast.details, self._cast.summary]))

    def webinar_session(self) -> None:
        self._do("end_webinar", webinar_id=self._cast.webinar)

    def running_session(self) -> None:
        event = self._sandbox.world.events[self._cast.details]
        self._do("end_meeting" if event.live else "start_meeting", meeting_id=self._cast.details)

    def new_key(self) -> None:
        self._number += 1
        kind = self._chance.choice([
            "user", "meeting", "webinar", "meeting_row", "webinar_row", "recording", "recording_file", "participant",
            "summary", "report", "past_meeting",
        ])  # fmt: skip
        inside = "settings." if kind in ("meeting", "webinar") and self._chance.random() < 0.5 else ""
        value = self._chance.choice([True, 7, "text", ["list"], {"object": 1}, None])
        self._do("grow_schema", kind=kind, key=f"{inside}new_{self._number}", value=value)

    def old_meeting_comes(self) -> None:
        before = iso(self._sandbox.clock.now() - timedelta(days=60))
        self._do("create_meeting", user_id=OWNER_EMAIL, topic="Filler of old", created_at=before)

    def meeting_goes(self) -> None:
        old = [m["id"] for m in self._do("state")["meetings"] if m["topic"].startswith("Filler")]
        if len(old) > 4:
            self._do("delete_meeting", meeting_id=self._chance.choice(old))

    def handed_over(self) -> None:
        old = [m for m in self._do("state")["meetings"] if m["topic"].startswith("Filler of others")]
        if old:
            meeting = self._chance.choice(old)
            user = OTHER if meeting["host_id"] == OWNER_ID else OWNER_EMAIL
            self._do("transfer_meeting", meeting_id=meeting["id"], user_id=user)

    def unfinished_recording(self) -> None:
        old = [m["id"] for m in self._do("state")["meetings"] if m["topic"].startswith("Filler")]
        if old:
            self._do("end_meeting", meeting_id=self._chance.choice(old), recording=True)

    def files_in_another_order(self) -> None:
        with self._sandbox.world.lock:
            recorded = [s for s in self._sandbox.world.sessions.values() if s.recording is not None]
            for session in recorded:
                assert session.recording is not None
                self._chance.shuffle(session.recording.files)

    def all_of_the_stage(self) -> None:
        play_noise(self._stage)

    def shuffled(self) -> None:
        self._do("switch", shuffle_lists=self._chance.random() < 0.7)


def prove(folder: Path, polls: int, seed: int = 1, *, hangs: int = 1) -> Outcome:
    """Poll each type ``polls`` times over nothing but noise: no event, and no trace of a failed poll.

    At most ``hangs`` times an answer takes longer than anybody waits. At the end all changes once, and that is noticed.
    """
    chance, outcome = random.Random(seed), Outcome()
    with Sandbox(enforce_limits=False) as sandbox:  # all at once is more than a second allows
        cast = make_cast(sandbox)
        stage = prepare(sandbox)
        noise = Noise(sandbox, cast, stage, chance)
        noise.prepare()
        home = make_home(folder / "home", connection(sandbox.url), all_workflows(cast, stage), SETTINGS)
        clock = ManualClock(sandbox.clock.now())
        turned = Turned(home, clock).start()
        turned.turn()
        _all_well(home)
        rounds = 0
        while min(outcome.polls.values(), default=0) < polls:
            rounds += 1
            for happens in chance.sample(noise.kinds, chance.randint(0, 3)):
                happens()
                outcome.noises[happens.__name__] += 1
            fault = _order_fault(sandbox, cast, chance, hangs > 0)
            hangs -= fault == HANG["kind"]
            outcome.faults[fault] += 1
            _pass_time(clock, sandbox)
            if rounds % RESTART_EVERY == 0:
                turned.close()
                turned = Turned(home, clock).start()
            before = _memories(home)
            turned.turn()
            sandbox.control("clear_faults")
            _check(home, before, outcome, (rounds, fault))
        _pass_time(clock, sandbox)
        turned.turn()
        notices_all(sandbox, cast, stage, turned, home)
        turned.close()
        return outcome


def all_workflows(cast: Cast, stage: Stage) -> dict[str, str]:
    upcoming = {"user_id": OWNER_EMAIL, "meeting_type": "upcoming", "page_size": 100}
    more = {name: workflow(name, type_, given, every="1h") for name, (type_, given) in watches(stage).items()}
    return {
        **more,
        **eleven(cast, every="1h", steps=[{"use": "core.log", "with": {"message": "{{ event.id }}"}}]),
        "upcoming": workflow("upcoming", "zoom.new_meeting_created", upcoming, every="1h"),
    }


def _order_fault(sandbox: Sandbox, cast: Cast, chance: random.Random, may_hang: bool) -> str:
    """Let one type's answers be bad in this round, or not."""
    if chance.random() < 0.4:
        return "none"
    name = chance.choice(sorted(ROUTES | MORE_ROUTES))
    kinds = [*FAULTS, *LIST_FAULTS] if name in LISTS else FAULTS
    fault = dict(HANG) if may_hang and chance.random() < 0.03 else dict(chance.choice(kinds))
    fault.setdefault("times", chance.choice([1, 1, 2, None]))
    route = ROUTES[name].format(**vars(cast)) if name in ROUTES else MORE_ROUTES[name]
    sandbox.control("faults", match=f"GET /v2.*{route}", after=chance.choice([0, 0, 1]), **fault)
    return str(fault["kind"])


def _pass_time(clock: ManualClock, sandbox: Sandbox) -> None:
    """Both clocks move on together; the sandbox's is never behind."""
    clock.advance(INTERVAL.total_seconds())
    ahead = (clock.now() - sandbox.clock.now()).total_seconds()
    sandbox.control("clock", advance_s=max(0.0, ahead))


def _memories(home: Path) -> dict[str, Any]:
    """What is remembered of each trigger, by workflow."""
    query = "SELECT id, workflow, baseline_at, rules, body_hash, cursor FROM triggers"
    items = "SELECT key, hash, body, revision, candidate, candidate_count, absences FROM items WHERE trigger_id = ?"
    return {row[1]: (row[2:], ask(home, f"{items} ORDER BY key", row[0])) for row in ask(home, query)}


def _check(home: Path, before: dict[str, Any], outcome: Outcome, where: object) -> None:
    events = ask(home, "SELECT workflow, event_type, key, changes FROM events")
    assert not events, (where, events)
    rows = ask(home, "SELECT workflow, polls, failures, error FROM triggers")
    outcome.polls = {name: polls for name, polls, _, _ in rows}
    failed = {name: error for name, _, failures, error in rows if failures}
    outcome.failed += len(failed)
    after = _memories(home) if failed else {}
    for name, error in failed.items():
        assert error, where
        assert after[name] == before[name], (where, name, error)


def notices_all(sandbox: Sandbox, cast: Cast, stage: Stage, turned: Turned, home: Path) -> None:
    """A proof that nothing fires is worth something only where everything would."""
    sandbox.control("switch", shuffle_lists=False)
    refresh(stage)
    _turn(turned, sandbox, 1)
    _all_well(home)  # a watch of what lapsed meanwhile would have been silent for that reason alone
    before = _events(home)
    actor = Actor(sandbox, cast, Counter, seed=3)
    actor.everything()
    wanted = Counter({name: actor.truth.count(name) or 1 for name in cast.watches()})
    wanted["upcoming"] = wanted["meetings"]
    wanted["new_meeting_summary"] += 1  # of the whole account: the actor's is one of them
    for number in range(ROUNDS):
        for (name, _), count in play_round(stage, number).items():
            wanted[name] += count
        _turn(turned, sandbox, 2)
    _turn(turned, sandbox, 1)
    found = _events(home) - before
    assert found == wanted, (found - wanted, wanted - found)


def _all_well(home: Path) -> None:
    failed = ask(home, "SELECT workflow, error FROM triggers WHERE state <> 'ok'")
    assert not failed, failed


def _turn(turned: Turned, sandbox: Sandbox, times: int) -> None:
    for _ in range(times):
        _pass_time(turned.clock, sandbox)
        turned.turn()


def _events(home: Path) -> Counter[str]:
    return Counter(dict(ask(home, "SELECT workflow, count(*) FROM events GROUP BY workflow")))
