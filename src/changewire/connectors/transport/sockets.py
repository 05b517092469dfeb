"""Connections that are not opened by the fetcher: pinned where we open them, watched where a library does."""

from __future__ import annotations

import functools
import ipaddress
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from changewire.connectors.transport.guard import public_addresses, refusal, refused
from changewire.connectors.transport.lookups import resolve
from changewire.errors import ApiError, FailureClass

_PARTING = frozenset({"subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "os.system"})
_REACHING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_EVENTS = _PARTING | _REACHING | {"syslog.syslog", "syslog.openlog"}


def open_socket(host: str, port: int, timeout: float, *, guarded: bool) -> socket.socket:
    """Return a connection to ``host``; if ``guarded``, to the very address that was found to be public.

    Raises ApiError where that is refused, OSError where nothing can be reached.
    """
    if not guarded:
        return socket.create_connection((host, port), timeout)
    failure = OSError("no address")
    for address in public_addresses(host, port):
        try:
            return socket.create_connection((address, port), timeout)
        except OSError as error:
            failure = error
    raise failure


class _Watch:
    """Judges each connection of a library at the moment in which it is opened, so no name can change in between."""

    def __init__(self, own_host: str | None) -> None:
        self._own_host = own_host
        self.error: ApiError | None = None

    def judge(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Raise PermissionError, which libraries take for a failed connection, and keep the reason."""
        if self.error is None:
            self.error = self._refuse_address(arguments[1]) if event in _REACHING else _unwatchable()
        if self.error is not None:
            raise PermissionError(str(self.error))

    def _refuse_address(self, place: Any) -> ApiError | None:
        if place is None:  # a message through a socket that was judged when it was connected
            return None
        host = str(place[0]) if isinstance(place, tuple) else str(place)
        try:
            address = ipaddress.ip_address(host.split("%")[0])
        except ValueError:  # a name, which the system would resolve unseen, or a socket of this machine
            return _unwatchable()
        why = refusal(address)
        return None if why is None or self._is_own(address) else refused(host, address, why)

    def _is_own(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether the user's own host leads to ``address``. It is looked up only now: it may be a token."""
        if self._own_host is None:
            return False
        try:
            return any(ipaddress.ip_address(text) == address for text in resolve(self._own_host, 0))
        except ApiError:
            return False


def _unwatchable() -> ApiError:
    message = (
        "this service opens its connections in a way that cannot be guarded, so its address may not come from data: "
        "write it into the workflow, or set allow_private: true under http in config/changewire.yaml"
    )
    return ApiError(message, FailureClass.BAD_INPUT, sent=False)


_WATCH: ContextVar[_Watch | None] = ContextVar("changewire_watch", default=None)


@contextmanager
def watch_connections(own_host: str | None = None) -> Iterator[None]:
    """Refuse every connection to this machine or a private network that a library opens inside, in this thread.

    ``own_host``: the one that stands literally in the user's files; its addresses are let through.
    Raises ApiError (bad_input) at the end if one was refused, whatever the library made of that.
    """
    _install()
    watch = _Watch(own_host)
    before = _WATCH.set(watch)
    try:
        yield
    except Exception:
        if watch.error is None:
            raise
    finally:
        _WATCH.reset(before)
    if watch.error is not None:
        raise watch.error


@functools.cache
def _install() -> None:
    """Audit hooks see what every library does, also those that resolve names in C, and stay for good."""
    sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _EVENTS and (watch := _WATCH.get()) is not None:
        watch.judge(event, arguments)
