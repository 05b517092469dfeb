"""Answers that never end, of every shape and in every way at once: nothing is stuck, and nothing is left behind."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from changewire.clock import SystemClock
from changewire.connectors.transport.fetcher import Fetcher, Outgoing
from changewire.errors import ApiError
from tests.actions.mail_server import CERTIFICATE
from tests.support.memory import forget_peak, peak_mib, resident_mib
from tests.support.slow_server import SHAPES, SlowServer, slow_server

CLOCK = SystemClock()
ROUNDS, WORKERS = 12, 64
ALLOWED_S, GRACE_S = (0.2, 1.0, 3.0), 20.0  # generous: all of them run at the same time
MOST_MEMORY_MIB = 512  # more than before


def fetch(fetcher: Fetcher, server: SlowServer, method: str, allowed_s: float) -> tuple[float, str]:
    """How long an exchange took beyond its deadline, and its error."""
    out = Outgoing(method, server.url, "/", {"Accept": "*/*"}, b"{}" if method == "POST" else None)
    began = CLOCK.monotonic()
    with pytest.raises(ApiError) as caught:
        fetcher.send(out, deadline=began + allowed_s, max_bytes=1 << 26)
    return CLOCK.monotonic() - began - allowed_s, str(caught.value)


def download(fetcher: Fetcher, server: SlowServer, allowed_s: float) -> tuple[float, str]:
    """The same for a file that is read as it arrives."""
    began, out = CLOCK.monotonic(), Outgoing("GET", server.url, "/", {"Accept": "*/*"})
    with pytest.raises(ApiError) as caught, fetcher.open(out, deadline=began + allowed_s) as stream:
        list(stream.chunks)
    return CLOCK.monotonic() - began - allowed_s, str(caught.value)


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.torture
def test_thousands_of_answers_that_never_end_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = tmp_path / "certificate.pem"
    certificate.write_text(CERTIFICATE)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    plain = {name: shape for name, shape in SHAPES.items() if "flood" not in name}
    fetcher = Fetcher(CLOCK, allow_private=True)
    forget_peak()
    threads, held, before = threading.active_count(), descriptors(), resident_mib()
    with ExitStack() as stack:
        servers = [stack.enter_context(slow_server(shape)) for shape in plain.values()]
        servers += [stack.enter_context(slow_server(shape, certificate)) for shape in plain.values()]
        with ThreadPoolExecutor(WORKERS) as pool:
            ends = [
                pool.submit(fetch, fetcher, server, method, allowed_s)
                for turn in range(ROUNDS)
                for server in servers
                for method, allowed_s in (("GET", ALLOWED_S[turn % 3]), ("POST", ALLOWED_S[(turn + 1) % 3]))
            ]
            ends += [pool.submit(download, fetcher, server, ALLOWED_S[0]) for server in servers]
            found = [each.result() for each in ends]
    fetcher.close()
    assert len(found) > 1_700
    assert max(late for late, _ in found) < GRACE_S
    assert {words for _, words in found if "gave no complete answer within" not in words} == set()
    while threading.active_count() > threads + 1 or descriptors() > held + 2:  # until those of the servers have ended
        CLOCK.wait(0.1)
    assert peak_mib() - before < MOST_MEMORY_MIB
