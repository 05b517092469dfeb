"""A server that answers with given bytes, however wrong they are."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def raw_server(*answers: Sequence[bytes], pause_s: float = 0.0) -> Iterator[str]:
    """Each connection gets the next answer, in pieces with a pause after each, and is closed then."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_serve, args=(listening, answers, pause_s), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def _serve(listening: socket.socket, answers: Sequence[Sequence[bytes]], pause_s: float) -> None:
    for pieces in answers:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection:
            connection.recv(65536)
            for piece in pieces:
                try:
                    connection.sendall(piece)
                except OSError:
                    break
                time.sleep(pause_s)
