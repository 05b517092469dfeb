"""What there is to choose from: trigger types and action types, the home's own first, then the built-in ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from changewire.actions.loading import checkout_actions, installed_actions, load_actions
from changewire.actions.whole import Actions
from changewire.errors import ChangewireError, Problem
from changewire.triggers.definition import TriggerType
from changewire.triggers.loading import checkout_types, installed_types, load_trigger_types

Look = Callable[[], Sequence[Problem]]


@dataclass(frozen=True)
class Catalog:
    """Everything that can be noticed and done here, by name."""

    triggers: Mapping[str, TriggerType]
    actions: Actions
    look: Look  # for what is wrong with own files

    @cached_property
    def problems(self) -> Sequence[Problem]:
        """What is wrong with files that cannot be used, and so are left out."""
        return self.look()


def load_catalog(home: Path | None) -> Catalog:
    """The catalog of a home; None: what comes with this installation, read as it is asked for."""
    triggers, wrong_triggers = _triggers(home)
    actions, wrong_actions = _actions(home)
    return Catalog(triggers, actions, lambda: [*wrong_triggers(), *wrong_actions()])


def _triggers(home: Path | None) -> tuple[Mapping[str, TriggerType], Look]:
    builtin = builtin_folder("triggers")
    if home is None:
        return installed_types({}, builtin), tuple
    own = home / builtin.name
    checkout = os.path.realpath(own) == os.path.realpath(builtin)
    found = checkout_types(own) if checkout else None
    if found is not None:
        return found, lambda: load_trigger_types([own])[1]
    types, problems = load_trigger_types([own])
    return types if checkout else installed_types(types, builtin), lambda: problems


def _actions(home: Path | None) -> tuple[Actions, Look]:
    builtin = builtin_folder("actions")
    if home is None:
        return installed_actions({}, builtin), tuple
    own = home / builtin.name
    checkout = os.path.realpath(own) == os.path.realpath(builtin)
    found = checkout_actions(own) if checkout else None
    if found is not None:
        return found, lambda: load_actions([own])[1]
    actions, problems = load_actions([own])
    return actions if checkout else installed_actions(dict(actions), builtin), lambda: problems


def builtin_folder(name: str) -> Path:
    """Where the built-in ``triggers`` or ``actions`` are: beside this module in an installed package, else at the root
    of the checkout. Raises ChangewireError naming both places where they are in neither.
    """
    package = Path(__file__).parent
    places = (package / "builtin" / name, package.parents[1] / name)
    for place in places:
        if place.is_dir():
            return place
    raise ChangewireError(f"this installation is broken: no {name} in {places[0]} nor in {places[1]}; install it again")
