"""A sandbox and homes on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from changewire.sandbox import OWNER_EMAIL, Sandbox
from tests.cli.rig import finished, watch, workflow
from tests.engine.rig import connection, write_home

MEETING = 85512340001
MEETINGS = workflow("Meetings", "zoom.new_meeting_created", f"{{user_id: {OWNER_EMAIL}}}")
DETAILS = workflow("Details", "zoom.meeting_details_changed", f"{{meeting_id: {MEETING}}}")
TYPO = "name: Typo\ntrigger: {type: zoom.new_meeting_creatd}\nsteps: []\n"
FAILING = workflow(
    "Failing", "zoom.new_meeting_created", f"{{user_id: {OWNER_EMAIL}}}",
    steps='[{use: zoom.get_meeting, with: {meeting_id: "1"}}]',
)  # fmt: skip


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(enforce_limits=False) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_home_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHANGEWIRE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def make_home(sandbox: Sandbox, tmp_path: Path) -> Callable[..., Path]:
    """Makes a home with the workflows given by keyword, connected to the sandbox."""

    def make(secret: str | None = None, **workflows: str) -> Path:
        given = connection(sandbox.url) if secret is None else connection(sandbox.url, secret=secret)
        return write_home(tmp_path / "home", given, **workflows)

    return make


@pytest.fixture(scope="session")
def watched(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which two workflows noticed one change each, one run failed, and one workflow is broken."""
    home = write_home(
        tmp_path_factory.mktemp("watched") / "home",
        connection(sandbox.url),
        meetings=MEETINGS,
        details=DETAILS,
        failing=FAILING,
        typo=TYPO,
    )

    def change() -> None:
        sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic="Seen")
        sandbox.control("update_meeting", meeting_id=MEETING, topic="Changed", settings={"mute_upon_entry": False})

    watch(home, change, until=lambda daemon: finished(daemon, 3))
    return home
