"""What the sandbox remembers of an account's meetings, webinars and sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from changewire.sandbox.errors import JSON


@dataclass
class Participant:
    """One join of one person; ``data`` is the API row.

    ``processed`` shows its true duration; ``open`` means still in the running session.
    """

    data: JSON
    processed: bool = False
    open: bool = False


@dataclass
class RecordingFile:
    """One file; ``key`` is its lasting name in links, ``content`` None means made-up bytes."""

    key: str
    data: JSON
    content: bytes | None = None


@dataclass
class Recording:
    """The cloud recording of one session; ``trashed`` hides it from ordinary answers.

    ``trash`` holds single files that were thrown away and can come back.
    """

    started: datetime
    passcode: str
    share_key: str
    files: list[RecordingFile] = field(default_factory=list)
    audio: list[RecordingFile] = field(default_factory=list)
    trash: list[RecordingFile] = field(default_factory=list)
    extra: JSON = field(default_factory=dict)
    trashed: bool = False


@dataclass
class Instance:
    """One session of a meeting or webinar; ``end`` is None while it is running.

    ``answers`` were given to polls, ``questions`` asked; each row says by whom.
    """

    uuid: str
    event: Event
    topic: str
    start: datetime
    end: datetime | None = None
    participants: list[Participant] = field(default_factory=list)
    recording: Recording | None = None
    summary: JSON | None = None
    answers: list[JSON] = field(default_factory=list)
    questions: list[JSON] = field(default_factory=list)


@dataclass
class Event:
    """A meeting or webinar; ``data`` holds the steady fields of its detail answer.

    ``cancelled`` and ``moved`` hold changes to single occurrences by occurrence id.
    """

    kind: str
    data: JSON
    instances: list[Instance] = field(default_factory=list)
    deleted: bool = False
    cancelled: set[str] = field(default_factory=set)
    moved: dict[str, JSON] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """The meeting or webinar number."""
        return int(self.data["id"])

    @property
    def live(self) -> Instance | None:
        """The running session, None if there is none."""
        last = self.instances[-1] if self.instances else None
        return last if last is not None and last.end is None else None

    @property
    def ended(self) -> list[Instance]:
        """Ended sessions, oldest first."""
        return [instance for instance in self.instances if instance.end is not None]
