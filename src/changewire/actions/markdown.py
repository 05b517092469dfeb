"""Text that others wrote, put into Markdown so that it stays text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from changewire.values import Json

_ANYWHERE = re.compile(r"([\\`*_\[\]<>&~|$#])")
_AT_THE_START = re.compile(r"^([-+=]|\d+(?=[.)]))")
_IN_MARKDOWN = {"&": "&amp;", "<": "&lt;", "[": "&#91;", "]": "&#93;"}


def paragraphs(text: Json) -> Iterator[str]:
    """Plain text of several lines as paragraphs; none for nothing."""
    for part in str(text or "").splitlines():
        if part.strip():
            yield line(part)


def line(text: Json) -> str:
    """Plain text as one line of Markdown that shows exactly that."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return _AT_THE_START.sub(lambda found: _mark(found[1]), _ANYWHERE.sub(r"\\\1", plain))


def _mark(start: str) -> str:
    return f"{start[:-1]}{start[-1]}\\" if start[-1].isdigit() else f"\\{start}"


def tamed(text: str) -> str:
    """Markdown that somebody else wrote, without its HTML, links and images; headings, lists and emphasis stay."""
    shown = "".join(c if c.isprintable() or c == "\n" else " " for c in text.replace("\r\n", "\n"))
    return re.sub(r"[&<\[\]]", lambda found: _IN_MARKDOWN[found[0]], shown).strip()
