"""What there is to choose from: trigger types and action types, the home's own first, then the built-in ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from changewire.actions.loading import load_actions
from changewire.actions.whole import Actions
from changewire.errors import ChangewireError, Problem
from changewire.triggers.definition import TriggerType
from changewire.triggers.loading import Types, load_trigger_types


@dataclass(frozen=True)
class Catalog:
    """Everything that can be noticed and done here, by name."""

    triggers: Mapping[str, TriggerType]
    actions: Actions
    problems: tuple[Problem, ...]


def load_catalog(home: Path) -> Catalog:
    """The catalog of a home. Files that cannot be used are left out and told in ``problems``."""
    own, builtin = home / "triggers", builtin_folder("triggers")
    triggers, wrong_triggers = load_trigger_types([own])
    also = builtin if own.resolve() != builtin.resolve() else None
    actions, wrong_actions = load_actions(_folders(home, "actions"))
    return Catalog(Types(triggers, also), actions, (*wrong_triggers, *wrong_actions))


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


def _folders(home: Path, name: str) -> list[Path]:
    own, builtin = home / name, builtin_folder(name)
    return [builtin] if own.resolve() == builtin.resolve() else [own, builtin]
