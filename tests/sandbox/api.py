"""A plain client for the sandbox's tests."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests

from changewire.sandbox import ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET, Sandbox

JSON = dict[str, Any]


def double(uuid: str) -> str:
    """Encode a UUID for a path by Zoom's rule."""
    once = quote(uuid, safe="")
    return quote(once, safe="") if uuid.startswith("/") or "//" in uuid else once


class Api:
    """Signs in once and calls the sandbox over HTTP."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.sign_in()

    def sign_in(self) -> JSON:
        form = {"grant_type": "account_credentials", "account_id": ACCOUNT_ID}
        answer = self.session.post(
            f"{self.sandbox.url}/oauth/token", data=form, auth=(CLIENT_ID, CLIENT_SECRET), timeout=10
        )
        body: JSON = answer.json()
        self.token = str(body["access_token"])
        return body

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        url = path if path.startswith("http") else f"{self.sandbox.url}/v2{path}"
        return self.session.request(method, url, headers=headers, timeout=10, **options)

    def get(self, path: str, expected: int = 200, /, **query: Any) -> JSON:
        """GET, check the status, return the body."""
        answer = self.call("GET", path, params=query)
        assert answer.status_code == expected, answer.text
        body: JSON = answer.json()
        return body

    def error(self, path: str, expected: int, code: int, /, **query: Any) -> str:
        """GET what must fail; return the message."""
        body = self.get(path, expected, **query)
        assert body["code"] == code
        return str(body["message"])

    def control(self, action: str, **arguments: Any) -> Any:
        answer = self.session.post(f"{self.sandbox.url}/sandbox/{action}", json=arguments, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def crawl(self, path: str, key: str, **query: Any) -> list[JSON]:
        rows: list[JSON] = []
        token = ""
        while True:
            body = self.get(path, **query, **({"next_page_token": token} if token else {}))
            rows += body[key]
            token = body["next_page_token"]
            if not token:
                return rows
