"""A step's ``with`` as it is written becomes the values that its action gets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from changewire.actions.variables import render_with_variables
from changewire.secret import Secret
from changewire.templates import has_expression, render
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.config.environment import Environment


def resolve(written: Json, scope: Mapping[str, Any], environment: Environment, encoded: Collection[str] = ()) -> Json:
    """``written`` with its variables filled in, as `Secret` where they make up a text, and its expressions worked out.

    In the parameters named in ``encoded``, which are addresses, what expressions give is percent-encoded.
    What an expression takes out of data never names a variable, and what a variable holds is never an expression.
    Raises UnsetError, TemplateError.
    """
    plain = {key: value for key, value in written.items() if key not in encoded} if encoded else written
    values = _resolve(plain, scope, environment, ())
    for name in encoded:
        text = written[name]
        if isinstance(text, str) and has_expression(text):
            values[name] = render_with_variables(text, scope, environment, (name,), encode=True)
        else:
            values[name] = _resolve(text, scope, environment, (name,))
    return values


def _resolve(written: Json, scope: Mapping[str, Any], environment: Environment, path: tuple[str | int, ...]) -> Json:
    if isinstance(written, dict):
        return {key: _resolve(v, scope, environment, (*path, key)) for key, v in written.items()}
    if isinstance(written, list | tuple):
        return [_resolve(v, scope, environment, (*path, n)) for n, v in enumerate(written)]
    if not isinstance(written, str):
        return written
    if "${" not in written:
        return render(written, scope, path)
    if not has_expression(written):
        return environment.expand_data(written, secret=True)
    return render_with_variables(written, scope, environment, path)


def revealed(value: Json) -> Json:
    """``value`` with its secrets as plain text, for what is sent."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, dict):
        return {key: revealed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [revealed(inner) for inner in value]
    return value
