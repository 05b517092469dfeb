"""Downloads of recording files."""

from __future__ import annotations

import hashlib
import re
import threading

from changewire.sandbox.errors import ApiError
from changewire.sandbox.ids import IdMaker
from changewire.sandbox.sign_in.oauth import TokenOffice
from changewire.sandbox.wire import Request, Response, json_response
from changewire.sandbox.world.model import Instance, RecordingFile
from changewire.sandbox.world.recordings import FILE_KINDS
from changewire.sandbox.world.world import World

_TYPES = {"MP4": "video/mp4", "M4A": "audio/mp4", "VTT": "text/vtt", "TXT": "text/plain", "CSV": "text/csv"}
_BEGINNINGS = {"MP4": b"\0\0\0\x18ftypmp42", "M4A": b"\0\0\0\x18ftypM4A ", "VTT": b"WEBVTT\n\n"}
_PASSCODE_PAGE = b"<!DOCTYPE html><html><body>Enter the passcode</body></html>"


class Downloads:
    """Serves ``/rec/download/...`` and the hop a redirect leads to."""

    def __init__(self, world: World, office: TokenOffice, ids: IdMaker) -> None:
        self._world = world
        self._office = office
        self._ids = ids
        self._lock = threading.Lock()
        self._signatures: set[str] = set()

    def get(self, request: Request, site: str) -> Response:
        """Answer a request for a file."""
        if request.path.startswith("/rec/archive/"):
            return self._archived(request)
        name = request.path.rpartition("/")[2]
        found = self._find(name.rpartition(".")[0])
        if request.path.startswith("/rec/hop/"):
            signed = request.query.get("sig", "") in self._signatures
            if not signed or (self._world.switches.hop_needs_auth and not self._allowed(request, found)):
                return self._denied()
            return self._serve(request, found)
        if not self._allowed(request, found):
            return self._denied()
        if self._world.switches.download_redirect == "none":
            return self._serve(request, found)
        return self._redirect(name, site)

    def _archived(self, request: Request) -> Response:
        """Answer a request for an archived file."""
        if not self._allowed(request, None):
            return self._denied()
        file_id = request.path.rpartition("/")[2]
        with self._world.lock:
            entries = self._world.shelf("/archive_files").values()
            size = next((int(f["file_size"]) for e in entries for f in e["archive_files"] if f["id"] == file_id), None)
        if size is None:
            return json_response(404, {"status": False, "errorCode": 3001, "errorMessage": "File does not exist"})
        return Response(200, (file_id.encode() * (size // len(file_id) + 1))[:size], "application/octet-stream")

    def _serve(self, request: Request, found: tuple[Instance, RecordingFile] | None) -> Response:
        """The file, or the part of it that is asked for."""
        response = _content(found)
        if response.status != 200 or found is None:
            return response
        session, file = found
        switches, body = self._world.switches, response.body
        if switches.download_names:
            name = f"GMT{session.start:%Y%m%d-%H%M%S}_Recording.{str(file.data['file_extension']).lower()}"
            response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        if switches.download_ranges == "none":
            return response
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        response.headers |= {
            "ETag": tag if switches.download_ranges == "strong" else f"W/{tag}",
            "Accept-Ranges": "bytes",
        }
        wanted = re.fullmatch(r"bytes=(\d{1,18})-(\d{1,18})?", request.headers.get("range", ""))
        if wanted is None or request.headers.get("if-range", tag) != tag:
            return response
        first, last = int(wanted[1]), min(int(wanted[2] or len(body)), len(body) - 1)
        if first > last:
            return Response(416, headers={"Content-Range": f"bytes */{len(body)}"})
        response.status, response.body = 206, body[first : last + 1]
        response.headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
        return response

    def _redirect(self, name: str, site: str) -> Response:
        signature = self._ids.nonce(32)
        with self._lock:
            self._signatures.add(signature)
        if self._world.switches.download_redirect == "other_host":
            site = site.replace("127.0.0.1", "localhost")
        return Response(302, headers={"Location": f"{site}/rec/hop/{name}?sig={signature}"})

    def _find(self, key: str) -> tuple[Instance, RecordingFile] | None:
        with self._world.lock:
            for session in self._world.sessions.values():
                recording = session.recording
                files = recording.files + recording.audio if recording else []
                for file in files:
                    if file.key == key:
                        return session, file
        return None

    def _allowed(self, request: Request, found: tuple[Instance, RecordingFile] | None) -> bool:
        text = request.authorization.partition(" ")[2].strip()
        session_uuid, until = self._world.download_tokens.get(text, ("", 0.0))
        if until > self._world.clock.time() and found is not None:
            return session_uuid == found[0].uuid
        try:
            self._office.check(request.authorization)
        except ApiError:
            return False
        return True

    def _denied(self) -> Response:
        if self._world.switches.download_denied == "html":
            return Response(200, _PASSCODE_PAGE, "text/html;charset=UTF-8")
        return json_response(401, {"status": False, "errorCode": 124, "errorMessage": "Forbidden"})


def _content(found: tuple[Instance, RecordingFile] | None) -> Response:
    if found is None or found[1].data.get("status", "completed") != "completed":
        return json_response(404, {"status": False, "errorCode": 3301, "errorMessage": "File does not exist"})
    file = found[1]
    size = int(file.data.get("file_size") or FILE_KINDS[file.data["file_type"]][2])
    extension = str(file.data["file_extension"])
    if file.content is not None:
        body = file.content
    elif extension == "JSON":
        body = b'{"data":"' + b"x" * (size - 11) + b'"}'
    else:
        body = (_BEGINNINGS.get(extension, b"") + file.key.encode() * (size // len(file.key) + 1))[:size]
    return Response(200, body, _TYPES.get(extension, "application/json"))
