"""Signing in as a person does it: a real program, a real server, and a real browser where there is one."""

from __future__ import annotations

import json
import os
import pty
import queue
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from changewire.clock import SystemClock
from changewire.sandbox import PUBLIC_CLIENT_ID, USER_CLIENT_ID, USER_CLIENT_SECRET, Sandbox
from tests.cli.rig import PROGRAM, changewire, lines, program, workflow
from tests.support.browser import CHROMIUM, DRIVER, MISSING, Browser

WITHIN_S = 30
Connect = Callable[..., "Connecting"]


class Connecting:
    """``changewire connect`` at work; what it says is read as it comes."""

    def __init__(self, home: Path, *words: str, stdin: int = subprocess.DEVNULL) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in {"BROWSER", "DISPLAY"}}
        self.process = subprocess.Popen(
            [*PROGRAM, "connect", "--home", str(home), *words],
            env=environment | {"PYTHONUNBUFFERED": "1"}, text=True, stdin=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._said: queue.Queue[str] = queue.Queue()
        self.heard: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        for line in self.process.stderr or ():
            self._said.put(line.rstrip("\n"))

    def until(self, pattern: str) -> str:
        """What the first group of ``pattern`` finds in a line that it says."""
        while True:
            line = self._said.get(timeout=WITHIN_S)
            self.heard.append(line)
            if found := re.search(pattern, line):
                return found[1] if found.groups() else found[0]

    def page(self) -> str:
        """The address to go to."""
        return self.until(r"^  (http\S+)$")

    def end(self) -> tuple[int, str, str]:
        """Exit code, stdout and all of stderr."""
        assert self.process.stdout is not None
        out = self.process.stdout.read()
        code = self.process.wait(WITHIN_S)
        self._listener.join(WITHIN_S)
        while not self._said.empty():
            self.heard.append(self._said.get())
        return code, out, "\n".join(self.heard)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._listener.join(WITHIN_S)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(device_interval_s=1, enforce_limits=False) as running:
        yield running


@pytest.fixture
def home(sandbox: Sandbox, tmp_path: Path) -> Path:
    config = tmp_path / "home" / "config"
    (config / "workflows").mkdir(parents=True)
    own = f"token_url: {sandbox.url}/oauth/token, authorize_url: {sandbox.url}/oauth/authorize"
    (config / "connections.yaml").write_text(
        f"me: {{connector: zoom, base_url: '{sandbox.url}', auth: {{type: oauth, redirect_port: {_free_port()}, "
        f"client_id: {USER_CLIENT_ID}, client_secret: {USER_CLIENT_SECRET}}}}}\n"
        f"public: {{connector: http, base_url: '{sandbox.url}/v2', "
        f"auth: {{type: oauth, client_id: {PUBLIC_CLIENT_ID}, {own}}}}}\n"
        f"fixed: {{connector: http, base_url: '{sandbox.url}', auth: {{type: bearer, token: a-fixed-token}}}}\n"
    )
    return tmp_path / "home"


def _free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def connect(home: Path) -> Iterator[Connect]:
    """Begins ``changewire connect`` with these words."""
    begun: list[Connecting] = []

    def begin(*words: str, stdin: int = subprocess.DEVNULL) -> Connecting:
        begun.append(Connecting(home, *words, stdin=stdin))
        return begun[-1]

    yield begin
    for one in begun:
        one.close()


def agree(page: str, decision: str = "allow") -> requests.Response:
    """What a browser does when the person presses a button; the answer is the last page."""
    with requests.Session() as session:
        session.trust_env = False
        shown = session.get(page, timeout=5)
        ticket = re.search(r'name="ticket" value="(\w+)"', shown.text)
        assert ticket is not None, shown.text
        place = urlsplit(page)
        form = {"ticket": ticket[1], "decision": decision}
        return session.post(f"{place.scheme}://{place.netloc}/oauth/authorize", data=form, timeout=5)


def works(home: Path, name: str = "me") -> bool:
    """Whether the API answers for the connection, in a process of its own."""
    words = ("http.request", "url=/users") if name == "public" else ("zoom.list_meetings",)
    return program("call", "--home", home, *words, f"connection={name}").returncode == 0


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason=MISSING)
class TestInABrowser:
    @pytest.fixture
    def browser(self, tmp_path: Path) -> Iterator[Browser]:
        with Browser(tmp_path) as one:
            yield one

    def test_a_person_agrees_and_everything_works(self, home: Path, connect: Connect, browser: Browser) -> None:
        connecting = connect("me")
        browser.go(connecting.page())
        assert browser.title == "Let this app in?"
        assert USER_CLIENT_ID in browser.text
        browser.click("#allow")

        assert browser.title == "Signed in"
        assert "You can close this page" in browser.text
        code, out, said = connecting.end()
        assert (code, out.splitlines()[0]) == (0, "signed in to Zoom as 'me'")
        assert "next: `changewire check me`" in said
        assert works(home)

    def test_a_person_who_declines_is_told_so_on_both_sides(
        self, home: Path, connect: Connect, browser: Browser
    ) -> None:
        connecting = connect("me")
        browser.go(connecting.page())
        browser.click("#decline")

        assert browser.title == "Not signed in"
        assert "It was refused: The user refused" in browser.text
        code, _, said = connecting.end()
        assert code == 3
        assert said.endswith("nobody is signed in: it was refused: The user refused.")
        assert not works(home)

    def test_a_public_app_needs_no_secret(self, home: Path, connect: Connect, browser: Browser) -> None:
        connecting = connect("public")
        browser.go(connecting.page())
        browser.click("#allow")
        assert browser.title == "Signed in"
        assert connecting.end()[0] == 0
        assert works(home, "public")

    def test_a_code_is_typed_at_another_device(self, home: Path, connect: Connect, browser: Browser) -> None:
        connecting = connect("me", "--device")
        address = connecting.until(r"go to (http\S+) on any device")
        code = connecting.until(r"^  (\w{4}-\w{4})$")
        browser.go(address)
        browser.write("#code", code.lower())
        browser.click("#allow")

        assert browser.title == "Done"
        assert connecting.end()[0] == 0
        assert works(home)


def test_the_address_is_shown_where_no_browser_opens(home: Path, connect: Connect) -> None:
    connecting = connect("me", "--json")
    page = connecting.page()
    asked = parse_qs(urlsplit(page).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert "scope" not in asked, "Zoom takes the scopes of the app"

    assert agree(page).status_code == 200
    code, out, said = connecting.end()
    assert code == 0
    (told,) = lines(out)
    assert sorted(told) == ["connection", "expires_at", "key", "scopes", "v"]
    assert told["connection"] == "me"
    assert told["key"] == "file"
    assert "meeting:read:list_meetings:admin" in told["scopes"]
    port = urlsplit(asked["redirect_uri"][0]).port
    assert f"`ssh -L {port}:127.0.0.1:{port} …`" in said
    assert "changewire connect me --device" in said
    assert works(home)


@pytest.mark.parametrize(("answer", "follows"), [("y", r"^  (\w{4}-\w{4})$"), ("n", r"^  (http\S+)$")])
def test_a_person_at_a_terminal_without_a_browser_is_offered_a_code(
    home: Path, connect: Connect, answer: str, follows: str
) -> None:
    ours, theirs = pty.openpty()
    try:
        connecting = connect("me", stdin=theirs)
        os.write(ours, f"{answer}\n".encode())
        assert connecting.until(follows)
    finally:
        os.close(ours)
        os.close(theirs)


def test_the_browser_that_is_named_opens(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What opens here is a program of ours that agrees, so that nobody has to type anything."""
    agreeing = tmp_path / "agreeing"
    agreeing.write_text(
        "#!/usr/bin/env python3\nimport re, sys, urllib.parse, urllib.request as web\nurl = sys.argv[1]\n"
        'ticket = re.search(r\'name="ticket" value="(\\w+)"\', web.urlopen(url).read().decode())[1]\n'
        "form = urllib.parse.urlencode({'ticket': ticket, 'decision': 'allow'}).encode()\n"
        "web.urlopen(url.split('?')[0], form).read()\n"
    )
    agreeing.chmod(0o755)
    done = program("connect", "--home", home, "me", env=os.environ | {"BROWSER": f"{agreeing} %s &"})
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("a browser opens")
    assert works(home)


def test_an_answer_with_a_wrong_state_is_not_used_and_the_right_one_still_is(
    sandbox: Sandbox, home: Path, connect: Connect
) -> None:
    connecting = connect("me")
    page = connecting.page()
    back = parse_qs(urlsplit(page).query)["redirect_uri"][0]
    elsewhere = requests.get(back.replace("/callback", "/favicon.ico"), timeout=5)
    assert elsewhere.status_code == 404
    rebound = requests.get(back, headers={"Host": "evil.example.com"}, timeout=5)
    assert rebound.status_code == 421

    answer = requests.get(f"{back}?code=stolen&state=guessed", timeout=5)
    assert answer.status_code == 400
    assert "its state is wrong" in answer.text
    assert not any(one["path"] == "/oauth/token" for one in sandbox.control("requests"))

    assert agree(page).status_code == 200
    code, _, said = connecting.end()
    assert code == 0, said
    assert works(home)


def test_a_code_that_came_too_late_is_told(sandbox: Sandbox, home: Path, connect: Connect) -> None:
    sandbox.control("switch", code_life_s=0)
    connecting = connect("me")
    agree(connecting.page())
    code, _, said = connecting.end()
    assert code == 3
    assert said.splitlines()[-1] == (
        "signing in to Zoom as 'me' failed (HTTP 400: The authorization code has expired): "
        "the code was not used in time; run: changewire connect me"
    )


def test_a_wrong_secret_is_told_when_the_browser_is_back(home: Path, connect: Connect) -> None:
    file = home / "config" / "connections.yaml"
    file.write_text(file.read_text().replace(USER_CLIENT_SECRET, "not-the-secret"))
    connecting = connect("me")
    agree(connecting.page())
    code, _, said = connecting.end()
    assert code == 3
    assert "Invalid client_id or client_secret): check client_id, client_secret and scopes in connections.yaml" in said
    assert "not-the-secret" not in said


def test_a_device_asks_as_often_as_it_may_and_slower_when_told(sandbox: Sandbox, home: Path, connect: Connect) -> None:
    connecting = connect("me", "--device")
    complete = connecting.until(r"or go to (http\S+), which")
    shown = requests.get(complete, timeout=5)
    code = parse_qs(urlsplit(complete).query)["user_code"][0]
    assert f'value="{code}"' in shown.text
    allowed = {"user_code": code, "decision": "allow"}
    assert requests.post(f"{sandbox.url}/oauth_device", data=allowed, timeout=5).status_code == 200
    assert connecting.end()[0] == 0
    assert works(home)


def test_a_device_that_is_refused_is_told(sandbox: Sandbox, home: Path, connect: Connect) -> None:
    connecting = connect("me", "--device")
    code = connecting.until(r"^  (\w{4}-\w{4})$")
    requests.post(f"{sandbox.url}/oauth_device", data={"user_code": code, "decision": "decline"}, timeout=5)
    exit_code, _, said = connecting.end()
    assert exit_code == 3
    assert "it was refused there; to try once more, run: changewire connect me" in said


def test_a_device_code_that_nobody_uses_expires(sandbox: Sandbox, home: Path, connect: Connect) -> None:
    connecting = connect("me", "--device")
    connecting.until(r"^  (\w{4}-\w{4})$")
    sandbox.control("clock", advance_s=901)
    code, _, said = connecting.end()
    assert code == 3
    assert "The device code has expired): the code was not used in time; run: changewire connect me" in said


def test_forgetting_ends_the_tokens_at_the_server_and_here(sandbox: Sandbox, home: Path, connect: Connect) -> None:
    connecting = connect("me")
    agree(connecting.page())
    connecting.end()
    assert works(home)

    (told,) = lines(changewire("connect", "--home", home, "--forget", "me", "--json").stdout)
    assert told == {"v": 1, "connection": "me", "forgotten": True, "revoked": True}
    assert not list((home / "state" / "tokens").glob("*.token"))
    assert not works(home)
    again = changewire("connect", "--home", home, "--forget", "me")
    assert (again.exit_code, again.stdout) == (0, "nobody was signed in to 'me'\n")


def test_forgetting_what_the_server_knows_no_more_deletes_it_here(
    sandbox: Sandbox, home: Path, connect: Connect
) -> None:
    connecting = connect("me")
    agree(connecting.page())
    connecting.end()
    sandbox.control("revoke_grants")
    result = changewire("connect", "--home", home, "--forget", "me")
    assert (result.exit_code, result.stdout) == (0, "forgot the sign-in of 'me'\n")
    assert not list((home / "state" / "tokens").glob("*.token"))


def test_no_token_is_in_any_file_or_output(sandbox: Sandbox, home: Path, connect: Connect) -> None:
    connecting = connect("me", "--json")
    agree(connecting.page())
    code, out, said = connecting.end()
    assert code == 0
    assert "eyJzdiI6" not in out + said, "tokens of the stand-in begin so"
    for path in (home / "state").rglob("*"):
        if path.is_file():
            assert b"eyJzdiI6" not in path.read_bytes(), path
            assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        (
            ("fixed",),
            2,
            "nobody signs in to connection 'fixed': it uses 'bearer', whose credentials stand in the files; "
            "`changewire check fixed` tries them",
        ),
        (("mee",), 2, "there is no connection 'mee': did you mean 'me'?"),
        (("public", "--device"), 2, "HTTP does not sign in by code: leave out --device, or write device_url"),
    ],
)
def test_what_cannot_be_signed_in_to_is_told(home: Path, words: tuple[str, ...], exit_code: int, said: str) -> None:
    result = changewire("connect", "--home", home, *words)
    assert (result.exit_code, result.stderr) == (exit_code, f"{said}\n")


def test_a_port_in_use_is_told(home: Path) -> None:
    text = (home / "config" / "connections.yaml").read_text()
    port = int(re.search(r"redirect_port: (\d+)", text)[1])  # type: ignore[index]
    import socket

    with socket.socket() as busy:
        busy.bind(("127.0.0.1", port))
        busy.listen()
        result = changewire("connect", "--home", home, "me")
    assert result.exit_code == 1
    assert result.stderr == (
        f"port {port} of this machine is in use, and the browser is to come back there: end what uses it\n"
    )


def test_a_daemon_that_waits_for_a_sign_in_goes_on_by_itself_when_somebody_signed_in(
    sandbox: Sandbox, home: Path, connect: Connect, tmp_path: Path
) -> None:
    text = workflow("New", "zoom.new_meeting_created", "{user_id: me}")
    (home / "config" / "workflows" / "new.yaml").write_text(text.replace("every: 1s", "connection: me, every: 1s"))
    log = tmp_path / "log"
    with log.open("w") as stream:
        daemon = subprocess.Popen([*PROGRAM, "run", "--home", str(home), "--json"], stdout=stream, stderr=stream)
    try:
        paused = _awaited(log, "connection_paused")
        assert paused["next"] == "run: changewire connect me"
        connecting = connect("me")
        agree(connecting.page())
        assert connecting.end()[0] == 0
        assert _awaited(log, "connection_mended")["connection"] == "me"
        _awaited(log, "baseline_taken")
    finally:
        daemon.terminate()
        daemon.wait(WITHIN_S)
    assert "eyJzdiI6" not in log.read_text()
    assert b"eyJzdiI6" not in (home / "state" / "changewire.db").read_bytes()


def _awaited(log: Path, action: str) -> dict[str, Any]:
    """The first line of the log about ``action``."""
    clock = SystemClock()
    end = clock.monotonic() + WITHIN_S
    while clock.monotonic() < end:
        whole = [line for line in log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
        told: list[dict[str, Any]] = [json.loads(line) for line in whole]
        if found := [line for line in told if line["action"] == action]:
            return found[0]
        clock.wait(0.1)
    pytest.fail(f"no {action} in\n{log.read_text()}")
