"""Where a part of a text stands in the YAML that writes it.

Quoting, escapes, indentation and folded lines change nothing but blanks and the look of single characters. So what
is not blank is counted, which holds for every way of writing a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

_ESCAPE = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_BLANK_ESCAPES = frozenset("nrtvNLP_ \t\n")


def after(text: str, node: yaml.ScalarNode, before: str) -> tuple[int, int]:
    """Line and column, from 1, of what follows the part ``before`` of a node's value. ``text`` is the whole file.

    Those of the node where there is no such thing.
    """
    mark, wanted = node.start_mark, len("".join(before.split()))
    lines = text.split("\n")
    start = sum(len(line) + 1 for line in lines[: mark.line]) + mark.column
    at = next((at for seen, at in enumerate(_solid(text, start, node.style)) if seen == wanted), start)
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1


def _solid(text: str, at: int, style: str | None) -> Iterator[int]:
    """Where the characters of a value that are not blank stand, from the node's beginning on."""
    if style in {"|", ">"}:
        at = text.find("\n", at) + 1 or len(text)  # the rest of the first line says how it is indented
    elif style in {"'", '"'}:
        at += 1
    while at < len(text):
        escape = _ESCAPE.match(text, at) if style == '"' else None
        width = len(escape[0]) if escape else 2 if style == "'" and text.startswith("''", at) else 1
        blank = escape[0][1] in _BLANK_ESCAPES if escape else text[at].isspace()
        if not blank:
            yield at
        at += width
