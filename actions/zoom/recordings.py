"""The code of the recording actions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlsplit

from changewire.actions.context import ActionContext
from changewire.actions.files import digest_file, place_below, safe_name, write_whole
from changewire.actions.inputs import revealed
from changewire.connectors.client import DownloadInfo
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.values import Json, digest


def download_recording(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Save one file of a recording below ``state/downloads``."""
    values = revealed(dict(values))
    if context.client is None:
        raise UsageError("zoom.download_recording needs a connection of zoom")
    root = context.home / "state" / "downloads"
    folder = place_below(root, values["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", suffix=".part", dir=root) as parts:
        part = Path(parts) / "file"
        client = context.client
        info = write_whole(part, lambda file: client.download(values["url"], file, deadline=context.deadline))
        _check_size(info, values.get("file_size"))
        sha256 = digest_file(part)
        path = _free(folder / _name(values, info), sha256)
        part.replace(path)
    return {
        "path": str(path.relative_to(context.home)),
        "size": info.size,
        "content_type": info.content_type,
        "sha256": sha256,
    }


def _check_size(info: DownloadInfo, expected: int | None) -> None:
    if expected is not None and info.size != expected:
        message = f"the file has {info.size} bytes where {expected} were expected; it may still be processed"
        raise ApiError(message, FailureClass.BROKEN)
    if info.size == 0:
        raise ApiError("the file is empty; it may still be processed", FailureClass.BROKEN)


def _name(values: Mapping[str, Json], info: DownloadInfo) -> str:
    """What the step says, what the server suggests, or what the address ends with."""
    ending = unquote(PurePosixPath(urlsplit(values["url"]).path).name)
    otherwise = f"recording-{digest(values['url'].encode(), 12)}"
    return safe_name(values.get("file_name") or info.file_name or ending, otherwise)


def _free(path: Path, sha256: str) -> Path:
    """``path``, or with a number in its name where another file is there; the same file may take its own place."""
    return next(one for one in _names(path) if not one.exists() or (one.is_file() and digest_file(one) == sha256))


def _names(path: Path) -> Iterator[Path]:
    yield path
    for number in range(2, 10_000):
        yield path.with_name(f"{path.stem} ({number}){path.suffix}")
    raise UsageError(f"there are ten thousand files like {path.name}: clear the folder")
