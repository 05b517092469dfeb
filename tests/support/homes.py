"""Homes for tests: a folder with settings, a connection to a sandbox, and workflows for all eleven types."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from changewire.sandbox import ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET, OWNER_EMAIL, Sandbox

GROUP = "figures"
SETTINGS = "http: {allow_private: true}\n"
"""Steps of tests talk to a recorder on this machine."""


@dataclass(frozen=True)
class Cast:
    """The meetings and webinars that the eleven types watch, each type its own, so that none disturbs another."""

    details: int
    recording: int
    participants: int
    summary: int
    webinar: int
    audience: int

    def watches(self, page: int = 2) -> dict[str, tuple[str, dict[str, Any]]]:
        """Workflow name → trigger type and its parameters; lists are asked for in pages of ``page``."""
        owner, size = OWNER_EMAIL, {"page_size": page}
        return {
            "details": ("zoom.meeting_details_changed", {"meeting_id": self.details}),
            "meetings": ("zoom.new_meeting_created", {"user_id": owner, **size}),
            "recording": ("zoom.meeting_recording_changed", {"meeting_id": str(self.recording)}),
            "recordings": ("zoom.new_cloud_recording", {"user_id": owner, **size}),
            "participants": ("zoom.new_meeting_participant", {"meeting_id": str(self.participants), **size}),
            "summary": ("zoom.meeting_summary_updated", {"meeting_id": str(self.summary)}),
            "user": ("zoom.user_information_changed", {"user_id": owner}),
            "report": ("zoom.daily_usage_report_changed", {"group_id": GROUP}),
            "webinars": ("zoom.new_webinar_created", {"user_id": owner, **size}),
            "webinar": ("zoom.webinar_details_changed", {"webinar_id": str(self.webinar)}),
            "audience": ("zoom.new_webinar_participant", {"webinar_id": str(self.audience), **size}),
        }


def make_cast(sandbox: Sandbox) -> Cast:
    """Meetings and webinars for every type; those of sessions have had one already."""
    daily = {"type": 1, "repeat_interval": 1, "end_times": 50}
    recurring = {"type": 8, "recurrence": daily, "user_id": OWNER_EMAIL}
    meeting = [sandbox.control("create_meeting", topic=f"Watched {n}", **recurring)["meeting_id"] for n in range(4)]
    webinar = [
        sandbox.control("create_webinar", topic=f"Watched webinar {n}", **(recurring | {"type": 9}))["webinar_id"]
        for n in range(2)
    ]
    cast = Cast(*meeting, *webinar)
    people = [{"name": "Ann"}, {"name": "Ben"}, {"name": "Cho"}]
    sandbox.control("end_meeting", meeting_id=cast.participants, participants=people)
    sandbox.control("end_meeting", meeting_id=cast.recording, recording="completed")
    sandbox.control("end_meeting", meeting_id=cast.summary, summary="## First")
    sandbox.control("end_webinar", webinar_id=cast.audience, participants=people)
    sandbox.control("bump_report", meetings=1, group_id=GROUP)
    return cast


def connection(url: str, **more: Any) -> str:
    """The file of connections with the one to a sandbox."""
    auth = {"type": "server_to_server", "account_id": ACCOUNT_ID, "client_id": CLIENT_ID}
    auth["client_secret"] = CLIENT_SECRET
    return json.dumps({"zoom": {"connector": "zoom", "plan": "business", "base_url": url, "auth": auth, **more}})


def workflow(
    name: str,
    type_: str,
    parameters: Mapping[str, Any],
    *,
    every: str = "1s",
    steps: list[Any] | None = None,
    **more: Any,
) -> str:
    """A workflow file (JSON is YAML)."""
    trigger = {"type": type_, "every": every, "with": dict(parameters), **more}
    steps = steps if steps is not None else [{"use": "core.log", "with": {"message": "{{ event.id }}"}}]
    return json.dumps({"name": name, "trigger": trigger, "steps": steps})


def make_home(
    path: Path, connections: str, workflows: Mapping[str, str], settings: str = SETTINGS, variables: str = ""
) -> Path:
    """Write the files of a home; ``workflows`` are texts by the stem of their file, ``variables`` go to .env."""
    (path / "config" / "workflows").mkdir(parents=True)
    (path / "config" / "changewire.yaml").write_text(settings)
    (path / "config" / "connections.yaml").write_text(connections)
    (path / "config" / ".env").write_text(variables)
    for name, text in workflows.items():
        (path / "config" / "workflows" / f"{name}.yaml").write_text(text)
    return path


def eleven(
    cast: Cast, *, every: str = "1s", steps: list[Any] | None = None, only: tuple[str, ...] = (), page: int = 2
) -> dict[str, str]:
    """A workflow for each of the eleven types, or for those named."""
    return {
        name: workflow(name, type_, parameters, every=every, steps=steps)
        for name, (type_, parameters) in cast.watches(page).items()
        if not only or name in only
    }
