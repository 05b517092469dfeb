"""Cloud recordings: their files, processing and removal."""

from __future__ import annotations

from typing import Any

from changewire.sandbox.clock import iso
from changewire.sandbox.errors import JSON, ControlError
from changewire.sandbox.world.base import action
from changewire.sandbox.world.model import Instance, Recording, RecordingFile
from changewire.sandbox.world.summaries import SummaryActions

# file type: (extension, recording type, bytes when completed)
FILE_KINDS: dict[str, tuple[str, str, int]] = {
    "MP4": ("MP4", "shared_screen_with_speaker_view", 48213),
    "M4A": ("M4A", "audio_only", 9120),
    "TRANSCRIPT": ("VTT", "audio_transcript", 0),
    "CHAT": ("TXT", "chat_file", 512),
    "CC": ("VTT", "closed_caption", 256),
    "CSV": ("CSV", "poll", 128),
    "SUMMARY": ("JSON", "summary", 512),
    "TIMELINE": ("JSON", "timeline", 1024),
}
WITHOUT_ID = ("TIMELINE", "CC")
TRANSCRIPT = "WEBVTT\n\n1\n00:00:01.000 --> 00:00:04.000\nDana Host: Good afternoon, let us start.\n"


class RecordingActions(SummaryActions):
    """Actions on cloud recordings and on the ends of meetings that make them."""

    @action
    def end_meeting(
        self,
        meeting_id: int | str,
        participants: list[JSON] | None = None,
        recording: bool | str = False,
        summary: str | None = None,
        duration: int | None = None,
        uuid: str | None = None,
    ) -> JSON:
        """End the running session; without one, a session of ``duration`` minutes ends now.

        ``recording``: True leaves an entry still to be processed, "completed" finished files.
        ``summary`` is the content of a summary made at once. ``uuid`` names a session not yet
        started.
        """
        if recording not in (True, False, "processing", "completed"):
            raise ControlError("recording must be true, false, 'processing' or 'completed'")
        session = self.end_session(self.need_event(meeting_id, "meeting"), participants, duration, uuid)
        if recording and session.recording is None:
            self._begin(session)
        if recording == "completed":
            self._complete(session, None, None)
        elif session.recording is not None and self.switches.recording_delay_s is not None:
            self.later(self.switches.recording_delay_s, lambda: self._auto_complete(session))
        if summary is not None:
            self.write_summary(session, summary, {})
        return self._ids(session)

    @action
    def start_recording(self, meeting_id: int | str) -> JSON:
        """Start recording the running session: an entry with one unfinished, typeless file."""
        event = self.need_event(meeting_id, "meeting")
        if event.live is None:
            raise ControlError(f"meeting {event.number} is not running")
        self._begin(event.live)
        return self._ids(event.live)

    @action
    def add_recording_file(
        self,
        meeting_id: int | str | None = None,
        file_type: str = "MP4",
        status: str = "completed",
        uuid: str | None = None,
        content: str | None = None,
        **fields: Any,
    ) -> JSON:
        """Add a file to a session's recording, begun if there is none; ``fields`` replace keys."""
        session = self.need_session(meeting_id, uuid)
        file = self._add_file(session, file_type, status, content, fields)
        return {**self._ids(session), "file_id": file.data.get("id", ""), "file_key": file.key}

    @action
    def add_participant_audio(
        self,
        meeting_id: int | str | None = None,
        name: str = "Dana Host",
        status: str = "completed",
        uuid: str | None = None,
    ) -> JSON:
        """Add a participant's own audio file to a session's recording."""
        session = self.need_session(meeting_id, uuid)
        file = self._make_file(session, "M4A", status, None)
        for key in ("meeting_id", "recording_type"):
            del file.data[key]
        file.data["file_name"] = f"Audio only - {name}"
        self._recording(session).audio.append(file)
        self.record("participant_audio_added", **self._ids(session), file_id=file.data["id"])
        return {**self._ids(session), "file_id": file.data["id"]}

    @action
    def complete_recording(
        self,
        meeting_id: int | str | None = None,
        file_id: str | None = None,
        uuid: str | None = None,
        transcript: str | None = None,
    ) -> JSON:
        """Finish processing: one file, or all (None), where an unfinished entry becomes MP4 and M4A.

        ``transcript`` "processing" or "completed" adds a transcript too.
        """
        session = self.need_session(meeting_id, uuid)
        done = self._complete(session, file_id, transcript)
        return {**self._ids(session), "file_ids": done}

    @action
    def update_recording(self, meeting_id: int | str | None = None, uuid: str | None = None, **fields: Any) -> JSON:
        """Replace keys of a recording's answer such as ``topic`` or ``auto_delete``."""
        session = self.need_session(meeting_id, uuid)
        self._recording(session).extra.update(fields)
        self.record("recording_updated", **self._ids(session), fields=sorted(fields))
        return self._ids(session)

    @action
    def remove_recording_file(
        self, meeting_id: int | str | None = None, file_id: str = "", uuid: str | None = None, trash: bool = False
    ) -> JSON:
        """Delete one file, or (``trash``) throw it away; the recording goes with its last file."""
        session = self.need_session(meeting_id, uuid)
        recording = self._recording(session)
        file = self._file(recording, file_id)
        for files in (recording.files, recording.audio):
            if file in files:
                files.remove(file)
        if trash:
            recording.trash.append(file)
        self.record("recording_file_removed", **self._ids(session), file_id=file_id)
        if not recording.files and not recording.trash:
            session.recording = None
        return {**self._ids(session), "file_id": file_id}

    @action
    def remove_recording(
        self, meeting_id: int | str | None = None, uuid: str | None = None, trash: bool = True
    ) -> JSON:
        """Put a session's recording into the trash, or (``trash`` false) delete it."""
        session = self.need_session(meeting_id, uuid)
        self._recording(session).trashed = True
        if not trash:
            session.recording = None
        self.record("recording_removed", **self._ids(session), trash=trash)
        return self._ids(session)

    @action
    def recover_recording(
        self, meeting_id: int | str | None = None, uuid: str | None = None, file_id: str | None = None
    ) -> JSON:
        """Take a session's recording, or one file of it, out of the trash."""
        session = self.need_session(meeting_id, uuid)
        recording = self._recording(session)
        back = [f for f in recording.trash if file_id in (None, f.data.get("id"), f.key)]
        if file_id is not None and not back:
            raise ControlError(f"no file {file_id!r} in the trash", known=[f.key for f in recording.trash])
        recording.trash = [f for f in recording.trash if f not in back]
        recording.files += back
        recording.trashed = recording.trashed and file_id is not None
        self.record("recording_recovered", **self._ids(session), file_ids=[f.key for f in back])
        return self._ids(session)

    def _begin(self, session: Instance) -> Recording:
        if session.recording is None:
            session.recording = Recording(self.now() if session.end is None else session.start,
                                          self.ids.word(32), self.ids.word(40))  # fmt: skip
            file = self._make_file(session, "", "processing", None)
            session.recording.files.append(file)
            self.record("recording_started", **self._ids(session), file_id=file.data["id"])
        return session.recording

    def _recording(self, session: Instance) -> Recording:
        if session.recording is None:
            raise ControlError(f"session {session.uuid} has no recording")
        return session.recording

    def _file(self, recording: Recording, file_id: str) -> RecordingFile:
        files = recording.files + recording.audio
        file = next((f for f in files if file_id in (f.data.get("id"), f.key)), None)
        if file is None:
            raise ControlError(f"no file {file_id!r}", known=[f.data.get("id", f.key) for f in files])
        return file

    def _add_file(
        self, session: Instance, file_type: str, status: str, content: str | None, fields: JSON
    ) -> RecordingFile:
        if session.recording is None:
            session.recording = Recording(session.start, self.ids.word(32), self.ids.word(40))
        file = self._make_file(session, file_type, status, content)
        if file_type in WITHOUT_ID:
            keep = ("meeting_id", "recording_start", "recording_end", "file_type", "file_extension")
            file.data = {key: file.data[key] for key in keep}
        file.data.update(fields)
        session.recording.files.append(file)
        facts = {"file_id": file.data.get("id", ""), "file_type": file_type, "status": status}
        self.record("recording_file_added", **self._ids(session), **facts)
        return file

    def _make_file(self, session: Instance, file_type: str, status: str, content: str | None) -> RecordingFile:
        if file_type and file_type not in FILE_KINDS:
            raise ControlError(f"no file type {file_type!r}", known=list(FILE_KINDS))
        extension, kind, _ = FILE_KINDS.get(file_type, ("", "", 0))
        started = session.recording.started if session.recording else session.start
        file_id = self.ids.file_id()
        text = TRANSCRIPT if content is None and file_type == "TRANSCRIPT" else content
        data = {
            "id": file_id,
            "meeting_id": session.uuid,
            "recording_start": iso(started),
            "recording_end": iso(session.end) if session.end and file_type else "",
            "file_type": file_type,
            "file_extension": extension,
            "file_size": 0,
            "status": status,
            "recording_type": kind,
        }
        file = RecordingFile(file_id, data, None if text is None else text.encode())
        if status == "completed":
            self._weigh(file)
        return file

    def _weigh(self, file: RecordingFile) -> None:
        size = FILE_KINDS[file.data["file_type"]][2] if file.content is None else len(file.content)
        if "file_size" in file.data and not file.data["file_size"]:
            file.data["file_size"] = size

    def _complete(self, session: Instance, file_id: str | None, transcript: str | None) -> list[str]:
        recording = self._recording(session)
        files = recording.files + recording.audio
        chosen = files if file_id is None else [self._file(recording, file_id)]
        done = [file for file in chosen if file.data.get("status", "completed") != "completed"]
        typeless = [file for file in done if not file.data["file_type"]]
        for file in done:
            self._finish(session, file)
        ids = [str(file.data["id"]) for file in done]
        if done:
            self.record("recording_completed", **self._ids(session), file_ids=ids)
        if typeless:
            ids.append(str(self._add_file(session, "M4A", "completed", None, {}).data["id"]))
        if transcript is not None:
            ids.append(str(self._add_file(session, "TRANSCRIPT", transcript, None, {}).data["id"]))
        return ids

    def _finish(self, session: Instance, file: RecordingFile) -> None:
        if not file.data["file_type"]:
            extension, kind, _ = FILE_KINDS["MP4"]
            file.data.update(file_type="MP4", file_extension=extension, recording_type=kind)
        file.data.update(status="completed", recording_end=iso(session.end or self.now()))
        self._weigh(file)

    def _auto_complete(self, session: Instance) -> None:
        if session.recording is None:
            return
        wait = self.switches.transcript_delay_s
        self._complete(session, None, None if wait is None else "processing")
        if wait is not None:
            self.later(wait, lambda: self._finish_rest(session))

    def _finish_rest(self, session: Instance) -> None:
        if session.recording is not None:
            self._complete(session, None, None)
