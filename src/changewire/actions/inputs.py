"""A step's ``with`` as it is written becomes the values that its action gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from changewire.actions.variables import render_with_variables
from changewire.secret import Secret
from changewire.templates import has_expression, render
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.config.environment import Environment


def resolve(written: Json, scope: Mapping[str, Any], environment: Environment) -> Json:
    """``written`` with its variables filled in, as `Secret` where they make up a text, and its expressions worked out.

    What an expression takes out of data never names a variable, and what a variable holds is never an expression.
    Raises UnsetError, TemplateError.
    """
    return _resolve(written, scope, environment, ())


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
