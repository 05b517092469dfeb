"""Many meetings of one user, each watched by a workflow of its own, which change one after the other."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

from changewire.sandbox import Sandbox
from tests.support.homes import workflow

USER = "ari.member+zoom@example.com"
EVERY_S = 10


class Rooms:
    """``count`` meetings. A workflow is named ``room-7.2`` after the room and how often it was renamed."""

    def __init__(self, sandbox: Sandbox, count: int, steps: list[dict[str, Any]]) -> None:
        self._sandbox, self._steps = sandbox, steps
        made = (sandbox.control("create_meeting", user_id=USER, topic=f"Room {n}") for n in range(count))
        self._meetings = {f"room-{n}": meeting["meeting_id"] for n, meeting in enumerate(made)}
        self._renamed: Counter[str] = Counter()
        self._every = dict.fromkeys(self._meetings, EVERY_S)
        self.topics: dict[str, list[str]] = {room: [] for room in self._meetings}

    def files(self) -> dict[str, str]:
        """The texts of the workflows by the stem of their file."""
        return {room: self.text(room) for room in self._meetings}

    def text(self, room: str) -> str:
        """The text of one workflow."""
        name = f"{room}.{self._renamed[room]}"
        watched = {"meeting_id": self._meetings[room]}
        every = f"{self._every[room]}s"
        return workflow(name, "zoom.meeting_details_changed", watched, every=every, steps=self._steps)

    def edit_meeting(self, seen: Counter[str], chance: random.Random) -> str | None:
        """Change a meeting whose last change was noticed, so that the next is one of its own; None: there is none."""
        ready = [room for room, topics in self.topics.items() if seen[room] >= len(topics)]
        if not ready:
            return None
        room = chance.choice(ready)
        topic = f"{room} was changed {len(self.topics[room]) + 1} times"
        self.topics[room].append(topic)
        self._sandbox.control("update_meeting", meeting_id=self._meetings[room], topic=topic)
        return room

    def edit_file(self, folder: Path, how: str, room: str) -> None:
        """Change a workflow file: ``rename``, ``retime``, ``break`` or ``mend``."""
        self._renamed[room] += how == "rename"
        if how == "retime":
            self._every[room] = EVERY_S + (self._every[room] == EVERY_S)
        text = self.text(room)
        (folder / f"{room}.yaml").write_text(text if how != "break" else text[: len(text) // 2])

    def check(self, events: list[tuple[str, str]]) -> Counter[str]:
        """Events that are lost, doubled or wrong, by room and what is wrong; ``events`` are names and changes."""
        found: dict[str, list[str]] = {room: [] for room in self._meetings}
        for name, changes in events:
            room = name.partition(".")[0]
            if room in found:
                found[room] += [change["new"] for change in json.loads(changes) if change["path"] == "topic"]
        wrong: Counter[str] = Counter()
        for room, topics in self.topics.items():
            had, wanted = Counter(found[room]), Counter(topics)
            wrong["lost"] += (wanted - had).total()
            wrong["doubled"] += (had - wanted).total()
            wrong["out of order"] += had == wanted and found[room] != topics
        return wrong
