from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from changewire.sandbox import Sandbox
from tests.triggers.account import Account
from tests.triggers.kinds import NOW

settings.register_profile("triggers", deadline=None, max_examples=60)
settings.load_profile("triggers")


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    with Sandbox(enforce_limits=False, start=NOW) as sandbox:
        account = Account(sandbox, tmp_path)
        yield account
        if account.rig is not None:
            account.rig.close()
