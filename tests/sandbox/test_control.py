from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from changewire.sandbox import OWNER_EMAIL, ControlError, Sandbox
from tests.sandbox.api import Api


def test_an_unknown_action_is_answered_with_the_nearest(sandbox: Sandbox) -> None:
    answer = requests.post(f"{sandbox.url}/sandbox/creat_meeting", json={}, timeout=5)
    assert answer.status_code == 404
    assert answer.json()["nearest"] == "create_meeting"
    assert "end_webinar" in answer.json()["known"]


@pytest.mark.parametrize(
    ("action", "arguments", "part"),
    [
        ("create_meeting", {}, "user_id"),
        ("create_meeting", {"user_id": "nobody"}, "no user"),
        ("end_meeting", {"meeting_id": 1}, "no meeting"),
        ("join", {"meeting_id": 85512340001}, "no session"),
        ("switch", {"plan": "gold"}, "cannot be"),
        ("switch", {"plam": "pro"}, "no switch"),
        ("clock", {"advance_s": -5}, "forward"),
        ("faults", {"kind": "earthquake"}, "no fault kind"),
        ("faults", {"kind": "delay", "dealy_s": 1}, "does not take"),
        ("faults", {"kind": "delay", "match": "("}, "regular expression"),
        ("grow_schema", {"kind": "moon", "key": "x"}, "no kind"),
        ("create_user", {"email": OWNER_EMAIL}, "in use"),
        ("add_recording_file", {"meeting_id": 85512340003, "file_type": "EXE"}, "file type"),
        ("create_meeting", {"user_id": "me", "start_time": "soon"}, "ValueError"),
    ],
)
def test_a_call_that_cannot_be_done_says_why(
    sandbox: Sandbox, action: str, arguments: dict[str, object], part: str
) -> None:
    with pytest.raises(ControlError, match=part):
        sandbox.control(action, **arguments)
    answer = requests.post(f"{sandbox.url}/sandbox/{action}", json=arguments, timeout=5)
    assert answer.status_code in (400, 409)
    assert part in answer.json()["error"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:80"}, 421),
        ({"Host": "localhost.evil.example"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),
    ],
)
def test_another_web_page_cannot_control_the_sandbox(sandbox: Sandbox, headers: dict[str, str], status: int) -> None:
    before = sandbox.clock.time()
    for method, path in [("POST", "clock"), ("GET", "state"), ("DELETE", "faults"), ("POST", "reset")]:
        answer = requests.request(method, f"{sandbox.url}/sandbox/{path}", headers=headers, data="{}", timeout=5)
        assert answer.status_code == status
    turned = requests.post(f"{sandbox.url}/sandbox/clock", headers=headers, data='{"advance_s": 86400}', timeout=5)
    assert turned.status_code == status
    assert sandbox.clock.time() - before < 3600


def test_this_machine_may_control_the_sandbox_under_each_of_its_names(sandbox: Sandbox) -> None:
    port = sandbox.url.rpartition(":")[2]
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", "LOCALHOST", f"[::1]:{port}", "[::1]"):
        headers = {"Host": host, "Origin": f"http://{host}"}
        assert requests.post(f"{sandbox.url}/sandbox/clock", headers=headers, data="{}", timeout=5).status_code == 200


def test_state_stats_requests_and_history_can_be_read(api: Api) -> None:
    api.get("/users/me")
    read = {
        name: requests.get(f"{api.sandbox.url}/sandbox/{name}", timeout=5).json()
        for name in ("state", "stats", "requests", "history", "faults")
    }
    assert read["state"]["owner_id"] == "q7QmZkX3TYaW0c5n2LfUxg"
    assert read["state"]["records"]["/groups"] == 1
    assert read["stats"]["by_status"]["200"] == 2
    assert read["requests"][-1]["path"] == "/v2/users/me"
    assert read["requests"][-1]["status"] == 200
    assert read["history"][0]["kind"] == "user_created"
    assert requests.get(f"{api.sandbox.url}/sandbox/nothing", timeout=5).status_code == 404


def test_the_control_api_explains_itself(sandbox: Sandbox) -> None:
    about = requests.get(f"{sandbox.url}/sandbox", timeout=5).json()
    assert about["actions"]["start_meeting"].startswith("(meeting_id: 'int | str')")
    assert about["about"]["start_meeting"] == "Start a session; the meeting's status turns to ``started``."
    assert "" not in about["about"].values()
    assert about["switches"]["plan"] == "business"
    assert about["faults"]["delay"] == {"delay_s": 1.0}


def test_a_reset_starts_anew(api: Api) -> None:
    before = api.get("/users/me/meetings")["meetings"]
    api.control("create_meeting", user_id="me")
    api.control("switch", plan="pro", me="error")
    api.control("clock", advance_s=86400 * 9)
    api.control("faults", kind="reset")
    api.control("reset")
    api.error("/users/me", 401, 124)
    api.sign_in()
    assert [row["id"] for row in api.get("/users/me/meetings")["meetings"]] == [row["id"] for row in before]
    assert abs((api.sandbox.clock.now().timestamp()) - time.time()) < 5
    assert api.control("stats")["requests"] == 3


def test_the_same_seed_makes_the_same_ids() -> None:
    made = []
    for seed in (1, 1, 2):
        sandbox = Sandbox(seed=seed)
        made.append(sandbox.world.create_meeting(OWNER_EMAIL))
        sandbox.close()
    assert made[0] == made[1] != made[2]


def test_an_empty_world_can_be_filled() -> None:
    with Sandbox(populate=False) as sandbox:
        api = Api(sandbox)
        api.error("/users/me", 404, 1001)
        sandbox.world.create_user("first@example.com")
        assert api.get("/users/me")["role_name"] == "Owner"
        api.session.close()


def test_a_port_in_use_is_refused(sandbox: Sandbox) -> None:
    port = int(sandbox.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        Sandbox(port=port)


def test_the_clock_can_be_set_and_answers_tell_it(api: Api) -> None:
    assert api.control("clock", set="2099-01-01T00:00:00Z")["now"] == "2099-01-01T00:00:00Z"
    assert api.call("GET", "/users/me").headers["Date"].startswith("Thu, 01 Jan 2099 00:00:")


def test_many_clients_at_once_are_served(api: Api) -> None:
    def work(number: int) -> set[int]:
        mine = Api(api.sandbox)
        statuses = set()
        for turn in range(8):
            mine.control("create_meeting", user_id="me", topic=f"{number}.{turn}")
            statuses.add(mine.call("GET", "/users/me/meetings").status_code)
        mine.session.close()
        return statuses

    with ThreadPoolExecutor(12) as pool:
        assert set().union(*pool.map(work, range(12))) == {200}
    assert api.get("/users/me/meetings")["total_records"] == 3 + 12 * 8
    assert api.control("stats")["most_in_flight"] >= 1


def test_records_are_listed_while_others_make_and_remove_them(api: Api) -> None:
    def work(number: int) -> set[int]:
        mine, statuses = Api(api.sandbox), set()
        for turn in range(8):
            made = mine.call("POST", "/groups", json={"name": f"{number}.{turn}"})
            statuses |= {made.status_code, mine.call("GET", "/groups").status_code}
            statuses.add(mine.call("DELETE", f"/groups/{made.json()['id']}").status_code)
        mine.session.close()
        return statuses

    with ThreadPoolExecutor(8) as pool:
        assert set().union(*pool.map(work, range(8))) == {200, 201, 204}
    assert [row["name"] for row in api.get("/groups")["groups"]] == ["Sales"]


def test_closing_hangs_up(sandbox: Sandbox) -> None:
    other = Sandbox()
    other.start()
    api = Api(other)
    other.close()
    with pytest.raises(requests.ConnectionError):
        api.call("GET", "/users/me")
    api.session.close()
