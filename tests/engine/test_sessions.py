"""Types that look up sessions first: what one session lacks says nothing of the others."""

from __future__ import annotations

from collections.abc import Callable

from changewire.sandbox import Sandbox
from tests.engine.rig import USER, Rig, workflow

Make = Callable[..., Rig]


def test_a_session_without_a_summary_does_not_hide_those_of_others(sandbox: Sandbox, rig: Make) -> None:
    number = sandbox.control("create_meeting", user_id=USER, topic="Weekly")["meeting_id"]
    summaries = rig(summary=workflow("Sum", "zoom.meeting_summary_updated", f'{{meeting_id: "{number}"}}'))
    summaries.poll()
    first = sandbox.control("end_meeting", meeting_id=number, summary="## First")
    sandbox.clock.advance(60)
    sandbox.control("end_meeting", meeting_id=number)
    summaries.poll()
    sandbox.control("edit_summary", uuid=first["uuid"], content="## Edited")
    summaries.poll()
    assert [(e.event_type, e.payload["summary"]["meeting_uuid"]) for e in summaries.events] == [
        ("created", first["uuid"]),
        ("updated", first["uuid"]),
    ]
