"""Addresses as they stand in data and in files: their origin and target, and what is refused in them."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from changewire.errors import ApiError, FailureClass
from changewire.secret import masked_excerpt

DEFAULT_PORTS = {"http": 80, "https": 443}
_MISREAD = re.compile(r"[\x00-\x1f\x7f\\]")  # some programs read a backslash as a slash, others drop line breaks
_AUTHORITY = re.compile(r"https?://[^/?#\s]+(?=([/?#]?))", re.IGNORECASE)
_SLASH, _DOT = r"(?:[/\\]|%2f|%5c)", r"(?:\.|%2e)"
_PARENT = re.compile(rf"(?:^|{_SLASH}){_DOT}{_DOT}(?:;[^/\\%]*)?(?:{_SLASH}|$)", re.IGNORECASE)


def _refuse_misread(url: str) -> None:
    if _MISREAD.search(url):
        raise ValueError("it holds a backslash or a control character, which programs read differently")


def split_url(url: str) -> tuple[str, str]:
    """Origin and target of a URL that comes from data, in the form in which they are sent.

    Raises ApiError (bad_input) for anything but http and https, and for addresses that carry credentials.

    >>> split_url("HTTPS://Example.com/a b?c=d#e")
    ('https://example.com', '/a%20b?c=d')
    """
    import requests  # here, for files are read without what only talks to APIs

    try:
        _refuse_misread(url.strip())
        normal = requests.Request("GET", url.strip()).prepare().url or ""
        parts = urlsplit(normal)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            raise ValueError("it must begin with http:// or https:// and name a host")
        if "@" in parts.netloc:
            raise ValueError("it carries a user name: put credentials into a connection")
        port = parts.port
    except (ValueError, requests.RequestException) as error:
        ours = type(error) is ValueError and str(error).startswith("it ")
        shown = (
            "" if "@" in url else f", not {masked_excerpt(url.strip(), 60)!r}"
        )  # what stands before an @ may be a password
        reason = str(error) if ours else f"write it like https://example.com/a{shown}"
        raise ApiError(f"this is no address that can be asked: {reason}", FailureClass.BAD_INPUT, sent=False) from error
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    origin = f"{parts.scheme}://{host}"
    if port is not None and port != DEFAULT_PORTS[parts.scheme]:
        origin += f":{port}"
    query = f"?{parts.query}" if parts.query else ""
    return origin, (parts.path or "/") + query


def join_url(base: str, reference: str) -> str:
    """Return the URL that ``reference``, found at ``base``, means. Raises ApiError (bad_input) where it means none."""
    try:
        _refuse_misread(reference.strip())
        return urljoin(base, reference.strip())
    except ValueError as error:
        shown = (
            "this" if "@" in reference else repr(masked_excerpt(reference, 60))
        )  # what stands before an @ may be a password
        message = f"{shown} is no address: {error}"
        raise ApiError(message, FailureClass.BAD_INPUT, sent=False) from error


def literal_origin(text: str, whole: bool) -> str | None:
    """Return the origin if ``text`` states scheme, host and port to their end; None otherwise.

    ``whole``: nothing follows ``text``. Without it a host at its end may go on with what follows.

    >>> literal_origin("https://example.com/items/", False)
    'https://example.com'
    >>> literal_origin("https://example.com", False)
    """
    found = _AUTHORITY.match(text.strip())
    if found is None or not (found[1] or whole):
        return None
    try:
        return split_url(found[0])[0]
    except ApiError:
        return None


def refuse_parent(path: str) -> None:
    """Raise ApiError (bad_input) if ``path`` has a ``..`` in it, also an encoded one; what follows a ``?`` is free."""
    if _PARENT.search(path.partition("?")[0]):
        message = f"the path {masked_excerpt(path, 60)!r} leads out of its folder by '..': write the path that is meant"
        raise ApiError(message, FailureClass.BAD_INPUT, sent=False)


def same_place(origin: str, other: str) -> bool:
    """True when ``other`` is ``origin`` itself or the encrypted form of it.

    >>> same_place("http://example.com", "https://example.com")
    True
    >>> same_place("https://example.com", "http://example.com")
    False
    """
    return other == origin or (origin.startswith("http://") and other == f"https://{origin[7:]}")
