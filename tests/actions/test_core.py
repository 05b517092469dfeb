from __future__ import annotations

from typing import Any

import pytest

from changewire.actions.calling import check_inputs, perform
from changewire.errors import ApiError, UsageError
from changewire.secret import learn
from tests.actions.rig import Rig
from tests.connectors.server import Reply, Server

imports_apprise = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def do(rig: Rig, name: str, **given: Any) -> Any:
    return perform(rig.action(name), check_inputs(rig.action(name), given), rig.context(written=given))


def test_a_message_is_logged_without_secrets(rig: Rig) -> None:
    learn("open-sesame")
    assert do(rig, "core.log", message={"a": "open-sesame"}, level="warning") == {"message": '{"a":"***"}'}
    assert rig.told == [("core.log", '{"a":"***"}', {"level": "warning"})]


@imports_apprise
def test_a_notification_is_sent(rig: Rig, server: Server) -> None:
    server.on("/hook", Reply(body={}))
    to = f"json://127.0.0.1:{server.port}/hook"
    assert do(rig, "core.notify", to=to, title="T", body="B", type="warning") == {"sent": True}
    assert b'"title":' in server.seen[0].body


@imports_apprise
def test_a_notification_without_a_text_is_its_heading(rig: Rig, server: Server) -> None:
    server.on("/hook", Reply(body={}))
    to = f"json://127.0.0.1:{server.port}/hook"
    assert do(rig, "core.notify", to=to, title="0 meetings", body="\n") == {"sent": True}
    assert b'"message": "0 meetings"' in server.seen[0].body
    with pytest.raises(UsageError, match=r"^there is nothing to tell: title and body are empty$"):
        do(rig, "core.notify", to=to, body=" ")


@imports_apprise
def test_a_notification_that_is_not_accepted_fails_without_the_address(rig: Rig, server: Server) -> None:
    server.on("/hook", Reply(500))
    with pytest.raises(ApiError, match=r"^the notification to json:… was not accepted"):
        do(rig, "core.notify", to=f"json://127.0.0.1:{server.port}/hook", body="B")
    with pytest.raises(UsageError, match=r"^to: nonsense:… is not an address"):
        do(rig, "core.notify", to="nonsense://secret-part", body="B")
