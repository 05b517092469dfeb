"""A busy account: a thread that changes things in a sandbox, and knows which events must come of it.

Polling sees states, not what happened between two of them. So a change that replaces a value waits until the one
before it was seen, while changes that stay visible (new meetings, participants, figures that add up) never wait.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from changewire.sandbox import OWNER_EMAIL, Sandbox
from tests.support.homes import GROUP, Cast

Seen = Callable[[], Counter[str]]
"""How many events each workflow has so far."""


@dataclass
class Truth:
    """What must have come of all changes, by workflow: in order where the order is certain."""

    ordered: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)

    def expect(self, workflow: str, *what: Any) -> None:
        """One more event of a workflow whose changes wait for each other."""
        self.ordered.setdefault(workflow, []).append(what)

    def expect_key(self, workflow: str, key: str) -> None:
        """One more item of a workflow that tells what is new."""
        self.keys.setdefault(workflow, []).append(key)

    def count(self, workflow: str) -> int:
        """How many events a workflow must have by now."""
        return len(self.ordered.get(workflow, ())) + len(self.keys.get(workflow, ()))


class Actor:
    """Changes things, one at a time, at random by ``seed``. ``seen`` asks the daemon's database.

    ``pause``: seconds between two changes, the least and the most.
    """

    def __init__(
        self, sandbox: Sandbox, cast: Cast, seen: Seen, seed: int, pause: tuple[float, float] = (0.01, 0.25)
    ) -> None:
        self.truth = Truth()
        self.changes = 0
        self.failure: BaseException | None = None
        self._sandbox, self._cast, self._seen = sandbox, cast, seen
        self._random = random.Random(seed)
        self._pause = pause
        self._number = 0
        self._files: list[str] = []  # of the latest recording, still processing
        self._session: dict[str, str] = {}
        self._values: dict[str, dict[str, Any]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="actor", daemon=True)
        self._waiting: dict[str, Callable[[], None]] = {
            "details": self._edit_meeting, "recording": self._change_recording, "summary": self._change_summary,
            "user": self._edit_user, "webinar": self._edit_webinar,
        }  # fmt: skip
        self._free: list[Callable[[], None]] = [
            self._create_meeting, self._create_webinar, self._attend, self._attend_webinar, self._bump,
            self._delete_meeting, self._record_elsewhere,
        ]  # fmt: skip

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the change under way. Raises what went wrong in the thread."""
        self._stopping.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def everything(self) -> None:
        """Each kind of change once, at once: for a world that stands still while it is polled."""
        for act in [*self._waiting.values(), *self._free[:5], self._record_elsewhere]:
            act()

    def _work(self) -> None:
        try:
            while not self._stopping.wait(self._random.uniform(*self._pause)):
                self._turn(self._seen())
        except BaseException as error:
            self.failure = error

    def _turn(self, seen: Counter[str]) -> None:
        ready = [act for name, act in self._waiting.items() if seen[name] >= self.truth.count(name)]
        chosen = self._random.choice(ready if ready and self._random.random() < 0.6 else self._free)
        if chosen in (self._attend, self._attend_webinar):
            self._maybe_next_session(seen)
        chosen()
        self.changes += 1

    def _do(self, action: str, **arguments: Any) -> Any:
        return self._sandbox.control(action, **arguments)

    def _next(self, word: str) -> str:
        self._number += 1
        return f"{word} {self._number}"

    # changes that replace a value

    def _edit(self, workflow: str, choices: dict[str, Any]) -> dict[str, Any]:
        """The fields of an edit that really changes something, and the event that it must become."""
        known = self._values.setdefault(workflow, {})
        name = self._random.choice(sorted(choices))
        old, new = known.get(name), choices[name]
        if isinstance(new, bool):
            new = not known.get(name, not new)
        known[name] = new
        self.truth.expect(workflow, name, old, new)
        outer, _, inner = name.rpartition(".")
        return {outer: {inner: new}} if outer else {inner: new}

    def _edit_meeting(self) -> None:
        choices = {"topic": self._next("Topic"), "agenda": self._next("Agenda"), "settings.waiting_room": False}
        self._do("update_meeting", meeting_id=self._cast.details, **self._edit("details", choices))

    def _edit_webinar(self) -> None:
        choices = {"topic": self._next("Topic"), "agenda": self._next("Agenda"), "settings.on_demand": True}
        self._do("update_webinar", webinar_id=self._cast.webinar, **self._edit("webinar", choices))

    def _edit_user(self) -> None:
        choices = {"dept": self._next("Dept"), "job_title": self._next("Title"), "location": self._next("Town")}
        self._do("update_user", user_id=OWNER_EMAIL, **self._edit("user", choices))

    def _change_recording(self) -> None:
        number = self._cast.recording
        if self._files:
            done = self._do("complete_recording", meeting_id=number, file_id=self._files.pop())
            fresh = len(done["file_ids"]) > 1  # the first file of all becomes two when it is done
            word = "recording_processing_completed"
            if fresh:
                self.truth.expect("recording", "recording_added", self._session["recording"])
                self.truth.expect_key("recordings", self._session["recording"])
        elif "recording" not in self._session or self._random.random() < 0.4:
            ended = self._do("end_meeting", meeting_id=number, recording=True)
            self._session["recording"] = ended["uuid"]
            session = next(s for s in self._do("state")["sessions"] if s["uuid"] == ended["uuid"])
            self._files = [session["files"][0]["id"]]
            word = "recording_added"
        elif self._random.random() < 0.5:
            self._do("update_recording", meeting_id=number, topic=self._next("Recorded"))
            word = "recording_updated"
        else:
            made = self._do("add_recording_file", meeting_id=number, file_type="TRANSCRIPT", status="processing")
            self._files = [made["file_id"]]
            word = "recording_added"
        self.truth.expect("recording", word, self._session["recording"])

    def _change_summary(self) -> None:
        number = self._cast.summary
        if "summary" not in self._session or self._random.random() < 0.3:
            if self._random.random() < 0.3:
                self._do("end_meeting", meeting_id=number)  # a session that never gets a summary
            ended = self._do("end_meeting", meeting_id=number, summary=self._next("## Session"))
            self._session["summary"] = ended["uuid"]
            self.truth.expect("summary", "created", ended["uuid"])
        else:
            self._do("edit_summary", uuid=self._session["summary"], content=self._next("## Edited"))
            self.truth.expect("summary", "updated", self._session["summary"])

    # changes that stay visible

    def _create_meeting(self) -> None:
        made = self._do("create_meeting", user_id=OWNER_EMAIL, topic=self._next("Meeting"))
        self.truth.expect_key("meetings", str(made["meeting_id"]))

    def _delete_meeting(self) -> None:
        """Takes away a meeting of before the watch, so that the pages shift while they are read."""
        old = [m["id"] for m in self._do("state")["meetings"] if m["topic"].startswith("Filler")]
        if old:
            self._do("delete_meeting", meeting_id=self._random.choice(old))

    def _create_webinar(self) -> None:
        made = self._do("create_webinar", user_id=OWNER_EMAIL, topic=self._next("Webinar"))
        self.truth.expect_key("webinars", str(made["webinar_id"]))

    def _record_elsewhere(self) -> None:
        made = self._do("create_meeting", user_id=OWNER_EMAIL, topic=self._next("Recorded meeting"))
        self.truth.expect_key("meetings", str(made["meeting_id"]))
        ended = self._do("end_meeting", meeting_id=made["meeting_id"], recording="completed")
        self.truth.expect_key("recordings", ended["uuid"])

    def _attend(self) -> None:
        number = self._cast.participants
        joined = self._do("add_participant", meeting_id=number, name=self._next("Guest"))
        self.truth.expect_key("participants", f"{joined['uuid']}:{joined['user_id']}")

    def _attend_webinar(self) -> None:
        number = self._cast.audience
        joined = self._do("add_webinar_participant", webinar_id=number, name=self._next("Guest"))
        self.truth.expect_key("audience", joined["user_id"])

    def _maybe_next_session(self, seen: Counter[str]) -> None:
        """With the next session's end the people of this one cannot be seen any more, so they must have been."""
        if self._random.random() < 0.3 and seen["participants"] == self.truth.count("participants"):
            self._do("end_meeting", meeting_id=self._cast.participants)
        if self._random.random() < 0.3 and seen["audience"] == self.truth.count("audience"):
            self._do("end_webinar", webinar_id=self._cast.audience)

    def _bump(self) -> None:
        figure = self._random.choice(["new_users", "meetings", "participants", "meeting_minutes"])
        self._do("bump_report", group_id=GROUP, **{figure: self._random.randint(1, 9)})
