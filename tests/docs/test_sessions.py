"""What a page tells the reader to type does what the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, blocks
from tests.docs.session import Session

PLAYED = [page for page in PAGES if any(block.language == "console" for block in blocks(page))]


@pytest.mark.parametrize("page", PLAYED, ids=lambda page: str(page.relative_to(DOCS)))
def test_what_is_typed_does_what_is_shown(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    with Session(folder) as session:
        session.play(page)
