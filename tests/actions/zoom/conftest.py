from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.actions.zoom.bench import Bench


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    one = Bench(tmp_path_factory.mktemp("bench"))
    yield one
    one.close()
