"""``explain``: why something did or did not fire, and the story of events and runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from changewire.cli.explaining import VERDICTS
from changewire.sandbox import Sandbox
from changewire.state.store import SqliteStore
from tests.cli.conftest import DETAILS, MEETING, MEETINGS, TYPO
from tests.cli.rig import changewire, lines, watch

Make = Callable[..., Path]
SOURCE = Path(__file__).parents[2] / "src" / "changewire"
SLOW = MEETINGS.replace("every: 1s", "every: 1h")


def told(home: Path, name: str) -> str:
    result = changewire("explain", name, "--home", home)
    assert result.exit_code == 0, result.stderr
    return result.stdout


JUDGES = ("triggers/noticing.py", "triggers/proving.py", "engine/finding.py")


def test_every_verdict_has_words() -> None:
    code = "".join((SOURCE / name).read_text() for name in JUDGES)
    used = set(re.findall(r'(?:verdicts\[|hold\()"(\w+)"', code)) | set(re.findall(r'hold\("(\w+)" if', code))
    used |= {"absent", "held", "echo", "under_way", "untold"}
    assert used == set(VERDICTS)


def test_a_trigger_that_never_ran_waits_for_its_first_poll(make_home: Make) -> None:
    text = told(make_home(a=SLOW), "Meetings")
    assert text.startswith("Meetings/trigger  zoom.new_meeting_created  baseline_pending\n")
    assert "  nothing is polled: no daemon is at work here, start one with `changewire run`\n" in text


def test_the_last_poll_says_what_it_saw_and_why_it_did_not_fire(make_home: Make, sandbox: Sandbox) -> None:
    settling = DETAILS.replace("every: 1s", "every: 1s, settle: 20")
    home = make_home(a=settling, b=SLOW)
    watch(
        home,
        lambda: sandbox.control("update_meeting", meeting_id=MEETING, topic="Explained"),
        until=lambda daemon: any("settling" in str(record.verdicts) for record in daemon.store.triggers()),
    )
    text = told(home, "Details/trigger")
    assert "  it is well; what changed since the last poll is noticed at " in text
    assert f"    1 differ, and must stay so for some polls (`settle`) ({MEETING})\n" in text
    (view,) = lines(changewire("explain", "Details", "--home", home, "--json").stdout)
    assert view["judged"]["counts"] == {"settling": 1}
    assert view["judged"]["held"] == [{"key": str(MEETING), "verdict": "settling"}]
    assert view["judged"]["ignored"] == []
    assert "were there when the watch began" in told(home, "Meetings")


def test_what_is_paused_or_broken_says_the_next_step(make_home: Make) -> None:
    home = make_home(a=SLOW, typo=TYPO)
    watch(home, until=lambda daemon: True)
    changewire("pause", "Meetings", "--reason", "the move", "--home", home)
    text = told(home, "Meetings")
    assert re.search(r"workflow 'Meetings' is paused since .*: the move; next: `changewire resume Meetings`\n", text)
    assert "it cannot be used as it is written: config/workflows/typo.yaml:2:17: " in told(home, "typo.yaml")


def test_polls_that_fail_are_told_with_the_reason(make_home: Make, sandbox: Sandbox) -> None:
    home = make_home(a=MEETINGS)
    with sandbox_broken(sandbox):
        watch(home, until=lambda daemon: daemon.store.triggers()[0].failures > 0)
    assert "polls in a row failed, and nothing is lost: Zoom (work) answered 500" in told(home, "a")


class sandbox_broken:  # noqa: N801
    """The sandbox answers lists with status 500."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def __enter__(self) -> None:
        self.sandbox.control("faults", match="GET /v2/users", kind="status", status=500)

    def __exit__(self, *_: object) -> None:
        self.sandbox.control("clear_faults")


def test_the_story_of_an_event_and_of_a_run(watched: Path) -> None:
    (run,) = lines(changewire("runs", "--home", watched, "--json", "--workflow", "Failing").stdout)
    story = told(watched, run["event"])
    assert re.match(
        r"evt_\w+  meeting_created  \d+\n.*  noticed by Failing/trigger \(zoom.new_meeting_created\)\n", story
    )
    assert f"{run['id']} of 'Failing' stored\n" in story
    assert "steps/0  zoom.get_meeting  failed, effect: refused\n" in story
    assert "    next: what the step asks for is not there: " in story
    assert told(watched, run["id"][:12]) == story
    (view,) = lines(changewire("explain", run["event"], "--home", watched, "--json").stdout)
    assert (view["event"]["id"], [one["id"] for one in view["runs"]]) == (run["event"], [run["id"]])


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("Meetngs", "there is no workflow 'Meetngs' in "),
        ("Meetings/triger", "there is no trigger 'Meetings/triger'; did you mean 'Meetings/trigger'?\n"),
        ("evt_nothing", "there is no event 'evt_nothing'; `changewire events --json` lists them\n"),
        ("run_nothing", "there is no run 'run_nothing'; `changewire runs` lists them\n"),
    ],
)
def test_wrong_names_are_told(name: str, error: str, watched: Path) -> None:
    result = changewire("explain", name, "--home", watched)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(error)


def test_unchanged_polls_write_no_verdicts(make_home: Make) -> None:
    home = make_home(a=MEETINGS)
    seen: list[object] = []

    def twice(daemon: object) -> bool:
        store = getattr(daemon, "store")  # noqa: B009
        assert isinstance(store, SqliteStore)
        (record,) = store.triggers()
        seen.append(record.verdicts)
        return record.polls >= 4

    watch(home, until=twice)
    assert len({str(verdicts) for verdicts in seen if verdicts}) == 1


def test_fields_that_are_left_out_as_noise_are_named(make_home: Make, sandbox: Sandbox) -> None:
    home = make_home(a=DETAILS.replace("every: 1s", "every: 1s, ignore: [topic]"))
    watch(
        home,
        lambda: sandbox.control("update_meeting", meeting_id=MEETING, topic="Noise"),
        until=lambda daemon: bool((daemon.store.triggers()[0].verdicts or {}).get("ignored")),
    )
    assert "    left out as noise: topic\n" in told(home, "Details")
