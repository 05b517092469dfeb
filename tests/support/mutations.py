"""Mutations of JSON answers: damaged, equal and different ones, each judged by Python's own JSON parser."""

from __future__ import annotations

import gzip
import json
import random
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

HOSTILE_TEXTS: tuple[str, ...] = (
    "", " ", "\x00", "\x1b[2J\x1b]0;owned\x07", "line\r\nX-Header: forged", "\u2028\u2029\x85", "\u202etxt.exe",
    "{{ 7 * 7 }}", "{% for i in range(10**9) %}{% endfor %}", "{{ ''.__class__.__mro__ }}", "${HOME}", "../../x",
    "=cmd|'x'!A0", "'; DROP TABLE events; --", "<!---->" * 40, "<a " * 2000, "(a+)+$", "\\" * 3000, "a" * 100_000,
    "😀\ufeff", "é" * 500, "e\u0301", "0x1F", "NaN", "1e400", "2026-13-45T99:99:99Z", "0000-00-00",
    "9999-12-31T23:59:59.999999999Z", "-292277022657-01-27", "999999999999999999999999", "null", "true", "[]",
    "http://169.254.169.254/", "\udcff",
)  # fmt: skip
HOSTILE_NUMBERS: tuple[str, ...] = (
    "0", "-0", "-0.0", "1e308", "-1e308", "1e400", "-1e999999", "5e-324", "9223372036854775807", "9223372036854775808",
    "-9223372036854775809", "18446744073709551616", "1" * 400, "0." + "1" * 400, "1E+2", "253402300800", "-62135596801",
)  # fmt: skip
NO_JSON: tuple[bytes, ...] = (
    b" ", b"\x00", b"{", b"[" * 200_000, b'{"a":' * 50_000, b"NaN", b"Infinity", b"undefined", b"'text'", b"{a: 1}",
    b"<!DOCTYPE html><html><body>Please sign in</body></html>", b"<?xml version='1.0'?><error/>", b")]}',\n{}",
    b"\xff\xfe\xfd", b"\x1f\x8b\x08\x00", b"PK\x03\x04", b"-", b"tru", b'"', b"\xef\xbb\xbf", b"// x\n{}", b"0123",
)  # fmt: skip
NOTHING_SAID: tuple[str, ...] = (
    "", "\x7f;;=,", "a" * 5_000, "1" * 4_400, "-1", "1e400", "0x10", "\xff\xfe", "<>; rel=next", "\x1b[2J",
)  # fmt: skip
HEADERS: tuple[str, ...] = (
    "Content-Type", "Date", "Retry-After", "Link", "ETag", "Set-Cookie", "Location", "Content-Language", "Age", "Vary",
    "X-RateLimit-Remaining", "X-RateLimit-Type", "Last-Modified", "Expires", "Content-Range", "Accept-Ranges",
)  # fmt: skip
DATES: tuple[str, ...] = (
    "Mon, 99 Foo 99999 99:99:99 +9999999999", "0 0 0 0 0", "Thu, 01 Jan 0000 00:00:00 GMT", "2026-13-45T99:99:99Z",
    "Fri, 31 Dec 9999 23:59:59 -2359", "-292277022657-01-27", "Mon, 1 Jan 1 00:00:00 +2359", "1 Jan 20 1:2:3:4:5", ":",
)  # fmt: skip
FAILED: tuple[int, ...] = (400, 406, 408, 418, 500, 502, 503, 504, 599)  # none that holds up the whole connection


class Judgement(StrEnum):
    """What a mutated answer is, compared with the good one."""

    DAMAGED = "damaged"  # not JSON, or its list is missing: a reader must refuse it
    EQUAL = "equal"  # other bytes, the same data
    DIFFERENT = "different"  # JSON with other data


@dataclass(frozen=True)
class Mutation:
    """A mutated answer; ``headers`` replace those of the good one, ``name`` names how it was made."""

    name: str
    judgement: Judgement
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None  # None: that of the good answer


class NoJsonError(ValueError):
    """The text is not JSON."""


def parse_strictly(body: bytes) -> Any:
    """Return the data of JSON text by RFC 8259, a byte order mark allowed. Raises ValueError or RecursionError."""
    return json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> Any:
    raise NoJsonError(name)


def equal(left: Any, right: Any) -> bool:
    """Return whether two JSON values are the same value: true is not 1, and 1.0 is 1."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def judge(body: bytes, data: Any) -> Judgement:
    """Compare a body with the data of the good answer."""
    try:
        parsed = parse_strictly(body)
    except RecursionError:
        return Judgement.DIFFERENT  # it may be JSON: only its depth is too much for this parser
    except ValueError:
        return Judgement.DAMAGED
    return Judgement.EQUAL if equal(parsed, data) else Judgement.DIFFERENT


class Mutator:
    """Make mutations of answers; the same ``chance`` makes the same ones."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._ways: dict[Judgement, list[Callable[[bytes, Any], Mutation | None]]] = {
            Judgement.DAMAGED: [
                self._bytes,
                self._bytes,
                self._no_json,
                self._wrong_list,
                self._error,
                self._coded,
                self._status,
            ],
            Judgement.EQUAL: [self._rewritten, self._rewritten, self._encoded, self._repeated_keys, self._header],
            Judgement.DIFFERENT: [
                self._values,
                self._values,
                self._values,
                self._deep,
                self._bytes,
                self._records,
                self._top_level,
            ],
        }

    def mutate(self, body: bytes, wanted: Judgement) -> Mutation:
        """Return a mutation of a good answer, with the judgement that is wanted."""
        data = parse_strictly(body)
        while True:
            made = self._chance.choice(self._ways[wanted])(body, data)
            if made is not None and made.judgement is wanted:
                return made

    def _of(self, name: str, body: bytes, data: Any) -> Mutation:
        return Mutation(name, judge(body, data), body)

    # Damage

    def _bytes(self, body: bytes, data: Any) -> Mutation:
        chance, at = self._chance, self._chance.randrange(len(body))
        until = min(len(body), at + chance.randint(1, 40))
        junk = bytes(chance.choice(b'{}[],:"\\\x00\xff\xc3\xed\xa0\x80 0-e\n') for _ in range(chance.randint(1, 4)))
        name, mutated = chance.choice([
            ("truncated", body[:at]),
            ("byte replaced", body[:at] + junk[:1] + body[at + 1 :]),
            ("bit flipped", body[:at] + bytes([body[at] ^ 1 << chance.randrange(8)]) + body[at + 1 :]),
            ("bytes inserted", body[:at] + junk + body[at:]),
            ("bytes removed", body[:at] + body[until:]),
            ("bytes repeated", body[:until] + body[at:]),
            ("bytes after the end", body + junk),
            ("twice", body + body),
        ])  # fmt: skip
        return self._of(name, mutated, data)

    def _no_json(self, body: bytes, data: Any) -> Mutation:
        return self._of("no JSON", self._chance.choice(NO_JSON), data)

    def _wrong_list(self, body: bytes, data: Any) -> Mutation | None:
        """Something else than a list where the list is. None for an answer without a list of records."""
        lists = _record_lists(data)
        if len(lists) != 1:
            return None
        wrong = dict(data)
        instead = self._chance.choice([None, {}, 0, False, "", "[]", {"0": 1}, 1.5, "left out", "all of it"])
        if instead == "left out":
            del wrong[lists[0]]
        elif instead == "all of it":
            return Mutation("another top level", Judgement.DAMAGED, self._chance.choice(TOP_LEVELS))
        else:
            wrong[lists[0]] = instead
        return Mutation("no list", Judgement.DAMAGED, dump(wrong))

    def _error(self, body: bytes, data: Any) -> Mutation | None:
        """An error that is dressed as a good answer. None for an answer without a list of records."""
        if not _record_lists(data):
            return None
        return Mutation("error with status 200", Judgement.DAMAGED, b'{"code": 300, "message": "Sorry."}')

    def _coded(self, body: bytes, data: Any) -> Mutation:
        """A content coding that the body does not have."""
        zipped = gzip.compress(body)
        at = self._chance.randrange(12, len(zipped))
        coding, sent = self._chance.choice([
            ("gzip", body), ("gzip", zipped[:at]), ("gzip", zipped[:at] + b"\x00" * 9), ("deflate", zipped),
            ("gzip, gzip", zipped), ("gzip", zipped + b"\x1f\x8b\x08\x00"), ("deflate", body),
        ])  # fmt: skip
        return Mutation(f"damaged {coding}", Judgement.DAMAGED, sent, {"Content-Encoding": coding})

    def _status(self, body: bytes, data: Any) -> Mutation:
        """An error answer, whose words are mutated as well."""
        words = {"code": 300, "message": "Sorry.", "errors": [{"field": "page_size", "message": "Invalid field."}]}
        said = self._chance.choice([self._values, self._deep, self._bytes])(dump(words), words).body
        return Mutation("error", Judgement.DAMAGED, said, {}, self._chance.choice(FAILED))

    # The same data

    def _rewritten(self, body: bytes, data: Any) -> Mutation:
        chance = self._chance
        text = json.dumps(
            _shuffled_keys(data, chance), ensure_ascii=chance.random() < 0.5, indent=chance.choice([None, 0, 7])
        )
        if chance.random() < 0.3:
            text = text.replace("/", "\\/")
        if chance.random() < 0.3:
            text = re.sub('"([A-Za-z])', lambda first: f'"\\u{ord(first[1]):04X}', text)
        return self._of(
            "rewritten", chance.choice(["", "\n", "\t ", "\ufeff"]).encode() + text.encode() + b"\r\n", data
        )

    def _encoded(self, body: bytes, data: Any) -> Mutation:
        """Another coding of the content, or another type that claims to be it."""
        name, sent, headers = self._chance.choice([
            ("gzip", gzip.compress(body), {"Content-Encoding": "gzip"}),
            ("deflate", zlib.compress(body), {"Content-Encoding": "deflate"}),
            ("gzip members", gzip.compress(body[:9]) + gzip.compress(body[9:]), {"Content-Encoding": "gzip"}),
            ("charset", body, {"Content-Type": "application/json; charset=utf-7"}),
            ("strange type", body, {"Content-Type": "\x7f;;=,"}),
            ("text/plain", body, {"Content-Type": "text/plain; charset=latin-1"}),
            ("identity", body, {"Content-Encoding": "identity"}),
        ])  # fmt: skip
        return Mutation(name, Judgement.EQUAL, sent, headers)

    def _header(self, body: bytes, data: Any) -> Mutation:
        """A header that says nothing that can be understood."""
        name = self._chance.choice(HEADERS)
        words = DATES if name in ("Date", "Last-Modified", "Expires") else (*NOTHING_SAID, *DATES)
        return Mutation(f"header {name}", Judgement.EQUAL, body, {name: self._chance.choice(words)})

    def _repeated_keys(self, body: bytes, data: Any) -> Mutation | None:
        """Every key of the top level twice; the last one counts. None for an answer that is not an object."""
        if not isinstance(data, dict):
            return None
        hidden: Any = self._chance.choice([None, "other", [], {}])
        pairs = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in [*dict.fromkeys(data, hidden).items(),
                                                                              *data.items()]]  # fmt: skip
        return self._of("repeated keys", ("{" + ", ".join(pairs) + "}").encode(), data)

    # Other data

    def _values(self, body: bytes, data: Any) -> Mutation:
        """One to three values replaced, removed or renamed."""
        data = json.loads(body)
        for _ in range(self._chance.randint(1, 3)):
            inside = list(places(data))
            if inside:
                self._spoil(*self._chance.choice(inside))
        return self._of("values", _with_numbers(dump(data)), parse_strictly(body))

    def _spoil(self, holder: Any, key: Any) -> None:
        chance = self._chance
        way = chance.randrange(6)
        if way == 0:
            del holder[key]
        elif way == 1 and isinstance(holder, dict):
            holder[chance.choice([key.upper(), "__proto__", chance.choice(HOSTILE_TEXTS)])] = holder.pop(key)
        elif way == 2:
            holder[key] = chance.choice(
                [None, True, False, [], {}, [holder[key]], {"value": holder[key]}, [[]], [None]]
            )
        elif way == 3:
            holder[key] = _NUMBER + str(chance.randrange(len(HOSTILE_NUMBERS)))
        elif way == 4 and not isinstance(holder[key], (dict, list)):
            holder[key] = str(holder[key]) if not isinstance(holder[key], str) else len(holder[key])
        else:
            holder[key] = chance.choice(HOSTILE_TEXTS)

    def _deep(self, body: bytes, data: Any) -> Mutation:
        """One value replaced by one that is nested deeply, or is large."""
        data = json.loads(body)
        inside = list(places(data))
        if not inside:
            return Mutation("deep", Judgement.DAMAGED, b"[" * 9)
        holder, key = self._chance.choice(inside)
        depth = self._chance.choice([90, 150, 300, 1_000, 60_000])
        filling = self._chance.choice([
            "[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth, "[" + "{}," * 40_000 + "{}]",
            '"' + "\\u0041" * 20_000 + '"',
        ])  # fmt: skip
        holder[key] = _FILLING
        return Mutation("deep", Judgement.DIFFERENT, dump(data).replace(dump(_FILLING), filling.encode()))

    def _top_level(self, body: bytes, data: Any) -> Mutation:
        return self._of("another top level", self._chance.choice(TOP_LEVELS), data)

    def _records(self, body: bytes, data: Any) -> Mutation:
        """Records of a list removed, repeated, put in another order or replaced by something else."""
        data = json.loads(body)
        for name in _record_lists(data):
            records, chance = data[name], self._chance
            chance.shuffle(records)
            records[:] = chance.choice([
                records[1:], records * 2, [*records, None], [*records, {}], [*records, []], [*records, "text"],
                [[record] for record in records], [*records, *([{}] * 500)],
            ])  # fmt: skip
        return self._of("records", dump(data), parse_strictly(body))


PARTS = frozenset({"dates", "next_steps", "occurrences", "phone_numbers", "recording_files", "summary_details"})
"""Lists that are part of one record: an answer about one thing may have them in any form."""
TOP_LEVELS = (b"null", b"[]", b"{}", b'"text"', b"0", b"-1.5e3", b"true", b"[[]]", b"[null]", b'{"": {}}')
_NUMBER, _FILLING = "number to insert: ", "value to insert"


def dump(data: Any) -> bytes:
    """Return JSON text; half characters stay as escapes."""
    return json.dumps(data).encode()


def _with_numbers(body: bytes) -> bytes:
    """Replace the marks of `Mutator._spoil` by numbers that Python cannot write."""
    for index, digits in sorted(enumerate(HOSTILE_NUMBERS), reverse=True):
        body = body.replace(dump(f"{_NUMBER}{index}"), digits.encode())
    return body


def _record_lists(data: Any) -> list[str]:
    """Names of the lists of records at the top level that are what was asked for."""
    if not isinstance(data, dict):
        return []
    lists = {name: value for name, value in data.items() if isinstance(value, list) and name not in PARTS}
    return [name for name, value in lists.items() if value and isinstance(value[0], dict)]


def places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every value inside ``data`` as its container and its key there."""
    if isinstance(data, (dict, list)):
        for key, value in list(data.items() if isinstance(data, dict) else enumerate(data)):
            yield data, key
            yield from places(value)


def _shuffled_keys(data: Any, chance: random.Random) -> Any:
    if isinstance(data, list):
        return [_shuffled_keys(value, chance) for value in data]
    if not isinstance(data, dict):
        return data
    keys = list(data)
    chance.shuffle(keys)
    return {key: _shuffled_keys(data[key], chance) for key in keys}
