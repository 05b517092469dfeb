"""Forms with files in them."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from changewire.actions.files import stored_file
from changewire.connectors.transport.messages import MAX_BYTES
from changewire.errors import UsageError
from changewire.file_reader import TooLargeFileError, read_file
from changewire.templates import text_of
from changewire.values import Json


def encode_form(home: Path, form: Mapping[str, Json], files: Mapping[str, Json], key: str) -> tuple[str, bytes]:
    """Content type and body of a form with ``files``: by field a path in the home, or ``{path, name, type}``.

    ``key`` makes the boundary, which no file may hold. Raises UsageError for files that are not there or too large.
    """
    from urllib3.filepost import encode_multipart_formdata  # heavy, and hardly any action sends files

    parts: list[tuple[str, Any]] = [(name, text_of(value)) for name, value in form.items()]
    left = MAX_BYTES
    for name, given in files.items():
        about = given if isinstance(given, dict) else {"path": given}
        if unknown := about.keys() - {"path", "name", "type"}:
            raise UsageError(f"files: {name} has {min(unknown)!r}; known are path, name and type")
        file = stored_file(home, text_of(about.get("path")))
        try:
            content = read_file(file, left)
        except TooLargeFileError:
            raise UsageError(f"the files are larger than {MAX_BYTES >> 20} MiB") from None
        left -= len(content)
        kind = text_of(about.get("type")) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        parts.append((name, (text_of(about.get("name")) or file.name, content, kind)))
    body, content_type = encode_multipart_formdata(parts, boundary=f"changewire-{key}-{os.urandom(8).hex()}")
    return content_type, body
