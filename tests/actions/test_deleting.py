"""A deletion whose answer was lost: what is not there any more was deleted, if somebody tried it before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from changewire.actions.calling import check_inputs, perform
from changewire.errors import ApiError
from tests.actions.rig import Rig, connection
from tests.connectors.server import Reply, Server

WORKFLOW = "steps: [{use: zoom.delete_meeting, with: {meetingId: 85512340002}}]\n"
GONE = Reply(404, {"code": 3001, "message": "Meeting does not exist: 85512340002."})
LOST = Reply(502, b"<html>Bad gateway</html>")


def run(rig: Rig) -> str:
    """Carry the only run on until it ends or a person must look."""
    state = str(rig.go())
    while state == "waiting":
        rig.clock.wait(60)
        state = str(rig.go())
    return state


@pytest.mark.parametrize(
    ("replies", "state", "asked"),
    [
        ([LOST, GONE], "succeeded", 2),
        ([LOST, LOST, GONE], "succeeded", 3),
        ([GONE], "paused", 1),  # the first try: the number is wrong, or somebody else was quicker
        (
            [Reply(429, {"code": 429, "message": "Too many concurrent requests."}), GONE],
            "paused",
            2,
        ),  # refused is not lost
        ([LOST, Reply(400, {"code": 200, "message": "No permission."})], "paused", 2),
    ],
)
def test_what_a_lost_attempt_deleted_is_not_missed(
    rig: Rig, server: Server, replies: list[Reply], state: str, asked: int
) -> None:
    server.on("/v2/meetings/85512340002", *replies)
    rig.start(WORKFLOW)
    assert run(rig) == state
    assert len(server.seen) == asked


class Killed(BaseException):
    """The process ends."""


def test_a_process_that_ended_in_it_may_have_deleted_it(
    rig: Rig, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any) -> None:
        raise Killed

    server.on("/v2/meetings/85512340002", GONE)
    rig.start(WORKFLOW)
    with monkeypatch.context() as patch:
        patch.setattr("changewire.actions.flow.acting.perform", die)
        with pytest.raises(Killed):
            rig.go()
    assert [state for _, _, state in rig.attempts] == ["running"]
    rig.store.close()
    rig.store.open()
    assert run(rig) == "succeeded"


def test_what_was_certainly_not_sent_did_not_delete_it(make_rig: Callable[..., Rig], server: Server) -> None:
    rig = make_rig(connection("work", "http://127.0.0.1:9"))  # where nobody listens
    rig.start(WORKFLOW)
    assert str(rig.go()) == "waiting"
    server.on("/v2/meetings/85512340002", GONE)
    rig.connections["work"] = connection("work", server.url)
    rig.clients.replace(rig.connections)
    rig.clock.wait(60)
    assert run(rig) == "paused"


def test_by_hand_it_is_the_first_try(rig: Rig, server: Server) -> None:
    server.on("/v2/meetings/85512340002/recordings", Reply(404, {"code": 3301, "message": "There is no recording."}))
    action = rig.action("zoom.delete_meeting_recordings")
    values = check_inputs(action, {"meetingId": "85512340002"})
    assert perform(action, values, rig.context("work", look_first=True)) is None
    with pytest.raises(ApiError):
        perform(action, values, rig.context("work", look_first=False))


def test_reading_what_is_gone_fails_at_every_try(rig: Rig, server: Server) -> None:
    server.on("/v2/meetings/85512340002", LOST, GONE)
    rig.start("steps: [{use: zoom.get_meeting, with: {meetingId: 85512340002}}]\n")
    assert run(rig) == "paused"
