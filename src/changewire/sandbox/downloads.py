"""Downloads of recording files."""

from __future__ import annotations

import threading

from changewire.sandbox.errors import ApiError
from changewire.sandbox.ids import IdMaker
from changewire.sandbox.model import Instance, RecordingFile
from changewire.sandbox.oauth import TokenOffice
from changewire.sandbox.recordings import FILE_KINDS
from changewire.sandbox.wire import Request, Response, json_response
from changewire.sandbox.world import World

_TYPES = {"MP4": "video/mp4", "M4A": "audio/mp4", "VTT": "text/vtt", "TXT": "text/plain", "CSV": "text/csv"}
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
        name = request.path.rpartition("/")[2]
        found = self._find(name.rpartition(".")[0])
        if request.path.startswith("/rec/hop/"):
            signed = request.query.get("sig", "") in self._signatures
            if not signed or (self._world.switches.hop_needs_auth and not self._allowed(request, found)):
                return self._denied()
            return _content(found)
        if not self._allowed(request, found):
            return self._denied()
        if self._world.switches.download_redirect == "none":
            return _content(found)
        return self._redirect(name, site)

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
        body = (file.key.encode() * (size // len(file.key) + 1))[:size]
    return Response(200, body, _TYPES.get(extension, "application/json"))
