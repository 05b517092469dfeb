"""The code of the recording actions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from changewire.actions.context import ActionContext
from changewire.actions.downloading import FOLDER, Wanted, download, fill_template
from changewire.actions.files import place_below
from changewire.actions.inputs import revealed
from changewire.connectors.client import Client
from changewire.connectors.path_segments import encode_segment
from changewire.connectors.transport.messages import Request
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.values import Json

_ENDINGS = {"TRANSCRIPT": "vtt", "CC": "vtt", "CHAT": "txt", "SUMMARY": "json", "TIMELINE": "json"}
_WITH_NEXT_FILE = frozenset({FailureClass.BROKEN, FailureClass.GONE, FailureClass.NOT_YET, FailureClass.BAD_INPUT})
"""Failures that concern one file alone: the others are downloaded all the same."""


def download_recording(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Save one file of a recording below ``state/downloads``."""
    values = revealed(dict(values))
    about = {"id": values.get("file_id"), **{name: values.get(name) for name in _ABOUT}}
    wanted = _wanted(about, values["url"], values["folder"], values, values.get("file_name"))
    return download(context, _client(context), wanted)


_ABOUT = ("file_size", "file_type", "file_extension", "recording_type")


def download_recordings(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Save all finished files of a meeting's recording, or those of some types."""
    values = revealed(dict(values))
    return _download_all(context, values, [str(one) for one in values.get("types") or ()])


def download_transcript(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Save the transcript of a meeting's recording."""
    values = revealed(dict(values))
    told = _download_all(context, values, ["TRANSCRIPT"])
    if not told["files"]:
        waits = "is still being made" if told["processing"] else "has not been made"
        message = f"the transcript of {told['topic']!r} {waits}: try again later, and see that transcripts are on"
        raise ApiError(message, FailureClass.NOT_YET)
    return {"uuid": told["uuid"], "topic": told["topic"], **told["files"][-1]}


def _download_all(context: ActionContext, values: Mapping[str, Any], types: list[str]) -> dict[str, Json]:
    client = _client(context)
    path = f"/meetings/{encode_segment(values['meetingId'], uuid=True)}/recordings"
    recording = client.send(Request("GET", path, label="LIGHT"), deadline=context.deadline).data
    if not isinstance(recording, dict) or not isinstance(recording.get("recording_files"), list):
        raise ApiError("the answer has no list 'recording_files'", FailureClass.BROKEN)
    folder = fill_template(values["folder"], recording)
    told: list[Json] = []
    processing: list[str] = []
    wrong: list[ApiError] = []
    for file in _files(recording, types):
        if file.get("status", "completed") != "completed" or not file.get("download_url"):
            processing.append(str(file.get("file_type") or ""))
            continue
        try:
            saved = download(context, client, _wanted(file, file["download_url"], folder, values))
        except ApiError as error:
            if error.failure not in _WITH_NEXT_FILE:
                raise
            wrong.append(error)
        else:
            told.append({name: file.get(name) for name in ("id", "file_type", "recording_type")} | saved)
    if wrong:
        raise _not_all(wrong, len(told))
    about = {"uuid": recording.get("uuid"), "topic": recording.get("topic")}
    root = context.home / FOLDER
    used = place_below(root, folder).relative_to(root).as_posix()
    return {**about, "folder": "" if used == "." else used, "files": told, "processing": processing}


def _files(recording: Mapping[str, Any], types: list[str]) -> Iterator[dict[str, Any]]:
    """The files of a recording, each with an id: where Zoom gives none, one that follows from what it says of it."""
    for field in ("recording_files", "participant_audio_files"):
        for file in recording.get(field) or ():
            if types and str(file.get("file_type") or "").upper() not in types:
                continue
            made = "/".join(str(file.get(name)) for name in ("meeting_id", "file_type", "recording_start"))
            label = file.get("file_name") or file.get("recording_type") or str(file.get("file_type") or "").lower()
            yield {**file, "id": file.get("id") or made, "recording_type": label}


def _wanted(
    file: Mapping[str, Any], url: str, folder: str, values: Mapping[str, Any], name: str | None = None
) -> Wanted:
    """What is to be downloaded, named by type and id where nobody suggests a name."""
    known = [str(file[key]) for key in ("recording_type", "id") if file.get(key)]
    return Wanted(
        url,
        file.get("id"),
        folder,
        name,
        stem=("-".join(known) if file.get("recording_type") else "-".join(["recording", *known])) if known else "",
        ending=_ending(file),
        size=file.get("file_size") or None,
        again=values["again"],
        overwrite=values["overwrite"],
    )


def _ending(file: Mapping[str, Any]) -> str:
    kind = str(file.get("file_type") or "").upper()
    found = str(file.get("file_extension") or _ENDINGS.get(kind) or kind).lower()
    return found if re.fullmatch(r"[a-z0-9]{1,8}", found) else ""


def _not_all(wrong: list[ApiError], good: int) -> ApiError:
    first = wrong[0]
    message = f"{len(wrong)} of {len(wrong) + good} files could not be downloaded, the others are there: {first}"
    return ApiError(message, first.failure, status=first.status, code=first.code, retry_at=first.retry_at)


def _client(context: ActionContext) -> Client:
    if context.client is None:
        raise UsageError("downloading recordings needs a connection of zoom")
    return context.client
