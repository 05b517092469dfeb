"""Every construct of the language and every way to fail, each as a small workflow against a real server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tests.actions.rig import Rig, connection
from tests.actions.table import Case, Recorder, cases, play, shown, workflow_file, write_actions

CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_workflow_does_what_it_says(case: Case, make_rig: Callable[..., Rig], tmp_path: object) -> None:
    server = Recorder(case.replies)
    try:
        write_actions(tmp_path)  # type: ignore[arg-type]
        rig = make_rig(connection("site", server.url, "http", allow_private=True))
        if case.sub:
            rig.workflows["sub"] = workflow_file("sub", case.sub)
        rig.start(case.workflow, case.payload)
        state, waits = play(rig)
        assert (server.calls if isinstance(case.calls, list) else dict(Counter(server.calls))) == case.calls
        assert (state, waits) == (case.state, case.waits)
        if case.reason is not None or state == "succeeded":
            assert rig.reason == case.reason
        assert str(rig.reason).startswith(case.reason_starts)
        assert shown(rig) == case.attempts
    finally:
        server.close()


def test_the_table_is_large_enough() -> None:
    assert len(CASES) >= 60
