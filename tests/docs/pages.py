"""The pages of the documentation, taken apart: blocks, tables, links, headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def title(self) -> str:
        """What the first line says the block is: ``# config/workflows/first.yaml``, ``# part of a workflow``."""
        first = self.text.splitlines()[0] if self.text else ""
        return first.removeprefix("# ") if first.startswith("# ") else ""


def blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    language, start, lines = "", 0, list[str]()
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if not start and line.startswith("```"):
            language, start, lines = line.removeprefix("```").strip(), number + 1, []
        elif start and line.startswith("```"):
            found.append(Block(page, start, language, "\n".join(lines)))
            start = 0
        elif start:
            lines.append(line)
    assert not start, f"{page}: a block is never closed"
    return found


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"(?ms)^```.*?^```$", "", page.read_text())


def all_blocks(*languages: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.language in languages]


def anchors(page: Path) -> set[str]:
    """The anchors of the headings."""
    return {anchor(head) for head in re.findall(r"(?m)^#+ (.+)$", prose(page))}


def anchor(head: str) -> str:
    """The anchor that a heading gets, as GitHub makes it; a link in it counts as its text."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", head)
    return re.sub(r"[^\w\- ]", "", text.lower().replace("`", "")).strip().replace(" ", "-")


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def tables(text: str, mark: str) -> Iterator[tuple[str, list[list[str]]]]:
    """What follows each ``<!-- mark: name -->``: the name, and the rows of the next table without its head."""
    for found in re.finditer(rf"<!-- {mark}: (\S+) -->\n+((?:\|.*\n)+)", text):
        rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in found[2].splitlines()[2:]]
        yield found[1], rows
