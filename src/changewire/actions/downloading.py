"""Downloads that are whole, safely named, taken up again after a kill, and never done twice."""

from __future__ import annotations

import fcntl
import mimetypes
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from changewire.actions.context import ActionContext
from changewire.actions.files import digest_file, place_below, safe_name
from changewire.clock import wall
from changewire.connectors.client import Client, DownloadInfo
from changewire.connectors.downloads import Expected
from changewire.connectors.partial_file import Part
from changewire.errors import ApiError, FailureClass, UsageError, nearest
from changewire.private_files import make_folder, open_to_append
from changewire.state.downloads import KnownFile, KnownFiles
from changewire.values import Json, digest

FOLDER = Path("state") / "downloads"
PARTS = ".parts"  # in it: what has arrived of files that are on their way
KEPT_FOR = timedelta(days=7)  # that long a part waits for the next attempt
_LOOK_AGAIN_S = 0.2
_ENDING = re.compile(r"[a-z0-9]{1,8}")
_ENDINGS = {"audio/mp4": "m4a", "text/vtt": "vtt", "application/octet-stream": ""}


@dataclass(frozen=True)
class Wanted:
    """A file that is to be below ``state/downloads``."""

    url: str
    id: str | None = None  # the same for the same file, whatever its address; None: nobody knows
    folder: str = ""  # below state/downloads
    name: str | None = None  # None: what the server suggests, else `stem` and `ending`
    stem: str = ""  # name without an ending; "": from the address
    ending: str = ""  # in lower case, without the dot; "": from the answer
    size: int | None = None  # bytes that are expected; None: any
    again: bool = False  # True: download it even where it is there already
    overwrite: bool = False  # True: in the place of a file of that name; False: beside it, with a number


def download(context: ActionContext, client: Client, wanted: Wanted) -> dict[str, Json]:
    """See to it that the file is there, and tell ``path``, ``size``, ``content_type``, ``sha256``, ``downloaded``.

    Where it was downloaded before and still stands, nothing is asked and ``downloaded`` is False. Raises ApiError,
    UsageError, StateError, OSError.
    """
    root = context.home / FOLDER
    known = KnownFiles(context.home)
    origin = client.connection.base_url or client.connector.base_url or client.name
    key = f"{client.connector.name} {origin} {wanted.id}" if wanted.id is not None else None
    with _turn(context, client, root / PARTS / f"{digest((key or wanted.url).encode())}.part") as path:
        found = known.get(key) if key is not None and not wanted.again else None
        if found is not None and wanted.size in (None, found.size) and stands(context.home, found):
            return _told(found, downloaded=False)
        part = Part(path)
        info = _fetch(context, client, wanted, part)
        content = info.size, digest_file(path)

        def note_and_take(place: Path) -> None:
            # The other way round somebody could find the part gone and the file not yet known, and download it again.
            if key is not None:
                known.put(key, _known(context.home, place, path, info, content[1]), wall(context.clock))
            part.take(place)

        place = place_below(root, wanted.folder, file_name(wanted, info))
        place = put(root, place, content, overwrite=wanted.overwrite, write=note_and_take)
        return _told(_known(context.home, place, place, info, content[1]), downloaded=True)


def stands(home: Path, file: KnownFile) -> bool:
    """Whether a file is still as it was. It is read only where it was touched since."""
    path = home / file.path
    if path.is_symlink() or not path.is_file():
        return False
    about = path.stat()
    return about.st_size == file.size and (about.st_mtime_ns == file.changed_ns or digest_file(path) == file.sha256)


def file_name(wanted: Wanted, info: DownloadInfo) -> str:
    """The name that the file gets: from the step, else from the server, else from what is known of it."""
    if wanted.name:
        return safe_name(wanted.name, f"file-{digest(wanted.url.encode(), 12)}")
    link = safe_name(unquote(PurePosixPath(urlsplit(wanted.url).path).name), "")
    stem = wanted.stem or (link if _suffix(link) else f"file-{digest(wanted.url.encode(), 12)}")
    name = safe_name(info.file_name or stem, safe_name(stem, "file"))
    ending = wanted.ending or ("" if _suffix(name) else _by_type(info.content_type))
    if not ending or _suffix(name) == ending:
        return name
    return safe_name(f"{name}.{ending}")


def fill_template(template: str, recording: Mapping[str, Any]) -> str:
    """``template`` with its ``{names}`` filled in from a recording. What is filled in never makes a folder of its own.

    Raises UsageError for a name that is not known.
    """
    start = str(recording.get("start_time") or "")
    names = {
        "topic": recording.get("topic"),
        "date": start[:10],
        "time": start[11:16].replace(":", ""),
        "meeting_id": recording.get("id"),
        "uuid": recording.get("uuid"),
        "host_email": recording.get("host_email"),
    }

    def value(found: re.Match[str]) -> str:
        if found[1] not in names:
            near = nearest(found[1], names)
            hint = f"; did you mean {{{near}}}?" if near else f": known are {', '.join(names)}"
            raise UsageError(f"there is no {{{found[1]}}}{hint}")
        return re.sub(r"[/\\]", "_", str(names[found[1]] or "")) or "unnamed"

    return re.sub(r"\{(\w+)\}", value, template)


def _suffix(name: str) -> str:
    """What stands for a kind of file at the end of a name; "" for a dot in a sentence."""
    ending = PurePosixPath(name).suffix[1:].lower()
    return ending if _ENDING.fullmatch(ending) and not ending.isdigit() else ""


def _by_type(content_type: str) -> str:
    if content_type in _ENDINGS:
        return _ENDINGS[content_type]
    return (mimetypes.guess_extension(content_type) or "").lstrip(".")


def _fetch(context: ActionContext, client: Client, wanted: Wanted, part: Part) -> DownloadInfo:
    def progress(done: int, total: int | None) -> None:
        context.progress(PurePosixPath(wanted.name or wanted.stem or "file").name, done, total)

    expected = Expected(wanted.size, wanted.ending)
    return client.download(wanted.url, part, expected=expected, deadline=context.deadline, progress=progress)


def put(root: Path, place: Path, content: tuple[int, str], *, overwrite: bool, write: Callable[[Path], object]) -> Path:
    """Let ``write`` put a file of ``content`` (bytes and SHA-256) at ``place`` or beside what lies there; where it is.

    Nobody else of us names a file below ``root`` meanwhile. Raises UsageError where there is no name for it.
    """
    with _alone(root / PARTS / "names.lock"):
        make_folder(place.parent)
        if overwrite and place.is_dir():
            raise UsageError(f"{str(place.relative_to(root))!r} is a folder: give the file another name")
        place = place if overwrite else free_place(place, *content)
        write(place)
    return place


def free_place(path: Path, size: int, sha256: str) -> Path:
    """``path``, or with a number in its name where another file is there; the same file may take its own place."""
    for one in _places(path):
        if not os.path.lexists(one):
            return one
        if one.is_file() and not one.is_symlink() and one.stat().st_size == size and digest_file(one) == sha256:
            return one
    raise UsageError(f"there are ten thousand files like {path.name}: clear the folder")


def _places(path: Path) -> Iterator[Path]:
    yield path
    for number in range(2, 10_000):
        yield path.with_name(f"{path.stem} ({number}){path.suffix}")


def _known(home: Path, place: Path, path: Path, info: DownloadInfo, sha256: str) -> KnownFile:
    """A file at ``path`` that is, or is to be, at ``place``; moving it does not change its time."""
    return KnownFile(str(place.relative_to(home)), info.size, sha256, info.content_type, path.stat().st_mtime_ns)


def _told(file: KnownFile, *, downloaded: bool) -> dict[str, Json]:
    return {
        "path": file.path,
        "size": file.size,
        "content_type": file.content_type,
        "sha256": file.sha256,
        "downloaded": downloaded,
    }


@contextmanager
def _turn(context: ActionContext, client: Client, path: Path) -> Iterator[Path]:
    """Nobody else works on the part at ``path``; whoever does first, in whatever process, is waited for."""
    make_folder(path.parent)
    _forget_old(path.parent, wall(context.clock))
    while True:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "rb+") as file:
            if _locked(file) and _is_at(file, path):
                try:
                    yield path
                finally:
                    if _is_at(file, path) and path.stat().st_size == 0:
                        path.unlink()
                return
        if context.clock.monotonic() > context.deadline:
            message = "another step has been downloading the same file all the time: it is tried again"
            raise ApiError(message, FailureClass.TRANSIENT, sent=False)
        client.wait(_LOOK_AGAIN_S)


def _locked(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether ``file`` is what lies at ``path``: who had the lock before may have moved it to its place."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    make_folder(lock.parent)
    with open_to_append(lock) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _forget_old(folder: Path, now: datetime) -> None:
    """Parts for which nobody came back."""
    oldest = (now - KEPT_FOR).timestamp()
    for path in folder.iterdir():
        try:
            if path.name != "names.lock" and path.stat().st_mtime < oldest:
                path.unlink()
        except FileNotFoundError:
            continue
