"""Made-up identifiers in Zoom's forms, the same ones for the same seed."""

from __future__ import annotations

import base64
import random
import string

_WORD = string.ascii_letters + string.digits


class IdMaker:
    """Makes identifiers from ``seed``; what is secret or short-lived comes from a second stream."""

    def __init__(self, seed: int) -> None:
        self._steady = random.Random(seed)
        self._fleeting = random.Random(seed + 1)
        self._uuids = 0

    def number(self, first_digit: int) -> int:
        """Return an 11-digit meeting or webinar number."""
        return first_digit * 10**10 + self._steady.randrange(10**10)

    def uuid(self, awkward: bool) -> str:
        """Return a session UUID in base64; if ``awkward`` some need double encoding in paths."""
        self._uuids += 1
        text = base64.b64encode(self._steady.randbytes(16)).decode()
        text = text.replace("/", "+")
        if awkward and self._uuids % 4 == 0:
            return "/" + text[1:]
        if awkward and self._uuids % 4 == 2:
            return text[:8] + "//" + text[10:]
        return text[:5] + "/" + text[6:] if awkward and self._uuids % 4 == 3 else text

    def word(self, length: int = 22) -> str:
        """Return a lasting identifier of letters and digits."""
        return "".join(self._steady.choices(_WORD, k=length))

    def digits(self, length: int) -> str:
        """Return a lasting string of digits that does not start with 0."""
        return str(self._steady.randrange(10 ** (length - 1), 10**length))

    def file_id(self) -> str:
        """Return a recording file's id (hyphenated hex)."""
        text = self._steady.randbytes(16).hex()
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))

    def nonce(self, length: int = 24) -> str:
        """Return a fleeting word for tokens and links."""
        return "".join(self._fleeting.choices(_WORD, k=length))
