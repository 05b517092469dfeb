"""Where in a text a name of an expression stands; Jinja's syntax tree knows the line only."""

from __future__ import annotations

from jinja2 import Environment, TemplateSyntaxError

_LEXER = Environment(autoescape=True).lexer
_SILENT = frozenset({"whitespace", "comment", "comment_begin", "comment_end", "data"})


def spot(text: str, chain: tuple[str, ...], line: int) -> int:
    """The offset in ``text`` of ``payload.topic``, given as a chain of names, at or after a line (from 1).

    Where the chain does not stand there as it is, that of its last name; 0 where there is none either.
    """
    tokens = _tokens(text)
    words = [word for _, _, word in tokens]
    for number, (at, _, _) in enumerate(tokens):
        if tokens[number][1] >= line and _stands_at(words, number, chain):
            return at
    return next((at for at, where, word in tokens if where >= line and _bare(word) == chain[-1]), 0)


def _tokens(text: str) -> list[tuple[int, int, str]]:
    """What expressions are made of: offset, line, and the token itself."""
    found, at = [], 0
    try:
        for line, kind, word in _LEXER.tokeniter(text, None):
            at = text.index(word, at)  # blanks that a template takes away are no tokens
            if kind not in _SILENT:
                found.append((at, line, word))
            at += len(word)
    except (TemplateSyntaxError, ValueError):
        return []
    return found


def _stands_at(words: list[str], number: int, chain: tuple[str, ...]) -> bool:
    if words[number] != chain[0] or (number and words[number - 1] == "."):
        return False
    number += 1
    for name in chain[1:]:
        if words[number : number + 2] == [".", name]:
            number += 2
        elif words[number : number + 1] == ["["] and [_bare(word) for word in words[number + 1 : number + 2]] == [name]:
            number += 3
        else:
            return False
    return True


def _bare(word: str) -> str:
    return word[1:-1] if word[:1] in {"'", '"'} else word
