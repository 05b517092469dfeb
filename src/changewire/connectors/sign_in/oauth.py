"""The words of OAuth 2: what is asked of a sign-in server, and what its answers mean."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus

from changewire.clock import Clock, wall
from changewire.config.connections import ClientCredentialsAuth, Connection, OAuthAuth
from changewire.connectors.definition import Connector
from changewire.connectors.remote_numbers import LONGEST_TOKEN_S, bounded
from changewire.connectors.sign_in.credentials import SIGN_IN_S, basic, learn_answer, words_of
from changewire.connectors.sign_in.token_store import Grant
from changewire.connectors.transport.addresses import split_url
from changewire.connectors.transport.fetcher import Fetcher, Outgoing, Reply
from changewire.errors import ApiError, CredentialError, FailureClass, UsageError
from changewire.secret import masked_excerpt
from changewire.values import loads, scalar_text

MAX_BYTES = 65536
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
SIGN_IN, SIGN_IN_AGAIN = "sign_in", "sign_in_again"  # reasons: the app's own credentials; the person's consent
_APP_CODES = frozenset({"invalid_client", "unauthorized_client", "unsupported_grant_type", "4702", "4704"})
_SHORT_INTERVAL_S, _SLOWER_S = 5.0, 5.0
_SHORTEST_INTERVAL_S, _LONGEST_INTERVAL_S, _LONGEST_CODE_S = 1.0, 60.0, 3600.0  # whatever a server says


@dataclass(frozen=True)
class Places:
    """Where an app and its users sign in. None: this server has no such place."""

    token: str
    authorize: str | None = None
    device: str | None = None
    revoke: str | None = None
    sends_scopes: bool = True
    region_field: str | None = None


@dataclass(frozen=True)
class DeviceCode:
    """A sign-in that waits for a person at another device."""

    device_code: str = field(repr=False)
    user_code: str  # what the person types there
    address: str  # where
    whole_address: str | None  # the same with the code in it
    lives_s: float
    every_s: float  # how often may be asked whether the person is done


def places_of(connection: Connection, connector: Connector) -> Places:
    """Where ``connection`` signs in. Raises UsageError where nobody knows."""
    auth, known = connection.auth, connector.sign_in
    if isinstance(auth, ClientCredentialsAuth):
        return Places(auth.token_url)
    if not isinstance(auth, OAuthAuth):
        raise UsageError(f"nobody signs in at connection {connection.name!r}: its credentials stand in the files")
    host = connection.base_url or (known.host if known else "")

    def place(own: str | None, path: str | None) -> str | None:
        return own or (host + path if known and path else None)

    token = place(auth.token_url, known.path if known else None)
    if token is None:
        raise UsageError(f"connection {connection.name!r} does not say where tokens come from: write token_url")
    return Places(
        token,
        place(auth.authorize_url, known.authorize_path if known else None),
        place(auth.device_url, known.device_path if known else None),
        place(auth.revoke_url, known.revoke_path if known else None),
        known is None or known.sends_scopes,
        known.region_field if known else None,
    )


class OAuthApp:
    """One app at one sign-in server; thread-safe. Errors are ApiError, in words and without secrets."""

    def __init__(self, connection: Connection, connector: Connector, fetcher: Fetcher, clock: Clock) -> None:
        if not isinstance(connection.auth, OAuthAuth | ClientCredentialsAuth):
            raise UsageError(f"connection {connection.name!r} does not sign in by OAuth")
        self.places = places_of(connection, connector)
        self.name, self.title, self.auth = connection.name, connector.title, connection.auth
        self._fetcher, self._clock = fetcher, clock

    def authorize_url(self, redirect: str, state: str, verifier: str) -> str:
        """The page on which a person agrees. Raises UsageError where there is none."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        if self.places.authorize is None:
            raise UsageError(f"{self.title} has no page to sign in: use --device, or write authorize_url")
        url: str = prepare_grant_uri(
            self.places.authorize,
            self.auth.client_id,
            "code",
            redirect_uri=redirect,
            scope=list(self._wanted_scopes()) or None,
            state=state,
            code_challenge=create_s256_code_challenge(verifier),  # type: ignore[no-untyped-call]
            code_challenge_method="S256",
        )
        return url

    def exchange(self, code: str, redirect: str, verifier: str) -> Grant:
        """The tokens for a code that the browser brought."""
        data = self._ask("authorization_code", redirect_uri=redirect, code=code, code_verifier=verifier)
        return self._grant(data, None)

    def refresh(self, grant: Grant, deadline: float | None = None) -> Grant:
        """The next tokens; those of ``grant`` are used up, whatever comes of it."""
        return self._grant(self._ask("refresh_token", deadline, refresh_token=grant.refresh_token), grant)

    def as_itself(self, deadline: float | None = None) -> Grant:
        """A token for the app itself, without any person."""
        audience = self.auth.audience if isinstance(self.auth, ClientCredentialsAuth) else None
        scope = list(self._wanted_scopes())
        more = {"scope": scope} if scope else {}
        return self._grant(self._ask("client_credentials", deadline, audience=audience, **more), None)

    def begin_device(self) -> DeviceCode:
        """Ask for a code that a person types at another device. Raises UsageError where there is no such thing."""
        if self.places.device is None:
            raise UsageError(f"{self.title} does not sign in by code: leave out --device, or write device_url")
        form = {"client_id": self.auth.client_id}
        if scopes := " ".join(self._wanted_scopes()):
            form["scope"] = scopes
        data = self._post(self.places.device, form)
        code, shown = data.get("device_code"), data.get("user_code")
        address = data.get("verification_uri") or data.get("verification_url")
        if not (isinstance(code, str) and isinstance(shown, str) and isinstance(address, str)):
            raise self._refusal(200, {"error": "an answer without a code"}, "device_code")
        whole = data.get("verification_uri_complete")
        return DeviceCode(
            code, shown, address, whole if isinstance(whole, str) else None,
            bounded(data.get("expires_in"), 900.0, _LONGEST_CODE_S),
            bounded(data.get("interval"), _SHORT_INTERVAL_S, _LONGEST_INTERVAL_S, _SHORTEST_INTERVAL_S),
        )  # fmt: skip

    def await_device(self, device: DeviceCode, keep: Callable[[Callable[[], Grant]], Grant]) -> Grant:
        """Wait until the person is done, asking as often as the server allows; ``keep`` does each asking."""
        every, end = device.every_s, self._clock.monotonic() + device.lives_s
        while True:
            self._clock.wait(every)
            try:
                return keep(lambda: self._grant(self._ask(DEVICE_CODE, device_code=device.device_code), None))
            except ApiError as error:
                if error.code == "slow_down":
                    every += _SLOWER_S
                elif error.code != "authorization_pending" and error.failure.permanent:
                    raise
            if self._clock.monotonic() >= end:
                raise self._refusal(400, {"error": "expired_token"}, DEVICE_CODE)

    def revoke(self, grant: Grant) -> bool:
        """End the tokens at the server; False where it has no place for that."""
        if self.places.revoke is None:
            return False
        self._post(self.places.revoke, {"token": grant.refresh_token or grant.access_token})
        if grant.refresh_token:
            with contextlib.suppress(ApiError):  # most servers ended it together with the other one
                self._post(self.places.revoke, {"token": grant.access_token})
        return True

    def _wanted_scopes(self) -> tuple[str, ...]:
        return self.auth.scopes if self.places.sends_scopes else ()

    def _ask(self, grant_type: str, deadline: float | None = None, **form: Any) -> dict[str, Any]:
        from authlib.oauth2.rfc6749.parameters import prepare_token_request

        redirect = form.pop("redirect_uri", "")
        body = prepare_token_request(grant_type, redirect_uri=redirect, **form)
        data = self._send(self.places.token, body, grant_type, deadline)
        if not isinstance(data.get("access_token"), str):
            raise self._refusal(502, {"error": "an answer without a token"}, grant_type)
        return data

    def _post(self, url: str, form: Mapping[str, str]) -> dict[str, Any]:
        from authlib.common.urls import url_encode

        return self._send(url, url_encode(list(form.items())), "", None)

    def _send(self, url: str, body: str, grant_type: str, deadline: float | None) -> dict[str, Any]:
        origin, target = split_url(url)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self.auth.client_secret is not None:
            headers["Authorization"] = basic(self.auth.client_id, self.auth.client_secret.reveal())
        elif "client_id=" not in body:
            body += f"&client_id={quote_plus(self.auth.client_id)}"
        out = Outgoing("POST", origin, target, headers, body.encode(), own=(origin,))
        deadline = self._clock.monotonic() + SIGN_IN_S if deadline is None else deadline
        reply = self._fetcher.send(out, deadline=deadline, max_bytes=MAX_BYTES)
        data = _object(reply)
        learn_answer(data)
        # Some servers answer a refusal with 200.
        if not 200 <= reply.status < 300 or ("error" in data and "access_token" not in data):
            status = reply.status if reply.status >= 300 or reply.status < 200 else 400
            raise self._refusal(status, data, grant_type)
        return data

    def _grant(self, data: Mapping[str, Any], before: Grant | None) -> Grant:
        now = wall(self._clock)
        lifetime, scope, refresh = data.get("expires_in"), data.get("scope"), data.get("refresh_token")
        if not (isinstance(refresh, str) and refresh):
            refresh = None if before is None else before.refresh_token
        known = None if before is None else before.scopes
        lives_s = bounded(lifetime, 3600.0, LONGEST_TOKEN_S)
        region = data.get(self.places.region_field) if self.places.region_field else None
        return Grant(
            access_token=data["access_token"],
            refresh_token=refresh,
            expires_at=None if lifetime is None else now + timedelta(seconds=lives_s),
            scopes=known if scope is None else _scopes(scope),
            region=region if isinstance(region, str) and region else None,
            client_id=self.auth.client_id,
            signed_in_at=before.signed_in_at if before else now,
        )

    def _refusal(self, status: int, data: Mapping[str, Any], grant_type: str) -> ApiError:
        words = words_of(data, "reason", "error_description", "message", "error")
        code = words_of(data, "error", "code") or None
        said = f": {masked_excerpt(words, 300).rstrip('. ')}" if words else ""
        start = f"signing in to {self.title} as {self.name!r} failed (HTTP {status}{said})"
        if status == 429:
            return ApiError(f"{start}; it is tried again", FailureClass.RATE, status=status, code=code)
        if status >= 500 or status < 400:
            return ApiError(f"{start}; it is tried again", FailureClass.TRANSIENT, status=status, code=code)
        of_app = code in _APP_CODES or grant_type == "client_credentials" or "client" in words.lower()
        reason = SIGN_IN if of_app else SIGN_IN_AGAIN
        advice = _APP_ADVICE if of_app else self._advice(grant_type, code)
        refusal = ApiError(f"{start}: {advice}", FailureClass.CREDENTIAL, status=status, code=code, reason=reason)
        return CredentialError.of(refusal, self.name, advice if of_app else f"run: changewire connect {self.name}")

    def _advice(self, grant_type: str, code: str | None) -> str:
        again = f"run: changewire connect {self.name}"
        if code == "access_denied":
            return f"it was refused there; to try once more, {again}"
        if code == "expired_token" or grant_type in {"authorization_code", DEVICE_CODE}:
            return f"the code was not used in time; {again}"
        if grant_type == "refresh_token":
            return f"the sign-in has ended (revoked, replaced by another one, or unused for too long); {again}"
        return again


_APP_ADVICE = "check client_id, client_secret and scopes in connections.yaml, and that the app is activated"


def _object(reply: Reply) -> dict[str, Any]:
    try:
        data = loads(reply.body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _scopes(value: object) -> tuple[str, ...]:
    """Most servers write them apart with spaces, some with commas, some as a list."""
    words = value if isinstance(value, list) else (scalar_text(value) or "").replace(",", " ").split()
    return tuple(filter(None, map(scalar_text, words)))
