"""Every recipe does what its heading says: against the stand-in for Zoom, a mail server and a web server."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from changewire.sandbox import OWNER_EMAIL, Sandbox
from changewire.testing import ManualClock
from tests.actions.mail_server import Behaviour, MailServer
from tests.cli.rig import changewire
from tests.docs.pages import DOCS, blocks
from tests.sandbox.api import Api
from tests.support.homes import connection, make_home
from tests.support.processes import ask
from tests.support.recorder import Recorder
from tests.support.turning import Turned

PAGE = DOCS / "how-to" / "recipes.md"
RECIPES = {block.title: block for block in blocks(PAGE) if block.title.startswith("config/workflows/")}
MEETING = 85512340002  # of the stand-in; recipes name it
BERLIN = ZoneInfo("Europe/Berlin")
DAY = 24 * 3600.0
COMPONENTS, RELEASES = "/components.json", "/repos/python/cpython/releases"


class Kitchen:
    """A home with one recipe, and everything around it."""

    def __init__(self, folder: Path, sandbox: Sandbox, web: Recorder, mail: MailServer) -> None:
        self.sandbox, self.web, self.mail, self._folder = sandbox, web, mail, folder
        self._open: list[Turned] = []

    def begin(self, file: str) -> None:
        """Take the recipe and let it poll for the first time."""
        self.web.pages[COMPONENTS] = {"components": [{"id": "x1", "name": "Pages", "status": "operational"}]}
        self.web.pages[RELEASES] = []
        text = RECIPES[f"config/workflows/{file}.yaml"].text
        text = text.replace("server: smtp.example.com", f"server: 127.0.0.1\n      port: {self.mail.port}")
        others = {name: {"connector": "http", "base_url": self.web.url} for name in ("crm", "github", "github_status")}
        connections = json.loads(connection(self.sandbox.url, user=OWNER_EMAIL)) | others
        notify = self.web.url.replace("http", "json")
        variables = f"NOTIFY_URL={notify}/notify\nSMTP_USER=me\nSMTP_PASSWORD=open-sesame\n"
        self.home = make_home(
            self._folder / "home", json.dumps(connections), {file: text}, "http: {allow_private: true}\n", variables
        )
        self.clock = ManualClock(self.sandbox.clock.now())
        turned = Turned(self.home, self.clock)
        self._open.append(turned.start())
        self.wait()

    def wait(self, seconds: float = 3600.0, times: int = 1) -> None:
        """Let time pass, and what is due be done."""
        for _ in range(times):
            self.clock.advance(seconds)
            self.sandbox.control("clock", advance_s=seconds)
            self._open[-1].turn()

    def do(self, name: str, **arguments: Any) -> Any:
        """Something happens at Zoom; recipes see it within the hour."""
        found = self.sandbox.control(name, **arguments)
        self.wait()
        return found

    def told(self) -> list[tuple[str, str]]:
        """Title and text of the notifications."""
        return [(sent["title"], sent["message"]) for path, _, sent in self.web.calls if path == "/notify"]

    def mails(self) -> list[tuple[list[str], str]]:
        """Recipients and subjects of the messages."""
        return [(one.recipients, str(one.message["Subject"])) for one in self.mail.taken]

    def states(self) -> list[str]:
        """How the runs ended."""
        return [state for (state,) in ask(self.home, "SELECT state FROM runs ORDER BY seq")]

    def close(self) -> None:
        """End in good order."""
        for turned in self._open:
            turned.close()


@pytest.fixture
def kitchen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kitchen]:
    mail = MailServer(tmp_path, Behaviour(user="me"))
    monkeypatch.setenv("SSL_CERT_FILE", str(mail.certificate))
    with Sandbox() as sandbox, Recorder() as web:
        made = Kitchen(tmp_path, sandbox, web, mail)
        for place in ("changewire.cli.performing", "changewire.clock"):
            monkeypatch.setattr(f"{place}.SystemClock", lambda: made.clock)
        yield made
        made.close()
    mail.close()


def recording_ready(kitchen: Kitchen) -> None:
    kitchen.do("end_meeting", meeting_id=MEETING, recording="completed")
    [(title, text)] = kitchen.told()
    assert title.startswith("Recording ready: ")
    assert "minutes: http" in text


def keep_recordings(kitchen: Kitchen) -> None:
    kitchen.do("end_meeting", meeting_id=MEETING, recording="completed")
    [(to, subject)] = kitchen.mails()
    assert (to, subject.startswith("Saved: ")) == (["team@example.com"], True)
    saved = [path for path in (kitchen.home / "state" / "downloads").rglob("*.*") if path.suffix == ".mp4"]
    assert len(saved) == 1
    assert saved[0].name in kitchen.mail.taken[0].message.get_content()


def send_summary(kitchen: Kitchen) -> None:
    kitchen.do("end_meeting", meeting_id=MEETING, summary="## They agreed")
    assert [to for to, _ in kitchen.mails()] == [[OWNER_EMAIL]]
    assert [part.get_filename() for part in kitchen.mail.taken[0].message.iter_attachments()]


def attendance(kitchen: Kitchen) -> None:
    kitchen.do("start_meeting", meeting_id=MEETING)
    kitchen.do("end_meeting", meeting_id=MEETING, participants=[{"name": "Ann"}, {"name": "Ben"}])
    kitchen.wait()
    with closing(sqlite3.connect(kitchen.home / "state" / "tables" / "attendance.db")) as table:
        assert table.execute("SELECT person FROM participants ORDER BY person").fetchall() == [("Ann",), ("Ben",)]


def registrants(kitchen: Kitchen) -> None:
    kitchen.do("add_registrant", meeting_id=MEETING, email="kim@example.net", first_name="Kim", last_name="Guest")
    [row] = csv.DictReader((kitchen.home / "state" / "files" / "registrants.csv").read_text().splitlines())
    assert (row["name"], row["email"]) == ("Kim Guest", "kim@example.net")
    [(path, key, sent)] = kitchen.web.calls
    assert (path, sent["email"], sent["first_name"], bool(key)) == ("/contacts", "kim@example.net", "Kim", True)


def approve(kitchen: Kitchen) -> None:
    for email in ("kim@example.com", "kim@example.net"):
        kitchen.do("add_registrant", meeting_id=MEETING, email=email, status="pending")
    assert kitchen.states() == ["succeeded", "filtered"]
    zoom = Api(kitchen.sandbox)
    listed = zoom.get(f"/meetings/{MEETING}/registrants", status="approved")["registrants"]
    zoom.session.close()
    assert [each["email"] for each in listed] == ["kim@example.com"]


def welcome(kitchen: Kitchen) -> None:
    kitchen.do("create_user", email="kim@example.com", first_name="Kim")
    assert kitchen.mails() == [(["kim@example.com"], "Welcome to Zoom")]
    kitchen.wait(7 * DAY)
    assert kitchen.mails()[1:] == [(["kim@example.com"], "Your first week with Zoom")]


def digest(kitchen: Kitchen) -> None:
    for topic in ("First", "Second"):
        kitchen.sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic=topic)
    kitchen.wait(times=5 * 24)
    [(title, text)] = kitchen.told()
    assert title == "2 new meetings"
    assert "First" in text
    assert "Second" in text


def every_morning(kitchen: Kitchen) -> None:
    morning = (kitchen.clock.now() + timedelta(days=1)).replace(hour=6, minute=0, second=0)
    kitchen.wait((morning - kitchen.clock.now()).total_seconds())
    begins = f"{kitchen.clock.now().astimezone(BERLIN):%Y-%m-%d}T23:00:00"
    kitchen.do("create_meeting", user_id=OWNER_EMAIL, topic="Late", start_time=begins, timezone="Europe/Berlin")
    assert kitchen.told() == []
    assert changewire("call", "core.emit", "name=every_morning", "--home", kitchen.home).exit_code == 0
    kitchen.wait()
    [(title, text)] = kitchen.told()
    assert title.endswith(" meetings today")
    assert "23:00  Late" in text


def device_offline(kitchen: Kitchen) -> None:
    device = kitchen.do("add_device", device_name="Desk by the window")["device_id"]
    kitchen.wait(times=3)
    kitchen.do("set_device_status", device_id=device, online=False)
    assert kitchen.told() == []
    kitchen.wait(times=3)
    assert [title for title, _ in kitchen.told()] == ["Desk by the window is offline"]


def service_trouble(kitchen: Kitchen) -> None:
    kitchen.web.pages[COMPONENTS] = {"components": [{"id": "x1", "name": "Pages", "status": "major_outage"}]}
    kitchen.wait()
    assert kitchen.told() == [("Pages: major_outage", "It was operational.")]


def new_release(kitchen: Kitchen) -> None:
    made = kitchen.clock.now().isoformat()
    release = {"tag_name": "v4.0", "name": "", "html_url": "https://x.example.com/v4", "published_at": made}
    kitchen.web.pages[RELEASES] = [
        {"id": 1, "prerelease": False, **release},
        {"id": 2, "prerelease": True, **release},
    ]
    kitchen.wait()
    assert kitchen.told() == [("v4.0 is out", "https://x.example.com/v4")]


TRIED: tuple[Callable[[Kitchen], None], ...] = (
    recording_ready, keep_recordings, send_summary, attendance, registrants, approve, welcome, digest,
    every_morning, device_offline, service_trouble, new_release,
)  # fmt: skip


def test_every_recipe_is_tried() -> None:
    assert {f"config/workflows/{one.__name__}.yaml" for one in TRIED} == set(RECIPES)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # in Apprise
@pytest.mark.parametrize("recipe", TRIED, ids=lambda one: one.__name__)
def test_a_recipe_does_what_it_is_for(kitchen: Kitchen, recipe: Callable[[Kitchen], None]) -> None:
    kitchen.begin(recipe.__name__)
    recipe(kitchen)
    assert set(kitchen.states()) <= {"succeeded", "filtered"}
