"""A real browser, driven by the WebDriver protocol that Debian's chromium-driver speaks: plain HTTP and JSON."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = "no browser here: apt-get install chromium chromium-driver"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
)  # fmt: skip
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's own word
PATIENCE_S = 60


class Browser:
    """Chromium without a window, with an empty profile in ``folder``; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._driver = subprocess.Popen(
            [str(DRIVER), "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=os.environ | {"HOME": str(folder)},
        )  # fmt: skip
        assert self._driver.stdout is not None
        found = None
        while found is None:
            line = self._driver.stdout.readline()
            assert line, "chromedriver ended before it began"
            found = re.search(r"started successfully on port (\d+)", line)
        self._at = f"http://127.0.0.1:{found[1]}/session"
        self._http = requests.Session()
        self._http.trust_env = False
        options = {"binary": CHROMIUM, "args": [*FLAGS, f"--user-data-dir={folder / 'profile'}"]}
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        self._at += f"/{self._say('POST', '', wanted)['sessionId']}"

    def go(self, url: str) -> None:
        """Load a page."""
        self._say("POST", "/url", {"url": url})

    @property
    def title(self) -> str:
        return str(self._say("GET", "/title"))

    @property
    def text(self) -> str:
        """What a person reads on the page."""
        return str(self._say("GET", f"/element/{self._find('body')}/text"))

    def click(self, selector: str) -> None:
        """Press what the CSS selector finds, and wait for the page that follows."""
        element = self._find(selector)
        self._say("POST", f"/element/{element}/click", {})
        end = time.monotonic() + PATIENCE_S
        while self._http.get(f"{self._at}/element/{element}/name", timeout=PATIENCE_S).ok:  # it is still the old page
            assert time.monotonic() < end, "no page followed"
            time.sleep(0.05)

    def write(self, selector: str, text: str) -> None:
        """Write into a field in place of what is there."""
        element = self._find(selector)
        self._say("POST", f"/element/{element}/clear", {})
        self._say("POST", f"/element/{element}/value", {"text": text})

    def _find(self, selector: str) -> str:
        found: dict[str, str] = self._say("POST", "/element", {"using": "css selector", "value": selector})
        return found[_ELEMENT]

    def _say(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self._http.request(method, self._at + path, json=body, timeout=PATIENCE_S)
        value = answer.json()["value"]
        assert answer.ok, value
        return value

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            self._say("DELETE", "")
        finally:
            self._http.close()
            self._driver.terminate()
            self._driver.wait(PATIENCE_S)
            if self._driver.stdout is not None:
                self._driver.stdout.close()
