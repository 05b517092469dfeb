"""The pages on which a user lets an app in, and the addresses that apps talk to."""

from __future__ import annotations

import html
from urllib.parse import parse_qsl, urlencode, urlsplit

from changewire.sandbox.errors import unknown_path
from changewire.sandbox.ids import IdMaker
from changewire.sandbox.sign_in.grants import APPS, PUBLIC_CLIENT_ID, GrantOffice
from changewire.sandbox.sign_in.oauth import SignInError, TokenOffice
from changewire.sandbox.wire import Request, Response, json_response

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:12vh auto}}</style></head>
<body><h1>{title}</h1>{body}</body></html>
"""
_BUTTONS = """<button id="allow" name="decision" value="allow">Allow</button>
<button id="decline" name="decision" value="decline">Decline</button>"""


class Consent:
    """Answers everything under ``/oauth``."""

    def __init__(self, office: TokenOffice, grants: GrantOffice, ids: IdMaker) -> None:
        self._office, self._grants, self._ids = office, grants, ids
        self._asked: dict[str, dict[str, str]] = {}  # ticket of a shown page → what the app asked for

    def handle(self, request: Request, site: str) -> Response:
        """Answer a page or a call of an app."""
        form = request.query | dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
        place = (request.method, request.path)
        if place == ("GET", "/oauth/authorize"):
            return self._ask(form)
        if place == ("POST", "/oauth/authorize"):
            return self._decide(form)
        if place in (("GET", "/oauth_device"), ("GET", "/oauth_device/complete")):
            return self._ask_device(form)
        if place == ("POST", "/oauth_device"):
            return self._decide_device(form)
        try:
            return json_response(200, self._call(request, form, site))
        except SignInError as error:
            return json_response(400, error.body)

    def _call(self, request: Request, form: dict[str, str], site: str) -> dict[str, object]:
        if request.method == "POST" and request.path == "/oauth/token":
            return self._grants.answer(request.authorization, form, site)
        if request.method == "POST" and request.path == "/oauth/devicecode":
            return self._grants.begin_device(self._grants.client(request.authorization, form), form, site)
        if request.method == "POST" and request.path == "/oauth/revoke":
            self._grants.revoke(self._grants.client(request.authorization, form), form.get("token", ""))
            return {"status": "success"}
        raise unknown_path()

    def _ask(self, form: dict[str, str]) -> Response:
        wrong = _wrong(form)
        if wrong:
            return page(400, "This app cannot be let in", f"<p>{html.escape(wrong)}</p>")
        ticket = self._ids.nonce(24)
        self._asked[ticket] = form
        scopes = "".join(f"<li>{html.escape(scope)}</li>" for scope in self._office.scopes)
        body = (
            f"<p>{html.escape(form['client_id'])} wants to:</p><ul>{scopes}</ul>"
            f'<form method="post" action="/oauth/authorize"><input type="hidden" name="ticket" value="{ticket}">'
            f"{_BUTTONS}</form>"
        )
        return page(200, "Let this app in?", body)

    def _decide(self, form: dict[str, str]) -> Response:
        asked = self._asked.pop(form.get("ticket", ""), None)
        if asked is None:
            return page(400, "This page is too old", "<p>Begin again.</p>")
        client, redirect = asked["client_id"], asked["redirect_uri"]
        back = {"state": asked["state"]} if "state" in asked else {}
        if form.get("decision") == "allow":
            back["code"] = self._grants.new_code(client, redirect, asked.get("code_challenge", ""), asked)
        else:
            back |= {"error": "access_denied", "error_description": "The user refused."}
        sign = "&" if "?" in redirect else "?"
        return Response(302, headers={"Location": f"{redirect}{sign}{urlencode(back)}"})

    def _ask_device(self, form: dict[str, str]) -> Response:
        code = html.escape(form.get("user_code", ""), quote=True)
        body = (
            '<form method="post" action="/oauth_device"><p><label>Code: '
            f'<input id="code" name="user_code" value="{code}"></label></p>{_BUTTONS}</form>'
        )
        return page(200, "Let a device in?", body)

    def _decide_device(self, form: dict[str, str]) -> Response:
        allow = form.get("decision") == "allow"
        if not self._grants.decide_device(form.get("user_code", ""), allow):
            return page(400, "Nothing waits for this code", "<p>Look at the device once more.</p>")
        return page(200, "Done", f"<p>The device was {'let in' if allow else 'refused'}.</p>")


def _wrong(form: dict[str, str]) -> str | None:
    if form.get("client_id") not in APPS:
        return "Invalid client id (4702)."
    if form.get("response_type") != "code":
        return "Invalid response type."
    redirect = urlsplit(form.get("redirect_uri", ""))
    if redirect.scheme != "http" or redirect.hostname not in ("127.0.0.1", "localhost"):
        return "Invalid redirect (4709)."
    if form.get("code_challenge_method", "S256") != "S256":
        return "The code challenge must be of method S256."
    if form["client_id"] == PUBLIC_CLIENT_ID and not form.get("code_challenge"):
        return "An app without a secret needs a code challenge."
    return None


def page(status: int, title: str, body: str) -> Response:
    """Return a page for people; ``body`` is HTML."""
    text = _PAGE.format(title=html.escape(title), body=body)
    return Response(status, text.encode(), content_type="text/html;charset=UTF-8")
