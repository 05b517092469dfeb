"""The control API: making things happen, turning the clock, ordering faults."""

from __future__ import annotations

import difflib
import inspect
import ipaddress
import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from changewire.sandbox.clock import iso, parse_iso
from changewire.sandbox.errors import JSON, ControlError
from changewire.sandbox.faults import KINDS
from changewire.sandbox.gateway import Gateway
from changewire.sandbox.limits import LABELS
from changewire.sandbox.switches import Switches
from changewire.sandbox.wire import Request, Response, json_response
from changewire.sandbox.world.populate import populate
from changewire.sandbox.world.world import World


def refuse_stranger(headers: Mapping[str, str], *, local_only: bool) -> Response | None:
    """Return the refusal of a control call that a web page made a browser send; None: it may be answered.

    ``local_only``: the server listens on this machine only, so no other name leads here honestly. Header names are
    lower case.
    """
    host, origin = headers.get("host", ""), headers.get("origin")
    if local_only and not _is_local(host):
        return json_response(421, {"error": "ask for this machine by its address or as localhost"})
    if origin is not None and origin.partition("://")[2].lower() != host.lower():
        return json_response(403, {"error": "control calls do not come from other web pages"})
    return None


def _is_local(host: str) -> bool:
    name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
    try:
        return name.lower() == "localhost" or bool(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return False


class Control:
    """Runs control calls by name; ``filled`` says whether a reset makes the default world."""

    def __init__(self, world: World, gateway: Gateway, filled: bool) -> None:
        self._world = world
        self._gateway = gateway
        self._filled = filled
        self._at_start = world.switches.as_dict()
        self._calls: dict[str, Callable[..., Any]] = {
            **world.actions(),
            "clock": self.clock, "switch": self.switch, "reset": self.reset, "faults": self.add_faults,
            "clear_faults": self.clear_faults, "stats": gateway.stats, "requests": self.requests,
            "set_scopes": self.set_scopes, "expire_tokens": self.expire_tokens,
            "spend_daily": self.spend_daily, "revoke_grants": self.revoke_grants,
        }  # fmt: skip

    def call(self, action: str, /, **arguments: Any) -> Any:
        """Run one control call; ControlError says what was wrong with it."""
        method = self._calls.get(action)
        if method is None:
            near = difflib.get_close_matches(action, self._calls, 1, 0.3)
            detail = {"nearest": near[0] if near else None, "known": sorted(self._calls)}
            raise ControlError(f"no action {action!r}", status=404, **detail)
        try:
            inspect.signature(method).bind(**arguments)
        except TypeError as error:
            raise ControlError(f"{action}: {error}", takes=str(inspect.signature(method))) from error
        try:
            return method(**arguments)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ControlError(f"{action}: {type(error).__name__}: {error}") from error

    def handle(self, request: Request) -> Response:
        """Answer a request under ``/sandbox/``."""
        try:
            return json_response(200, self._dispatch(request))
        except ControlError as error:
            return json_response(error.status, error.detail)

    def _dispatch(self, request: Request) -> Any:
        name = request.path.removeprefix("/sandbox").strip("/")
        if request.method == "GET":
            if not name:
                return self.overview()
            if name == "faults":
                return self._gateway.faults.listing()
            if name in ("state", "stats", "requests", "history"):
                return self.call(name)
            raise ControlError(f"nothing to read at {request.path}", status=404)
        if request.method == "DELETE" and name == "faults":
            return self.clear_faults()
        if request.method != "POST":
            raise ControlError(f"{request.method} is not for control calls", status=405)
        try:
            arguments = json.loads(request.body or b"{}")
        except ValueError:
            raise ControlError("the body is not JSON") from None
        if name == "faults" and isinstance(arguments, list):
            arguments = {"rules": arguments}
        if not isinstance(arguments, dict):
            raise ControlError("the body must be a JSON object")
        return self.call(name, **arguments)

    def overview(self) -> JSON:
        """Return the actions with their arguments and what they do, the switches and the kinds of faults."""
        calls = sorted(self._calls.items())
        return {
            "actions": {name: str(inspect.signature(method)) for name, method in calls},
            "about": {name: (inspect.getdoc(method) or "").partition("\n\n")[0] for name, method in calls},
            "switches": self._world.switches.as_dict(),
            "faults": KINDS,
        }

    def clock(self, advance_s: float = 0, set: str | None = None) -> JSON:  # noqa: A002
        """Turn the clock on by seconds or to an ISO instant; returns the time."""
        clock = self._world.clock
        now = clock.advance(advance_s) if set is None else clock.set(parse_iso(set))
        with self._world.lock:
            self._world.settle()
        return {"now": iso(now)}

    def switch(self, **switches: Any) -> JSON:
        """Set switches by name; returns all of them."""
        for name, value in switches.items():
            self._world.switches.set(name, value)
        return self._world.switches.as_dict()

    def reset(self) -> JSON:
        """Start anew: world, clock, switches, tokens, faults, counters."""
        with self._world.lock:
            for field in fields(Switches):
                setattr(self._world.switches, field.name, self._at_start[field.name])
            self._world.clock.reset()
            self._world.clear()
            self._gateway.reset()
            if self._filled:
                populate(self._world)
        self._calls["stats"] = self._gateway.stats
        return {"now": self._world.stamp()}

    def add_faults(self, rules: list[JSON] | None = None, **rule: Any) -> JSON:
        """Add one rule, or several as ``rules``; returns their ids."""
        made = [self._gateway.faults.add(each) for each in (rules if rules is not None else [rule])]
        return {"ids": [fault.id for fault in made]}

    def clear_faults(self) -> JSON:
        """Remove all fault rules."""
        return {"cleared": self._gateway.faults.clear()}

    def requests(self) -> list[JSON]:
        """Return the latest requests, oldest first."""
        return list(self._gateway.log)

    def set_scopes(self, scopes: list[str]) -> JSON:
        """Give the app other scopes; tokens already issued keep theirs."""
        self._gateway.office.scopes = [str(scope) for scope in scopes]
        return {"scopes": self._gateway.office.scopes}

    def expire_tokens(self) -> JSON:
        """Make all access tokens expired ones."""
        return {"expired": self._gateway.office.expire_all()}

    def revoke_grants(self) -> JSON:
        """Let the user take back what apps were allowed: all their tokens end."""
        return {"revoked": self._gateway.grants.revoke_all()}

    def spend_daily(self, label: str, used: int) -> JSON:
        """Pretend that ``used`` requests of a label's daily pool are spent today."""
        if label not in LABELS:
            raise ControlError(f"no label {label!r}", known=list(LABELS))
        self._gateway.limiter.preset_today(label, used)
        return {"label": label, "today": used}
