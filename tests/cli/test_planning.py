"""`check` asks, `plan` counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from changewire.sandbox import (
    ACCOUNT_ID,
    CLIENT_ID,
    CLIENT_SECRET,
    OWNER_EMAIL,
    USER_CLIENT_ID,
    USER_CLIENT_SECRET,
    Sandbox,
)
from tests.cli.rig import changewire, lines

SCOPES = [
    "meeting:read:list_meetings:admin", "meeting:read:list_past_participants:admin", "meeting:read:meeting:admin",
    "meeting:read:past_meeting:admin", "cloud_recording:read:list_user_recordings:admin", "user:read:user:admin",
]  # fmt: skip
MEETINGS = """
name: Meetings
trigger: {type: zoom.new_meeting_created, every: 30s, with: {user_id: me}}
steps: [{id: get, use: zoom.get_meeting, with: {meetingId: "85512340001"}}]
"""
RECORDINGS = """
name: Recordings
trigger: {type: zoom.new_cloud_recording, cron: "*/5 * * * *", with: {user_id: me}}
steps: []
"""
PEOPLE = """
name: People
trigger: {type: zoom.new_meeting_participant, cron: "*/5 * * * *", with: {meeting_id: "85512340001"}}
steps: []
"""
Make = Callable[..., Path]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(scopes=SCOPES, enforce_limits=False) as running:
        yield running


@pytest.fixture
def make(sandbox: Sandbox, tmp_path: Path) -> Make:
    """A home with one connection to the sandbox and these workflows."""

    def home(*workflows: str, plan: str = "business", **more: object) -> Path:
        config = tmp_path / "home" / "config"
        (config / "workflows").mkdir(parents=True)
        fields = {
            "auth": f"{{type: server_to_server, account_id: {ACCOUNT_ID}, client_id: {CLIENT_ID}, "
            f"client_secret: {CLIENT_SECRET}}}",
            "base_url": f"'{sandbox.url}'",
            **more,
        }
        written = ", ".join(f"{name}: {value}" for name, value in fields.items())
        (config / "connections.yaml").write_text(
            f"work: {{connector: zoom, plan: {plan}, user: {OWNER_EMAIL}, {written}}}\n"
        )
        for number, text in enumerate(workflows):
            (config / "workflows" / f"w{number}.yaml").write_text(text)
        return tmp_path / "home"

    return home


def findings(home: Path) -> dict[str, list[dict[str, object]]]:
    """What `check --json` finds for the only connection, by what was looked at."""
    (line,) = lines(changewire("check", "--home", home, "--json").stdout)
    found: dict[str, list[dict[str, object]]] = {}
    for one in line["findings"]:
        found.setdefault(one["what"], []).append(one)
    return found


def test_where_all_is_well_it_says_so(make: Make, sandbox: Sandbox) -> None:
    result = changewire("check", "--home", make(MEETINGS, RECORDINGS, PEOPLE))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "work (zoom)",
        f"  ok      reachable  Zoom answers at {sandbox.url}/v2/users/{OWNER_EMAIL.replace('@', '%40')}",
        "  ok      clock      this machine's clock is right",
        "  ok      sign_in    the credentials (server_to_server) are accepted",
        "  ok      scopes     all scopes that the workflows need are granted",
        "  ok      load       the plan allows what the triggers ask; `changewire plan` shows it",
    ]


def test_a_user_who_is_not_in_the_account_is_told(make: Make) -> None:
    home = make(MEETINGS)
    assert "user" not in findings(home)
    connections = home / "config" / "connections.yaml"
    connections.write_text(connections.read_text().replace(f"user: {OWNER_EMAIL}", "user: dana.hots@example.com"))
    assert changewire("check", "--home", home).exit_code == 3
    assert [(one["state"], one["message"]) for one in findings(home)["user"]] == [
        ("wrong", "there is no 'dana.hots@example.com' in this account: write somebody who is as its `user`")
    ]


def test_each_missing_scope_is_named_with_its_place_and_who_needs_it(make: Make, sandbox: Sandbox) -> None:
    sandbox.control("set_scopes", scopes=["meeting:read:list_past_participants:admin", "user:read:user:admin"])
    home = make(MEETINGS, PEOPLE)
    assert changewire("check", "--home", home).exit_code == 3
    told = findings(home)["scopes"]
    assert [(one["add"], one["needed_by"]) for one in told] == [
        ("meeting:read:list_meetings:admin", ["Meetings (trigger)"]),
        ("meeting:read:meeting:admin", ["Meetings (step get)"]),
        ("meeting:read:past_meeting:admin", ["People (trigger)"]),
    ]
    assert told[0]["message"] == (
        "Zoom App Marketplace → your app → Scopes: add meeting:read:list_meetings:admin; "
        "needed by workflow Meetings (trigger)"
    )


def test_an_app_with_classic_scopes_is_told_classic_ones(make: Make, sandbox: Sandbox) -> None:
    sandbox.control("set_scopes", scopes=["user:read:admin"])
    assert [one["add"] for one in findings(make(MEETINGS))["scopes"]] == ["meeting:read:admin"]


def test_a_scope_to_write_is_as_good_where_the_api_says_so(make: Make, sandbox: Sandbox) -> None:
    sandbox.control("set_scopes", scopes=["meeting:read:admin"])
    assert [one["state"] for one in findings(make(MEETINGS, PEOPLE))["scopes"]] == ["ok"]


def test_a_person_is_told_a_persons_scopes_and_to_sign_in_again(make: Make, sandbox: Sandbox) -> None:
    from changewire.clock import SystemClock
    from changewire.connectors.sign_in.token_store import TokenStore
    from tests.connectors.sign_in.test_user import sign_in

    home = make(MEETINGS, auth=f"{{type: oauth, client_id: {USER_CLIENT_ID}, client_secret: {USER_CLIENT_SECRET}}}")
    assert [(one["state"], one["message"]) for one in findings(home)["sign_in"]] == [
        ("wrong", "connection 'work' is not signed in; run: changewire connect work")
    ]
    sandbox.control("set_scopes", scopes=["user:read:user"])
    clock = SystemClock()
    sign_in(sandbox, TokenStore.of_home(home, clock), clock)
    sandbox.control("expire_tokens")  # it is renewed on the way
    (first, _) = findings(home)["scopes"]
    assert first["message"] == (
        "Zoom App Marketplace → your app → Scopes: add meeting:read:list_meetings, then run: changewire connect work; "
        "needed by workflow Meetings (trigger)"
    )


def test_a_plan_that_is_too_small_is_told(make: Make) -> None:
    told = findings(make(RECORDINGS, PEOPLE, plan="free"))["plan"]
    assert [one["message"] for one in told] == [
        "plan free does not include what needs at least pro: workflow Recordings (trigger), People (trigger); leave "
        "that out, or write the account's real plan into connections.yaml"
    ]


def test_a_clock_that_is_wrong_is_told(make: Make, sandbox: Sandbox) -> None:
    sandbox.control("clock", advance_s=95)
    (told,) = findings(make())["clock"]
    assert told["state"] == "wrong"
    assert str(told["message"]).startswith("this machine's clock is 1m3")
    assert str(told["message"]).endswith("s behind that of Zoom: let it be set by the network (NTP)")


def test_wrong_credentials_are_told_and_nothing_else_is_guessed(make: Make) -> None:
    home = make(MEETINGS)
    file = home / "config" / "connections.yaml"
    file.write_text(file.read_text().replace(CLIENT_SECRET, "wrong-secret"))
    assert changewire("check", "--home", home).exit_code == 3
    found = findings(home)
    assert [one["state"] for one in found["sign_in"]] == ["wrong"]
    assert "scopes" not in found


def test_an_api_out_of_reach_is_no_affair_of_a_person(make: Make) -> None:
    home = make(MEETINGS, base_url="http://127.0.0.1:9")
    result = changewire("check", "--home", home, "work")
    assert result.exit_code == 1
    assert "FAILED  reachable  127.0.0.1:9 cannot be reached" in result.stdout


def test_credentials_that_do_not_tell_their_scopes_are_no_fault(make: Make, sandbox: Sandbox) -> None:
    form = {"grant_type": "account_credentials", "account_id": ACCOUNT_ID}
    import requests

    token = requests.post(f"{sandbox.url}/oauth/token", data=form, auth=(CLIENT_ID, CLIENT_SECRET), timeout=5).json()[
        "access_token"
    ]
    home = make(MEETINGS, auth=f"{{type: bearer, token: {token}}}")
    assert changewire("check", "--home", home).exit_code == 0
    assert [one["state"] for one in findings(home)["scopes"]] == ["unknown"]


def test_load_that_is_too_much_is_told_with_whom_to_slow_down(make: Make) -> None:
    home = make(MEETINGS, RECORDINGS, PEOPLE, plan="free", share="0.5")
    assert [one["message"] for one in findings(home)["load"]] == [
        "MEDIUM: 2 requests in the worst second, plan free allows 1; slow these down: People/trigger, "
        "Recordings/trigger",
        "MEDIUM: 3,456 requests a day, plan free allows 1,000; slow these down: Meetings/trigger, People/trigger, "
        "Recordings/trigger",
    ]


def test_plan_shows_each_trigger_and_the_sums_without_any_network(make: Make, sandbox: Sandbox) -> None:
    home = make(MEETINGS, PEOPLE, plan="pro")
    result = changewire("plan", "--home", home, "--json")
    assert result.exit_code == 0
    meetings, people, light, medium = lines(result.stdout)
    assert (meetings["trigger"], meetings["requests"], meetings["per_day"]) == (
        "Meetings/trigger", {"MEDIUM": 1}, {"MEDIUM": 2880},
    )  # fmt: skip
    assert people["requests"] == {"LIGHT": 1, "MEDIUM": 1}
    assert people["next_due"].endswith(("0:00.000000Z", "5:00.000000Z"))
    assert (light["label"], light["day"], light["day_allowed"]) == ("LIGHT", 288, None)
    assert (medium["label"], medium["triggers"], medium["day"], medium["peak_allowed"]) == ("MEDIUM", 2, 3168, 20)
    assert medium["enough"] is True
    assert sandbox.control("requests") == []


def test_triggers_that_ask_the_same_at_the_same_time_count_once(make: Make) -> None:
    home = make(RECORDINGS, RECORDINGS.replace("name: Recordings", "name: Also"), plan="pro")
    also, recordings, label = lines(changewire("plan", "--home", home, "--json").stdout)
    assert (also["shares_with"], recordings["shares_with"]) == (None, "Also/trigger")
    assert (label["peak"], label["day"]) == (1, 288)


def test_plan_needs_a_person_where_the_plan_allows_less(make: Make) -> None:
    result = changewire("plan", "--home", make(MEETINGS, plan="free"))
    assert result.exit_code == 3
    assert result.stderr == (
        "work: MEDIUM: 2,880 requests a day, plan free allows 2,000; slow these down: Meetings/trigger\n"
    )
    assert "2,880 of 2,000  too many" in result.stdout


def test_workflows_that_cannot_be_used_are_named(make: Make) -> None:
    result = changewire("check", "--home", make("name: Typo\ntrigger: {type: zoom.nothing}\nsteps: []\n"))
    assert "not looked at, since they cannot be used: Typo; `changewire validate` tells why" in result.stderr


def test_a_home_without_connections_has_nothing_to_check(make: Make) -> None:
    home = make()
    (home / "config" / "connections.yaml").unlink()
    result = changewire("check", "--home", home)
    assert (result.exit_code, result.stderr) == (
        2, "there is no connection that can be used: write one into config/connections.yaml, "
        "or mend what `changewire validate` tells of those there\n",
    )  # fmt: skip
