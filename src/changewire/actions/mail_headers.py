"""Header fields of mail from text of any origin: one line each, and one recipient for each address."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.errors import HeaderParseError, InvalidHeaderDefect
from email.headerregistry import Address, AddressHeader
from email.policy import SMTP

import idna

from changewire.values import valid_text

_INVISIBLE = re.compile("[\x00-\x20\x7f-\xa0\u200b\u200e\u200f\u2028-\u202f\u2060-\u206f\ufeff]+")
_ATOM = r"[^\s\x00-\x1f\x7f-\xa0\"(),.:;<>@\[\]\\\ue000\ufffd]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_WORD = "\ue000"  # for the start of an encoded word while addresses are parsed: decoded, it could be more addresses
_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_LONGEST_LOCAL_PART, _LONGEST_ADDRESS = 64, 254  # characters, RFC 5321
_MOST_DECODINGS = 8  # of encoded words inside encoded words


def header_text(text: str) -> str:
    """``text`` as the one line of a header field: encoded words decoded, then everything invisible made a blank.

    The email package decodes encoded words (``=?utf-8?q?=0ABcc:…?=``) when a field is set, so that what they hide must
    be cleaned as well. Of words that are still encoded after eight rounds the marks are taken apart.
    """
    line = _one_line(text)
    for _ in range(_MOST_DECODINGS):
        decoded = _one_line(str(SMTP.header_factory("Subject", line)))
        if decoded == line:
            return line
        line = decoded
    return line.replace("=?", "= ?")


def _one_line(text: str) -> str:
    return _INVISIBLE.sub(" ", valid_text(text)).strip()


def count_addresses(text: str) -> int:
    """How many recipients ``text`` names, valid or not; 1 if it cannot be read."""
    try:
        return len(_parsed(text).addresses)
    except ValueError:
        return 1


def parse_addresses(text: str) -> list[Address]:
    """The addresses of ``text``, separated by commas, with names of one line and ASCII domains.

    Raises ValueError with the part that is no address; groups, control characters, routes to several hosts and
    anything else that mail systems read in different ways are none.
    """
    if _INVISIBLE.search(text.replace(" ", "")):
        raise ValueError(text)
    header = _parsed(text)
    defects: Sequence[Exception] = header.defects  # type: ignore[attr-defined]
    named = any(group.display_name is not None for group in header.groups)
    if named or any(isinstance(defect, InvalidHeaderDefect) for defect in defects):
        raise ValueError(text)
    return [_checked(found) for found in header.addresses]


def _parsed(text: str) -> AddressHeader:
    """Raises ValueError if nothing can be made of ``text``. Encoded words stay as they are, marked with `_WORD`."""
    hidden = valid_text(text).replace(_WORD, "").replace("=?", _WORD)
    try:
        header: AddressHeader = SMTP.header_factory("To", _one_line(hidden))
    except (ValueError, IndexError, HeaderParseError):
        raise ValueError(text) from None
    return header


def _checked(found: Address) -> Address:
    spec, domain = found.addr_spec, found.domain
    try:
        domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        raise ValueError(spec) from None
    fits = len(found.username) <= _LONGEST_LOCAL_PART and len(found.username) + 1 + len(domain) <= _LONGEST_ADDRESS
    if not fits or not _LOCAL_PART.fullmatch(found.username) or not _DOMAIN.fullmatch(domain):
        raise ValueError(spec)
    return Address(header_text(found.display_name.replace(_WORD, "=?")), found.username, domain)
