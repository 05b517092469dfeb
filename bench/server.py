"""A server that costs next to nothing: JSON documents of a wanted size that change at a wanted pace.

``GET /<bytes>/<every>/<name>`` answers a document of about so many bytes. It is another one at every ``every``-th
request for the name, or always the same with 0. Run as ``python -m bench.server``: the port is printed first.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections import Counter
from email.utils import formatdate
from functools import cache

_TIMES = Counter[str]()


@cache
def _parts(size: int) -> tuple[bytes, bytes]:
    """What comes before and after the revision number."""
    orders = [
        {"id": f"order-{n:04d}", "customer": f"Customer {n}", "state": "open", "total": n * 1.25, "lines": [n, n + 1]}
        for n in range(max(0, size - 120) // 100)
    ]
    rest = json.dumps(orders)[1:]
    return b'{"title": "Orders", "revision": @, "orders": [{"id": "new-@"}, ', rest.encode() + b"}"


def document(size: int, revision: int) -> bytes:
    """The document of about ``size`` bytes at a revision."""
    before, after = _parts(size)
    return before.replace(b"@", b"%07d" % (1_000_000 + revision)) + after


def answer(target: str) -> bytes:
    """A whole HTTP answer."""
    size, every, name = target[1:].split("/", 2)
    _TIMES[target] += 1  # what was asked at another pace does not count, else far more would have changed
    start = zlib.crc32(name.encode())  # so that names do not change all at once
    revision = (_TIMES[target] + start % int(every)) // int(every) if int(every) else 0
    body = document(int(size), revision)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nDate: "
    return head.encode() + formatdate(usegmt=True).encode() + b"\r\n\r\n" + body


class Answering(asyncio.Protocol):
    """One connection, kept open."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to listen."""
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._read = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer every request that has come as a whole."""
        *requests, self._read = (self._read + data).split(b"\r\n\r\n")
        for request in requests:
            self._transport.write(answer(request.split(b" ", 2)[1].decode()))


async def serve() -> None:
    """Serve until the process ends."""
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
