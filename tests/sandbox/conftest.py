from __future__ import annotations

from collections.abc import Iterator

import pytest

from changewire.sandbox import Sandbox
from tests.sandbox.api import Api


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(enforce_limits=False) as sandbox:
        yield sandbox


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[Api]:
    api = Api(sandbox)
    yield api
    api.session.close()
