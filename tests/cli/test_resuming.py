"""``resume --done``: a person says that a step was done, where nobody else can know it."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from changewire.sandbox import OWNER_EMAIL, Sandbox
from tests.cli.rig import changewire, finished, lines, watch, workflow
from tests.support.recorder import Recorder

Make = Callable[..., Path]


ORDER = workflow(
    "Order", "zoom.new_meeting_created", f"{{user_id: {OWNER_EMAIL}}}",
    steps="[{id: order, use: http.request, with: {method: POST, url: /order, connection: shop}, idempotency: none, "
    'timeout: 1s}, {use: core.log, with: {message: "{{ steps.order.body.id }}"}}]',
)  # fmt: skip


@pytest.fixture
def shop() -> Iterator[Recorder]:
    with Recorder(hold_from=1) as one:
        yield one
        one.go.set()


@pytest.fixture
def lost(make_home: Make, sandbox: Sandbox, shop: Recorder) -> tuple[Path, dict[str, Any]]:
    """A home with a run whose first step was sent and never answered, and that run."""
    made = make_home(order=ORDER)
    connections = made / "config" / "connections.yaml"
    connections.write_text(f"{connections.read_text()}\nshop: {{connector: http, base_url: '{shop.url}'}}\n")
    watch(
        made,
        lambda: sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic="Seen"),
        until=lambda daemon: finished(daemon, 1),
    )
    (run,) = runs(made)
    return made, run


def runs(home: Path) -> list[dict[str, Any]]:
    return lines(changewire("runs", "--home", home, "--json").stdout)


def go_on(home: Path) -> dict[str, Any]:
    watch(home, until=lambda daemon: finished(daemon, 1))
    (run,) = runs(home)
    return run


def test_what_was_done_is_not_done_again_and_later_steps_see_the_output(
    lost: tuple[Path, dict[str, Any]], shop: Recorder
) -> None:
    home, run = lost
    assert (run["state"], run["steps"][0]["effect"]) == ("paused", "unknown")
    assert f"If it was, `changewire resume {run['id']} --done` goes on after it" in run["steps"][0]["next"]
    assert "look there first, and see what it says under next" in changewire("runs", run["id"], "--home", home).stdout
    result = changewire("resume", run["id"], "--done", "--output", '{"body": {"id": 7}}', "--home", home)
    assert (result.exit_code, result.stdout) == (0, f"{run['id']}  Order  goes on after steps/0\n")
    done = go_on(home)
    assert (done["state"], len(shop.calls)) == ("succeeded", 1)
    first, second = done["steps"]
    assert (first["state"], first["attempts"], first["output"]) == ("succeeded", 2, {"body": {"id": 7}})
    assert (first["effect"], first["done_by"], first["next"]) == ("told", getpass.getuser(), None)
    assert (second["output"]["message"], second["done_by"]) == ("7", None)
    for command in ("runs", "explain"):
        shown = changewire(command, run["id"], "--home", home).stdout
        assert f"was not tried: {getpass.getuser()} said that it was done" in shown
        assert "may have been done" not in shown


def test_an_output_that_was_forgotten_can_be_given_after_all(lost: tuple[Path, dict[str, Any]]) -> None:
    home, run = lost
    result = changewire("resume", run["id"], "--done", "--home", home, "--json")
    words = f"`changewire resume {run['id']} --done --step 'steps/0' --output JSON` gives one"
    assert f"its output is null: where a later step needs a field of it, {words}\n" in result.stderr
    (told,) = lines(result.stdout)
    assert (told["state"], told["steps"][0]["output"]) == ("pending", None)
    again = go_on(home)
    assert (again["state"], again["reason"].split(":")[0]) == ("paused", "steps/1 (core.log)")
    more = ("resume", run["id"], "--done", "--step", "steps/0", "--output", '{"body": {"id": "ü"}}', "--home", home)
    assert changewire(*more).exit_code == 0
    assert (go_on(home)["state"], runs(home)[0]["steps"][1]["output"]["message"]) == ("succeeded", "ü")


WRONG = [
    (("--done", "--output", "{id: 7}"), 2, "--output: '{id: 7}' is no JSON: "),
    (("--done", "--output", "NaN"), 2, "--output: 'NaN' is no JSON: "),
    (
        ("--done", "--output", f'"{"x" * (1 << 20)}"'),
        2,
        "--output is 1048578 bytes, more than the 1048576 that are kept",
    ),
    (("--output", "1"), 2, "--output and --step go with --done"),
    (("--step", "steps/0"), 2, "--output and --step go with --done"),
    (("--done", "--all"), 2, "say either RUN or --all, not both"),
    (("--done", "--step", "steps/1"), 1, "there is no"),
]


@pytest.mark.parametrize(("words", "code", "told"), WRONG, ids=[" ".join(words)[:40] for words, _, _ in WRONG])
def test_wrong_use_is_one_sentence(words: tuple[str, ...], code: int, told: str, make_home: Make) -> None:
    result = changewire("resume", "run_1", *words, "--home", make_home())
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (code, "", 1)
    assert result.stderr.startswith(told)


def test_many_runs_cannot_be_said_to_be_done_at_once(make_home: Make) -> None:
    result = changewire("resume", "--all", "--done", "--home", make_home())
    assert (result.exit_code, result.stderr) == (2, "--done goes with one RUN: look for each whether it was done\n")


def test_a_run_that_is_not_paused_by_an_action_has_nothing_to_be_done(watched: Path) -> None:
    for run in runs(watched):
        if run["state"] == "succeeded":
            result = changewire("resume", run["id"], "--done", "--home", watched)
            told = f"{run['id']} is succeeded, and only a step of a paused run can be said to be done\n"
            assert (result.exit_code, result.stderr) == (1, told)


def test_a_run_says_which_step_it_waits_for_and_who_resumed_it(lost: tuple[Path, dict[str, Any]]) -> None:
    home, run = lost
    assert (run["waits_for_step"], run["resumes"], run["resumed_at"], run["resumed_by"]) == ("steps/0", 0, None, None)
    assert "it waits for steps/0\n" in changewire("runs", run["id"], "--home", home).stdout
    assert changewire("resume", run["id"], "--home", home).exit_code == 0
    (after,) = runs(home)
    assert (after["state"], after["waits_for_step"]) == ("pending", None)
    assert (after["resumes"], after["resumed_by"]) == (1, getpass.getuser())
    assert after["steps"][0]["next"] is None, "what it came to before is done again"
    shown = changewire("runs", run["id"], "--home", home).stdout
    assert f" by {getpass.getuser()}; a person resumed it 1 time\n" in shown
