"""The code of the core action that sends notifications."""

from __future__ import annotations

import re
import sys
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from changewire.actions.context import ActionContext
from changewire.actions.provenance import own_text
from changewire.connectors.transport.deadlines import Exchange, current_exchange
from changewire.connectors.transport.sockets import watch_connections
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.templates import text_of
from changewire.values import Json

_HOST = re.compile(r"\s*[a-z][a-z0-9.+-]*://(?:[^/?#\s]*@)?(\[[0-9a-f:.]+\]|[^/?#@:\s]+)(?::\d+)?[/?#]", re.IGNORECASE)
_SEPARATOR = re.compile(r"[,;\s]")
_RECIPIENTS = ("targets", "cc", "bcc", "channels", "rooms", "users", "emails", "phones", "devices", "topics", "groups")
_MENTION = re.compile(
    r"(?<![\w.+-])([!@])(channel|here|everyone|all|room|subteam)\b|((?:<|&lt;)[ \t]*@)([!&]?\w+)|(<at)([ >])",
    re.IGNORECASE,
)  # as Slack, Discord, Mattermost, Rocket.Chat, Matrix and Teams know them
_WATCHED = ("requests", "smtplib")  # what a service must use for its connections to be seen


def notify(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Send a message through Apprise."""
    body, title = (_quiet(text_of(values[name]), context.written.get(name)) for name in ("body", "title"))
    if not body.strip():  # an empty one is refused by most services, and a list that it was made of may well be empty
        body, title = title, ""
    if not body.strip():
        raise UsageError("there is nothing to tell: title and body are empty")
    to = text_of(values["to"])
    written, whole = own_text(context, "to")
    left = max(0.1, context.deadline - context.clock.monotonic())
    with Exchange(left):
        if whole or context.settings.http.allow_private:
            _send(to, body, title, values["type"])
        else:
            _send_guarded(to, written, body, title, values["type"])
    return {"sent": True}


def _quiet(text: str, written: Json) -> str:
    """``text`` in which data mentions no group or person; what stands literally in ``written`` still does."""
    own = written if isinstance(written, str) else ""
    return _MENTION.sub(
        lambda found: found[0] if found[0] in own else "\u200b".join(part for part in found.groups() if part), text
    )


def _send_guarded(to: str, written: str, body: str, title: str, kind: Json) -> None:
    """Send to an address of which a part, all after ``written``, comes from data."""
    if not written.strip():
        _refuse_list(to)
    if any(name in urllib.request.getproxies() for name in ("http", "https", "all")):
        raise UsageError(
            "to: behind a proxy nobody can see where an address from data leads: write it into the workflow, "
            "or set allow_private: true under http in config/changewire.yaml"
        )
    host = _HOST.match(written)
    with watch_connections(None if host is None else host[1].strip("[]")):
        _send(to, body, title, kind, from_data=True, one=not written.strip())


def _refuse_list(to: str) -> None:
    if _SEPARATOR.search(unquote(unquote(to.strip()))):
        raise UsageError("to: an address that comes from data is one address without blanks, ',' and ';'; use for_each")


def _send(to: str, body: str, title: str, kind: Json, *, from_data: bool = False, one: bool = False) -> None:
    import apprise  # takes a while, and most homes never need it

    service, scheme = apprise.Apprise(), to.partition(":")[0]
    added = apprise.Apprise.instantiate(to) if from_data else to  # one text may name several services
    if added is None or not service.add(added):
        raise UsageError(f"to: {scheme}:… is not an address that Apprise understands; see its list of services")
    if from_data and not _is_watched(added):
        raise UsageError(
            f"to: the connections of {scheme}:… cannot be guarded, so its address may not come from data: "
            "write it into the workflow"
        )
    if one and _recipients(added) > 1:
        raise UsageError("to: an address that comes from data has one recipient; use for_each for several")
    exchange = current_exchange()
    assert exchange is not None
    # Its own time-out ends the wait for services whose sockets nobody here sees.
    accepted = service.notify(body, title, kind, timeout=max(0.1, exchange.left_s))
    if not accepted or exchange.expired:  # to most services a connection that was cut is the end of the answer
        raise _refusal(scheme, exchange, sent=exchange.connected or not all(map(_is_watched, service)))


def _refusal(scheme: str, exchange: Exchange, *, sent: bool) -> ApiError:
    """Return the error of a notification that was not accepted. ``sent``: it may have reached the service."""
    if exchange.expired or exchange.left_s <= 0:
        message = (
            f"the notification to {scheme}:… was not accepted within its time; check the address and that the "
            "service is up, or allow a longer timeout"
        )
    else:
        message = f"the notification to {scheme}:… was not accepted; check the address and that the service is up"
    return ApiError(message, FailureClass.TRANSIENT, sent=sent)


def _recipients(service: Any) -> int:
    """How many recipients the attributes of a service name."""
    lists = [getattr(service, name, None) for name in _RECIPIENTS]
    return sum(len(each) for each in lists if isinstance(each, list | tuple | set | dict))


def _is_watched(service: Any) -> bool:
    """Whether a service uses libraries whose connections are seen; others leave it to C code, or to this desktop."""
    modules = [sys.modules[each.__module__] for each in type(service).__mro__ if each.__module__ in sys.modules]
    return any(hasattr(module, name) for module in modules for name in _WATCHED)
