"""What users allow apps: codes, refresh tokens that change with each use, and codes for other devices."""

from __future__ import annotations

import base64
import hashlib
import threading
from dataclasses import dataclass, field

from changewire.sandbox.clock import SandboxClock
from changewire.sandbox.errors import JSON
from changewire.sandbox.ids import IdMaker
from changewire.sandbox.sign_in.oauth import SignInError, TokenOffice, read_basic
from changewire.sandbox.switches import Switches

USER_CLIENT_ID, USER_CLIENT_SECRET = "sandbox-user-app", "sandbox-user-secret"
PUBLIC_CLIENT_ID = "sandbox-public-app"  # has no secret
APPS = {USER_CLIENT_ID: USER_CLIENT_SECRET, PUBLIC_CLIENT_ID: None}
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


@dataclass
class Code:
    """An authorisation code, good for one use; ``expires`` in clock seconds."""

    client: str
    redirect: str
    challenge: str  # "": the app sent none
    scopes: list[str]
    expires: float


@dataclass
class Device:
    """A device that waits for its user."""

    client: str
    user_code: str
    scopes: list[str]
    expires: float
    interval: float
    answer: str = "pending"  # or allowed, denied
    asked_at: float = float("-inf")


@dataclass
class Allowed:
    """What an app has of a user at present, and the tokens that it had."""

    client: str
    scopes: list[str]
    refresh: str
    refresh_expires: float
    access: list[str] = field(default_factory=list)
    old: dict[str, float] = field(default_factory=dict)  # refresh token → when it was used


class GrantOffice:
    """Changes codes and refresh tokens into access tokens."""

    def __init__(self, office: TokenOffice, clock: SandboxClock, switches: Switches, ids: IdMaker) -> None:
        self._office, self._clock, self._switches, self._ids = office, clock, switches, ids
        self._lock = threading.RLock()
        self._codes: dict[str, Code] = {}
        self._devices: dict[str, Device] = {}
        self._allowed: dict[str, Allowed] = {}

    def answer(self, authorization: str, form: dict[str, str], site: str) -> JSON:
        """Answer a token request or raise SignInError."""
        grant_type = form.get("grant_type", "")
        if not grant_type:
            raise SignInError("invalid_request", "The grant type is missing.")
        if grant_type == "account_credentials":
            return self._office.sign_in(authorization, form, site)
        if grant_type not in ("authorization_code", "refresh_token", DEVICE_CODE, "client_credentials"):
            raise SignInError("unsupported_grant_type", "unsupported grant type")
        client = self.client(authorization, form)
        with self._lock:
            if grant_type == "authorization_code":
                return self._by_code(client, form, site)
            if grant_type == "refresh_token":
                return self._by_refresh(client, form, site)
            if grant_type == DEVICE_CODE:
                return self._by_device(client, form, site)
        if client == PUBLIC_CLIENT_ID:
            raise SignInError("unauthorized_client", "An app without a secret cannot act as itself.")
        return self._office.issue(self._wanted(form), site)

    def client(self, authorization: str, form: dict[str, str]) -> str:
        """Return the id of the app that asks or raise SignInError."""
        name, secret = read_basic(authorization)
        name, secret = name or form.get("client_id", ""), secret or form.get("client_secret", "")
        if name not in APPS or (APPS[name] or "") != secret:
            raise SignInError("invalid_client", "Invalid client_id or client_secret")
        return name

    def new_code(self, client: str, redirect: str, challenge: str, form: dict[str, str]) -> str:
        """Return a code for an app that a user allowed in."""
        with self._lock:
            text = self._ids.nonce(32)
            expires = self._clock.time() + self._switches.code_life_s
            self._codes[text] = Code(client, redirect, challenge, self._wanted(form), expires)
            return text

    def begin_device(self, client: str, form: dict[str, str], site: str) -> JSON:
        """Return the answer to a device that asks for a code."""
        switches = self._switches
        with self._lock:
            text = self._ids.nonce(40)
            letters = hashlib.sha256(text.encode()).digest()
            code = "".join(_LETTERS[byte % len(_LETTERS)] for byte in letters[:8])
            expires = self._clock.time() + switches.device_life_s
            interval = float(switches.device_interval_s)
            self._devices[text] = Device(client, f"{code[:4]}-{code[4:]}", self._wanted(form), expires, interval)
            shown = self._devices[text].user_code
        return {
            "device_code": text,
            "user_code": shown,
            "verification_uri": f"{site}/oauth_device",
            "verification_uri_complete": f"{site}/oauth_device/complete?user_code={shown}",
            "expires_in": switches.device_life_s,
            "interval": switches.device_interval_s,
        }

    def decide_device(self, user_code: str, allow: bool) -> bool:
        """Let the user of a code decide; False for a code that waits for nobody."""
        wanted = user_code.strip().upper().replace("-", "")
        with self._lock:
            for device in self._devices.values():
                alive = device.answer == "pending" and device.expires > self._clock.time()
                if alive and device.user_code.replace("-", "") == wanted:
                    device.answer = "allowed" if allow else "denied"
                    return True
        return False

    def revoke(self, client: str, token: str) -> None:
        """End everything that belongs to a token of the app."""
        with self._lock:
            known = self._allowed.get(client)
            if known is None or token not in (known.refresh, *known.access, *known.old):
                raise SignInError("invalid_request", "Invalid Token!")
            self._end(client)

    def revoke_all(self) -> int:
        """End everything that any app has; returns how many apps had something."""
        with self._lock:
            clients = list(self._allowed)
            for client in clients:
                self._end(client)
            return len(clients)

    def _by_code(self, client: str, form: dict[str, str], site: str) -> JSON:
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.client != client:
            raise SignInError("invalid_grant", "Invalid authorization code.")
        if code.expires <= self._clock.time():
            raise SignInError("invalid_grant", "The authorization code has expired.")
        if code.redirect != form.get("redirect_uri"):
            raise SignInError("invalid_request", "Redirect URI mismatch.")
        if code.challenge and challenge_of(form.get("code_verifier", "")) != code.challenge:
            raise SignInError("invalid_grant", "Invalid code verifier.")
        return self._allow(client, code.scopes, site)

    def _by_device(self, client: str, form: dict[str, str], site: str) -> JSON:
        text, now = form.get("device_code", ""), self._clock.time()
        device = self._devices.get(text)
        if device is None or device.client != client:
            raise SignInError("invalid_grant", "Invalid device code.")
        too_soon = now - device.asked_at < device.interval - 0.2
        device.asked_at = now
        if device.expires <= now:
            raise SignInError("expired_token", "The device code has expired.")
        if too_soon:
            device.interval += 5
            raise SignInError("slow_down", "Ask less often.")
        if device.answer == "pending":
            raise SignInError("authorization_pending", "The user has not decided yet.")
        del self._devices[text]
        if device.answer == "denied":
            raise SignInError("access_denied", "The user refused.")
        return self._allow(client, device.scopes, site)

    def _by_refresh(self, client: str, form: dict[str, str], site: str) -> JSON:
        text, now = form.get("refresh_token", ""), self._clock.time()
        known = self._allowed.get(client)
        if known is None or not text:
            raise SignInError("invalid_grant", "Invalid Token!")
        in_grace = text in known.old and now - known.old[text] < self._switches.refresh_grace_s
        if text != known.refresh and not in_grace:
            raise SignInError("invalid_grant", "Invalid Token!")
        if known.refresh_expires <= now:
            raise SignInError("invalid_grant", "Invalid Token!")
        if text == known.refresh:
            known.old[text] = now
        return self._tokens(known, site)

    def _allow(self, client: str, scopes: list[str], site: str) -> JSON:
        """Begin anew: what the app had of this user before ends."""
        self._end(client)
        self._allowed[client] = known = Allowed(client, scopes, "", 0.0)
        return self._tokens(known, site)

    def _tokens(self, known: Allowed, site: str) -> JSON:
        answer = self._office.issue(known.scopes, site)
        known.refresh = f"eyJzdiI6IjAwMDAwMSJ9.{self._ids.nonce(40)}"
        known.refresh_expires = self._clock.time() + self._switches.refresh_life_s
        known.access = [*known.access[-20:], answer["access_token"]]
        return {**answer, "refresh_token": known.refresh}

    def _end(self, client: str) -> None:
        known = self._allowed.pop(client, None)
        for text in known.access if known else ():
            self._office.end(text)

    def _wanted(self, form: dict[str, str]) -> list[str]:
        asked = form.get("scope", "").split()
        if not asked or self._switches.scope_parameter == "ignore":
            return list(self._office.scopes)
        return [scope for scope in asked if scope in self._office.scopes]


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
