"""Answers that are small on the wire and large in memory, or that no parser expects, and a process that polls them.

``python -m tests.support.hostile_answers HOME WORKFLOW…`` polls each workflow once, in one process whose memory is
limited, and prints a JSON line with the exit code and the last line of the messages of each.
"""

from __future__ import annotations

import gzip
import json
import resource
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from click.testing import CliRunner

MEMORY = 512 << 20  # bytes beyond what the process takes at its start
M = 1 << 20


def bomb(size: int) -> bytes:
    """Gzip of ``size`` blanks, a thousandth of them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join((*(packer.compress(b" " * M) for _ in range(size // M)), packer.flush()))


def nested(data: bytes, times: int) -> bytes:
    """``data`` packed by gzip again and again."""
    for _ in range(times):
        data = gzip.compress(data)
    return data


def answers() -> dict[str, tuple[bytes, dict[str, str]]]:
    """Body and further headers by name."""
    packed = {"Content-Encoding": "gzip"}
    return {
        "gzip-bomb": (bomb(1024 * M), packed),
        "gzip-members": (bomb(16 * M) * 64, packed),
        "gzip-nested": (nested(bomb(1024 * M), 2), {"Content-Encoding": "gzip, gzip, gzip"}),
        "gzip-many-times": (nested(b"[]", 12), {"Content-Encoding": ", ".join(["gzip"] * 12)}),
        "deflate-bomb": (zlib.compress(b" " * (256 * M), 9), {"Content-Encoding": "deflate"}),
        "backslashes": (b'["' + b"\\\\" * (31 * M) + b'"]', {}),
        "half-characters": (gzip.compress(b'["' + b"\\ud83d" * (10 * M) + b'"]', 1), packed),
        "objects": (gzip.compress(b"[" + b"{}," * (10 * M) + b"{}]", 1), packed),
        "depth": (b"[" * (8 * M), {}),
        "digits": (b"[" + b"9" * (2 * M) + b"]", {}),
        "numbers": (b"[1e999, -0.0, NaN, Infinity]", {}),
        "fields": (gzip.compress(b"{" + b",".join(b'"%d":1' % n for n in range(4 * M)) + b"}", 1), packed),
        "links": (b"[]", {"Link": "<" * 60_000}),
        "headers": (b"[]", {f"X-{n}": "x" for n in range(1000)}),
        "utf-16": ("[]".encode("utf-16"), {}),
        "half-gzip": (bomb(M)[:-20], packed),
    }


@contextmanager
def serving() -> Iterator[str]:
    """Serve each answer below its name, and one record at ``/good``."""
    known = answers()
    known["good"] = (b'[{"id": 1}]', {})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, headers = known[self.path.strip("/")]
            self.send_response(200)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:  # the client has read enough
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def main(home: str, *workflows: str) -> None:
    """Poll each workflow once."""
    from changewire.cli import root

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for workflow in workflows:
        result = CliRunner().invoke(root, ["test", workflow, "--home", home, "--json"])
        told = {"workflow": workflow, "code": result.exit_code, "messages": result.stderr, "output": result.stdout}
        sys.stdout.write(f"{json.dumps(told)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
