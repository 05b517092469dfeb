from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.download_kills import FILM, kill_again_and_again
from tests.support.file_server import FileServer


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(3))
def test_a_download_killed_at_many_moments_arrives_whole(tmp_path: Path, seed: int) -> None:
    server = FileServer()
    told = kill_again_and_again(tmp_path, server, kills=12, seed=seed)
    server.close()
    assert told.resumed >= 10
    assert told.sent < 3 * len(FILM)
