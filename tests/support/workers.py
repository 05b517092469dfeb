"""Many workers of one connection that ask as fast as they may, and what the sandbox measured of it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from changewire.clock import SystemClock
from changewire.config.settings import HttpSettings
from changewire.connectors.client import Client, Request
from changewire.errors import DelayedError
from changewire.sandbox import ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET, OWNER_EMAIL, Sandbox
from tests.connectors.server import connection

AUTH = {"type": "server_to_server", "account_id": ACCOUNT_ID, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
PATHS = {
    "LIGHT": f"/users/{OWNER_EMAIL}",
    "MEDIUM": "/users",
    "HEAVY": "/report/daily",
    "RESOURCE-INTENSIVE": "/metrics/meetings",
}
WORKERS = 20


@dataclass(frozen=True)
class Measured:
    """By the sandbox, of one label."""

    total: int  # requests
    peak: int  # the most within one window
    refused: int  # 429 answers
    seconds: float


def measure(label: str, plan: str, share: float, seconds: float) -> Measured:
    """Let twenty workers ask for ``seconds`` of real time."""
    with Sandbox(plan=plan) as sandbox:
        client = Client(connection(sandbox.url, plan=plan, share=share, auth=AUTH), SystemClock(), HttpSettings())
        client.sign_in()
        begun = time.monotonic()
        with ThreadPoolExecutor(WORKERS) as pool:
            for done in [pool.submit(_work, client, label, begun + seconds) for _ in range(WORKERS)]:
                done.result()
        client.close()
        (found,) = [one for name, one in sandbox.control("stats")["by_label"].items() if name.upper() == label]
    return Measured(found["total"], found["peak"], found["refused_second"], seconds)


def _work(client: Client, label: str, until: float) -> None:
    request = Request("GET", PATHS[label], label=label)
    while (left := until - time.monotonic()) > 0:
        try:
            client.send(request, deadline=until)
        except DelayedError as error:
            time.sleep(min(left, max(0.0, (error.until - SystemClock().now()).total_seconds())))
