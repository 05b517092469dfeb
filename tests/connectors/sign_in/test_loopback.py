from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest
import requests

from changewire.connectors.sign_in.loopback import Loopback, SignInRefused
from changewire.errors import ChangewireError
from changewire.secret import mask
from changewire.testing import ManualClock

STATE = "the-state"


def answered(*targets: str, clock: ManualClock | None = None) -> tuple[Future[str], list[requests.Response]]:
    """What comes of a wait during which a browser asks for ``targets``, one after the other; and what it is shown."""
    outcome: Future[str] = Future()
    with Loopback(None, STATE) as back:

        def wait() -> None:
            try:
                outcome.set_result(back.wait(clock or ManualClock(), 60))
            except ChangewireError as error:
                outcome.set_exception(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        shown = [requests.get(back.url.removesuffix("/callback") + target, timeout=5) for target in targets]
        waiting.join(10)
    return outcome, shown


def test_the_code_is_what_the_browser_brings_whatever_it_asks_for_before() -> None:
    code, shown = answered("/favicon.ico", "/", f"/callback?state={STATE}&code=the-code-itself")
    assert code.result() == "the-code-itself"
    assert [page.status_code for page in shown] == [404, 404, 200]
    assert "<h1>Signed in</h1>" in shown[-1].text
    assert shown[-1].headers["Cache-Control"] == "no-store"
    assert mask("the-code-itself") == "***"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (f"state={STATE}", "the answer held no code"),
        (f"state={STATE}&code=", "the answer held no code"),
        (f"state={STATE}&error=access_denied", "it was refused: access_denied"),
        (f"state={STATE}&error=x&error_description=not+today", "it was refused: not today"),
    ],
)
def test_anything_else_ends_the_sign_in_on_both_sides(query: str, words: str) -> None:
    code, (page,) = answered(f"/callback?{query}")
    with pytest.raises(SignInRefused) as caught:
        code.result()
    assert str(caught.value) == f"nobody is signed in: {words}"
    assert page.status_code == 400
    assert "Look at the terminal, and begin again there." in page.text


STRAYS = ("state=other&code=c", "code=c", "state=%C3%A4&code=c", "state=other&error=access_denied", "")


def test_the_answer_of_another_sign_in_is_turned_away_and_the_right_one_waited_for() -> None:
    code, (*strays, right) = answered(*(f"/callback?{query}" for query in STRAYS), f"/callback?state={STATE}&code=it")
    assert code.result() == "it"
    assert right.status_code == 200
    for page in strays:
        assert page.status_code == 400
        assert (
            "<h1>Not signed in</h1><p>This answer belongs to another sign-in (its state is wrong), so it was not used. "
            "Changewire goes on waiting: go to the address that the terminal shows.</p>"
        ) in page.text


def test_who_waits_in_vain_is_told_that_another_answer_came() -> None:
    clock = ManualClock()
    with Loopback(None, STATE) as back:
        back.answer("/callback?state=other&code=c")
        with pytest.raises(SignInRefused) as caught:
            back.wait(clock, 0)
    words = "nobody signed in within 0 minutes; an answer of another sign-in came, and was not used: begin again"
    assert str(caught.value) == words


def test_what_a_server_says_is_not_taken_for_html() -> None:
    _, (page,) = answered(f"/callback?state={STATE}&error=x&error_description=<script>alert(1)</script>")
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text


def test_nobody_who_comes_is_waited_for_so_long_and_no_longer() -> None:
    clock = ManualClock()
    with Loopback(None, STATE) as back:
        clock.advance(0)
        with pytest.raises(SignInRefused, match="nobody signed in within 0 minutes: begin again"):
            back.wait(clock, 0)


def test_two_cannot_wait_at_one_port() -> None:
    with Loopback(None, STATE) as first:
        port = int(first.url.split(":")[2].split("/")[0])
        with pytest.raises(ChangewireError, match=f"port {port} of this machine is in use"):
            Loopback(port, STATE)
