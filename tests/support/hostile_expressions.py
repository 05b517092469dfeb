"""Every word of expressions on the largest and strangest values, in a process whose memory is limited.

``python -m tests.support.hostile_expressions KIND PART PARTS`` prints one JSON line for each expression that takes long
or ends in anything but a value or an error of ours, and a last line with the number of expressions.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any

from changewire.errors import ChangewireError
from changewire.template_sandbox import HIDDEN, Sandbox
from changewire.templates import render

SLOW_S = 8.0  # seconds of processor time: the limit of an expression, and what its last step may take
MEMORY = 512 << 20  # bytes beyond what the process takes at its start
M = 1 << 20
VALUES: dict[str, Any] = {
    "letters": "a" * M,
    "digits": "9" * M,
    "accents": "a" + "\u0327\u0301" * (M // 4),
    "markup": "<!---->" * (M // 7),
    "blanks": " \n" * (M // 2),
    "brackets": "[" * M,
    "directives": "%c" * (M // 2),
    "records": [{"a": n, "b": [str(n)] * 3} for n in range(20_000)],
    "ones": [1] * 400_000,
    "texts": ["a" * 1000] * 1000,
    "mapping": {str(n): n for n in range(50_000)},
    "number": 2**64 - 1,
    "float": 1.7e308,
    "none": None,
}
deep: Any = 1
for _ in range(240):
    deep = [deep]
VALUES["deep"] = deep
ARGUMENTS: dict[str, Any] = {
    "one": "a",
    "path": "a." * 100_000,
    "wide": "a" * (M // 2) + "b",
    "many": 10**9,
    "negative": -1,
    "map": "default",
    "list": [[1]] * 1000,
    "huge": "1e999999999",
}
OPERATORS = ("+", "-", "*", "/", "//", "%", "**", "~", "==", "<", "in")


def words(kind: str) -> list[str]:
    """The expressions of one kind, each with ``{0}`` for its value and ``{1}`` for what stands between its brackets."""
    sandbox = Sandbox()
    if kind == "filters":
        names = sorted(name for name in sandbox.filters if not name.startswith(HIDDEN))
        return [f"{{0}} | {name}{{1}}" for name in names]
    if kind == "tests":
        return [f"{{0}} is {name}{{1}}" for name in sorted(sandbox.tests) if name.isidentifier()]
    if kind == "globals":
        return [f"{name}({{0}}) is defined and {name}{{1}} is defined" for name in sorted(sandbox.globals)]
    if kind == "operators":
        return [f"({{0}} {sign} {{1}}) is defined" for sign in OPERATORS]
    kinds = (str, list, dict, tuple, int, float)
    names = sorted({name for one in kinds for name in dir(one) if not name.startswith("_")})
    return [f"{{0}}.{name}{{1}}" for name in names]


def expressions(kind: str) -> Iterator[str]:
    """Every word with every value, without an argument and with each."""
    for word in words(kind):
        for value in VALUES:
            if kind != "operators":
                yield word.format(value, "()")
            for argument in ARGUMENTS:
                yield word.format(value, argument if kind == "operators" else f"({argument})")


def trouble(expression: str) -> dict[str, Any] | None:
    """What is wrong with how an expression ends; None: nothing."""
    began = time.thread_time()
    end = "a value"
    try:
        render(f"{{{{ {expression} }}}}", VALUES | ARGUMENTS)
    except ChangewireError as error:
        end = "too long an error" if len(str(error)) > 10_000 else "an error"
    except BaseException as error:
        end = type(error).__name__
    seconds = round(time.thread_time() - began, 2)
    bad = seconds > SLOW_S or end not in {"a value", "an error"}
    return {"expression": expression, "seconds": seconds, "end": end} if bad else None


def main(kind: str, part: int, parts: int) -> None:
    """Try one part of the expressions of a kind."""
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()  # noqa: SIM115, PTH123
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    tried = 0
    for expression in list(expressions(kind))[part::parts]:
        tried += 1
        if (found := trouble(expression)) is not None:
            sys.stdout.write(f"{json.dumps(found)}\n")
    sys.stdout.write(f"{json.dumps({'tried': tried})}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
