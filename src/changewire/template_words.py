"""Why an expression cannot be read, in words for the person who wrote it, and where in its text that is.

Jinja tells the line alone, in the words of its parser. So the text is read once more, as far as the mistake, and what
stands there and before it is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from jinja2 import Environment, TemplateSyntaxError
from jinja2.lexer import Token, TokenStream, ignored_tokens
from jinja2.parser import Parser

from changewire.errors import nearest

TAGS = ("if", "elif", "else", "endif", "for", "endfor", "set", "endset", "raw", "macro", "endmacro", "filter", "with")
_BEGIN, _END = {"variable_begin": "{{", "block_begin": "{%"}, {"variable_end": "}}", "block_end": "%}"}
_CHARACTERS = {
    "&": "write 'and' instead of '&&'",
    "!": "write 'not' instead of '!'",
    "?": "there is no '?' here: write a choice as `one if condition else other`",
    "$": "a variable cannot stand in an expression: write ${NAME} outside of {{ }}",
    "'": "the quotation that begins here is never closed",
    '"': "the quotation that begins here is never closed",
    **dict.fromkeys("“”„‘’‚«»", "this is no quotation mark of a keyboard: write ' or \""),
}
_TOKENS = {
    "=": "'=' compares nothing: write '=='",
    "|": "write 'or' instead of '||'",
    ";": "';' does not belong into an expression",
}
_PAIRS = {("<", ">"): "write '!=' instead of '<>'", ("==", "="): "write '==' instead of '==='"}
_PAIRS |= {("else", "if"): "write {% elif … %} instead of {% else if … %}"}
_OPERATORS = frozenset(("==", "!=", "<", ">", "<=", ">=", "+", "*", "/", "//", "%", "**", "~", "|", ",", ".", "=", ":"))
_WORD_OPERATORS = frozenset(("and", "or", "not", "in", "is", "if", "else"))


class Fault(NamedTuple):
    """What is wrong, and the part of the text that stands before it."""

    words: str
    before: str


@dataclass(frozen=True)
class _Place:
    """What the parser met, and what stood before it."""

    at: int
    kind: str  # of token; "" at the end of the text
    got: str
    before: str  # the token before, "" at the beginning
    first: str  # the first token behind the {{ or {% that is open; "" where none is


def fault(environment: Environment, text: str, error: TemplateSyntaxError) -> Fault:
    """``error``, which reading ``text`` raised, in a user's words."""
    message = error.message or ""
    words, at = _of_characters(text, message) or _of_tokens(environment, text, message)
    return Fault(words, text[:at])


def _of_characters(text: str, message: str) -> tuple[str, int] | None:
    """What the lexer says of single characters."""
    if found := re.fullmatch(r"unexpected char (.+) at (\d+)", message):
        at = int(found[2])
        return _CHARACTERS.get(text[at], f"'{text[at]}' cannot stand in an expression: put text in quotes"), at
    if message.startswith("Missing end of comment"):
        return "the comment that begins here is never closed with #}", text.rfind("{#")
    if message.startswith("Missing end of raw"):
        return "{% raw %} is never closed: write {% endraw %} behind it", _last_tag(text, "raw")
    return None


def _last_tag(text: str, name: str) -> int:
    found = [match.start() for match in re.finditer(rf"\{{%[-+]?\s*{name}\b", text)]
    return found[-1] if found else 0


def _of_tokens(environment: Environment, text: str, message: str) -> tuple[str, int]:
    """What the parser says, and the brackets that the lexer misses."""
    tokens, wrong_at = _tokens(environment, text)
    found = re.fullmatch(r"unexpected '(.)'(?:, expected '(.)')?", message)
    if found and wrong_at is not None:
        return _bracket(text, found[1], found[2], wrong_at), wrong_at
    place = _place(tokens, _count_read(environment, text), len(text))
    for rule in (_at_the_end, _of_a_tag, _of_neighbours, _of_a_gap):
        if told := rule(text, message, place):
            return told
    return f"{_quoted(place.got)} is not expected here", place.at


def _tokens(environment: Environment, text: str) -> tuple[list[tuple[int, str, str]], int | None]:
    """Place, kind and text of each token, and where the lexer gave up; None: it did not."""
    found: list[tuple[int, str, str]] = []
    at = 0
    try:
        for _, kind, value in environment.lexer.tokeniter(text, None):
            at = max(at, text.find(value, at))  # blanks may have been left out in between
            if kind not in ignored_tokens and kind not in {"raw_begin", "raw_end"}:
                found.append((at, kind, value))
            at += len(value)
    except TemplateSyntaxError:
        return found, at
    return found, None


def _count_read(environment: Environment, text: str) -> int:
    """How many tokens the parser took until it failed; what it met is the last of them."""
    read = 0

    def counted() -> Iterator[Token]:
        nonlocal read
        for token in environment.lexer.tokenize(text):
            read += 1
            yield token
        read += 1

    parser = Parser(environment, "")
    parser.stream = TokenStream(counted(), None, None)
    with suppress(TemplateSyntaxError):
        parser.parse()
    return read


def _place(tokens: list[tuple[int, str, str]], read: int, end: int) -> _Place:
    known = tokens[: read - 1]
    at, kind, got = tokens[read - 1] if read <= len(tokens) else (end, "", "")
    opened = max((n for n, (_, one, _) in enumerate(known) if one in _BEGIN), default=None)
    inside = [] if opened is None else [*known[opened + 1 :], (at, kind, got)]
    return _Place(at, kind, _shown(kind, got), _shown(*known[-1][1:]) if known else "", inside[0][2] if inside else "")


def _shown(kind: str, text: str) -> str:
    return _BEGIN.get(kind) or _END.get(kind) or text


def _bracket(text: str, found: str, wanted: str | None, at: int) -> str:
    if wanted:
        return f"{wanted!r} is missing before this"
    opened = max(("{{", "{%"), key=lambda begin: text.rfind(begin, 0, at))
    if found == "}" and opened in text[:at]:
        return f"'{_CLOSED_BY[opened]}' is wanted here, to end what {opened!r} began"
    return f"{found!r} closes nothing"


_CLOSED_BY = {"{{": "}}", "{%": "%}"}


def _at_the_end(text: str, message: str, place: _Place) -> tuple[str, int] | None:
    """The text ends too early."""
    if not message.lower().startswith("unexpected end of template"):
        return None
    if found := re.search(r"needs to be closed is '(\w+)'", message):
        return f"{{% {found[1]} %}} is never closed: write {{% end{found[1]} %}} behind it", _last_tag(text, found[1])
    begin = max(_CLOSED_BY, key=text.rfind)
    return f"'{begin}' is never closed with '{_CLOSED_BY[begin]}'", text.rfind(begin)


def _of_a_tag(text: str, message: str, place: _Place) -> tuple[str, int] | None:
    """The word behind {% is wrong, or there is none."""
    if message == "tag name expected":
        return "a word such as if, for or set must stand behind '{%'; a value is written in {{ }}", place.at
    found = re.match(r"Encountered unknown tag '(\w+)'", message)
    if not found:
        return None
    name, inner = found[1], re.search(r"needs to be closed is '(\w+)'", message)
    if name in {"elseif", "elsif"}:
        return f"write {{% elif … %}} instead of {{% {name} … %}}", place.at
    if name in TAGS:
        first = f": {{% {inner[1]} %}} is still open, write {{% end{inner[1]} %}} first" if inner else ""
        return f"{{% {name} %}} belongs to nothing before it{first}", place.at
    near = nearest(name, TAGS)
    hint = f"; did you mean {near!r}?" if near else ": most that is wanted takes if, for or set"
    return f"there is no tag {name!r}{hint}", place.at


def _of_neighbours(text: str, message: str, place: _Place) -> tuple[str, int] | None:
    """What stands before it gives away what was meant."""
    inner = re.search(r"\{\{[^}]*?(\{\{|\{)", text[: place.at])
    if inner and place.got == "}":
        return "an expression has two braces, {{ }}, and cannot stand inside another one", inner.start(1)
    if (place.before, place.got) in _PAIRS:
        return _PAIRS[place.before, place.got], place.at
    if place.got == "|" and place.before == "|":
        return _TOKENS["|"], place.at
    if place.first in {"if", "for", "set"} and "end of print statement" in message:
        return f"{place.first!r} is written as {{% {place.first} … %}}, or `one if condition else other`", place.at
    if place.got in {"=", ";"} and message.startswith("expected token 'end of "):
        return _TOKENS[place.got], place.at
    return None


def _of_a_gap(text: str, message: str, place: _Place) -> tuple[str, int] | None:
    """Something is missing."""
    at, got, before = place.at, _quoted(place.got), _quoted(place.before)
    if place.kind in _END and place.before in {"{{", "{%"}:
        return f"there is nothing between {before} and {got}", at
    if message == "invalid syntax for function call expression":
        return "values without a name must stand before those with one, as in f(1, a=2)", at
    if message.startswith("can't assign to"):
        return "only a name can stand before '='", at
    if message == "expected name or number":
        return "the name of a field is missing behind '.'", at
    wanted = re.match(r"expected token '(.+?)', got", message)
    if wanted and wanted[1] == "name":
        what = {"|": "the name of a filter", "is": "the name of a test"}.get(place.before, "a name")
        return f"{what} is missing behind {before}", at
    if wanted and not wanted[1].startswith("end of "):
        return f"{_quoted(wanted[1])} is missing before {got}", at
    if place.kind in _END or place.got in _OPERATORS | {")", "]"}:
        return f"a value is missing behind {before}" if _is_open(
            place.before
        ) else f"a value is missing before {got}", at
    if wanted:
        return f"an operator is missing between {before} and {got}, such as ~ to join them", at
    return None


def _quoted(token: str) -> str:
    return token if token[:1] in {"'", '"'} else f"'{token}'"


def _is_open(token: str) -> bool:
    """Whether something must follow."""
    return token in _OPERATORS or token in _WORD_OPERATORS or token in {"(", "["}


_KINDS = {
    "str": "text",
    "str object": "text",
    "int": "a number",
    "int object": "a number",
    "float": "a number",
    "float object": "a number",
    "bool": "true or false",
    "bool object": "true or false",
    "NoneType": "nothing (null)",
    "None": "nothing (null)",
    "list": "a list",
    "list object": "a list",
    "tuple": "a list",
    "dict": "a mapping",
    "dict object": "a mapping",
    "builtin_function_or_method": "a function",
    "method": "a function",
    "function": "a function",
    "Macro": "a macro",
    "PrivateNamespace": "a namespace",
    "Secret": "a secret",
}


def kind_word(name: str) -> str:
    """What people call a kind of value; ``name`` is Python's word or Jinja's."""
    return _KINDS.get(name, name)


_RUNNING: tuple[tuple[str, str], ...] = (
    (r"unsupported operand type\(s\) for (\S+): '(.+)' and '(.+)'", "{1} and {2} cannot be put together with {0}"),
    (r"'(\S+)' not supported between instances of '(.+)' and '(.+)'", "{1} and {2} cannot be compared with {0}"),
    (r'can only concatenate (\w+) \(not "(\w+)"\) to \w+', "{0} and {1} cannot be put together with +"),
    (r"'(.+)' object has no attribute '(.+)'", "{0} has no field '{1}'"),
    (r"'(.+)' has no attribute '(.+)'", "{0} has no field '{1}'"),
    (r"(.+) has no element (.+)", "{0} has no entry {1}"),
    (r"'(\w+)' object is not iterable", "{0} has no entries to go through"),
    (r"cannot unpack non-iterable (\w+) object", "{0} has no entries to go through"),
    (r"'(\w+)' object is not callable", "{0} cannot be called with ( )"),
    (r"object of type '(\w+)' has no len\(\)", "{0} has no length"),
    (r"bad operand type for unary (\S+): '(\w+)'", "{1} cannot have {0} before it"),
    (r"access to attribute '(.+)' of '(.+)' object is unsafe\.?", "{1} has no field '{0}' that may be used here"),
    (r"(.+) is not safely callable", "{0} may not be called here"),
    (r"argument of type '(\w+)' is not (?:iterable|a container or iterable)", "nothing can be `in` {0}"),
    (r"(?:do_)?(\w+)\(\) (?:takes|got|missing) .*", "{0} does not take these values between its brackets"),
    (r"'(\w+)' object cannot be interpreted as an integer", "a whole number is wanted, not {0}"),
    (r"Range too big.*", "a range of more than 100,000 numbers"),
    (r"No (filter|test) named '(.+)'\.?", "there is no {0} '{1}'"),
    (r"not all arguments converted.*|not enough arguments for format string", "there are more or fewer values than %s"),
    (r"maximum recursion depth exceeded.*", "it calls itself without end"),
)
_HELP = {
    "together": "join with ~, or make a number of text with `| int`",
    "compared": "make a number of text with `| int`",
}


def trouble(message: str) -> str:
    """What went wrong while an expression was worked out; ``message`` is Python's word or Jinja's."""
    for pattern, form in _RUNNING:
        if found := re.fullmatch(pattern, message, re.DOTALL):
            words = form.format(*map(kind_word, found.groups()))
            hint = next((hint for word, hint in _HELP.items() if word in form and "text" in words), None)
            return f"{words}: {hint}" if hint else words
    return message.rstrip(".")
