"""Editing what a workflow ignores."""

from __future__ import annotations

from collections.abc import Callable

from changewire.sandbox import Sandbox
from tests.engine.rig import USER, Rig, workflow, write_home

Make = Callable[..., Rig]


def test_what_changed_while_it_was_ignored_does_not_fire_once_it_counts(sandbox: Sandbox, rig: Make) -> None:
    def watching(ignored: str) -> str:
        parameters = f"{{user_id: {USER}}}"
        return workflow("User", "zoom.user_information_changed", parameters, extra=f"ignore: [{ignored}]")

    user = rig(user=watching("dept"))
    user.poll()
    sandbox.control("update_user", user_id=USER, dept="Unheard of")
    user.poll()
    write_home(user.path, (user.path / "config" / "connections.yaml").read_text(), user=watching(""))
    user.load()
    user.poll()
    assert user.events == []
    sandbox.control("update_user", user_id=USER, dept="Sales")
    user.poll()
    assert [event.changes for event in user.events] == [[{"path": "dept", "old": "Unheard of", "new": "Sales"}]]
