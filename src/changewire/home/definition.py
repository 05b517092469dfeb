"""What a home says, as it is used: settings, connections, catalog, workflows and their triggers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from changewire.catalog import Catalog
from changewire.config.connections import Connection
from changewire.config.environment import Environment
from changewire.config.settings import Settings
from changewire.config.workflows import TriggerConfig, Workflow, WorkflowFile
from changewire.errors import ConfigError, Problem, UsageError, nearest
from changewire.home.known import Known
from changewire.triggers.binding import Bindings, Reader
from changewire.triggers.noticed import Watch
from changewire.triggers.schedule import Schedule

MOST_NAMED = 12  # workflows that a message lists


@dataclass(frozen=True)
class Trigger:
    """One trigger of one workflow, ready to be polled."""

    id: str
    workflow: Workflow
    version: str  # of the workflow's text: runs keep the one that they began with
    config: TriggerConfig
    reader: Reader
    watch: Watch
    connection: str | None  # None: it is not polled
    fingerprint: str
    schedule: Schedule | None  # None: it is not polled, but fed by what happens inside

    @property
    def shown(self) -> str:
        """How the trigger is named to people: ``workflow/trigger``."""
        return f"{self.workflow.name}/{self.config.name}"


@dataclass(frozen=True)
class Broken:
    """A workflow that cannot be used as it is written. The rest are not concerned."""

    name: str
    file: str
    problems: tuple[Problem, ...]
    type: str = ""  # of its first trigger, as far as that can be read

    @property
    def reason(self) -> str:
        """The first problem, in words."""
        return str(self.problems[0]) if self.problems else "it cannot be read"


@dataclass
class Home:
    """Everything that a home says."""

    path: Path
    environment: Environment
    settings: Settings
    connections: Mapping[str, Connection]
    catalog: Catalog
    unusable: frozenset[str] = frozenset()  # names of connections with problems
    workflows: dict[str, WorkflowFile] = field(default_factory=dict)  # by name; the usable ones
    triggers: dict[str, Trigger] = field(default_factory=dict)  # by id
    broken: list[Broken] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)  # of broken files whose last good version goes on: its workflow
    found: list[Problem] = field(default_factory=list)  # what is wrong with its configuration, in the order of files
    warnings: list[Problem] = field(default_factory=list)  # what should be known but stops nothing
    bindings: Bindings = field(default_factory=Bindings, repr=False)

    @property
    def problems(self) -> list[Problem]:
        """Everything that is wrong. Types of a home's own are looked at as a whole when this is asked first."""
        return [*self.catalog.problems, *self.found]

    @cached_property
    def known(self) -> Known:
        """What expressions can ask for."""
        return Known(self.catalog)

    def triggers_of(self, workflow: str) -> list[Trigger]:
        """The triggers of a workflow."""
        return self._by_workflow.get(workflow, [])

    @cached_property
    def _by_workflow(self) -> dict[str, list[Trigger]]:
        found: dict[str, list[Trigger]] = {}
        for trigger in self.triggers.values():
            found.setdefault(trigger.workflow.name, []).append(trigger)
        return found

    def fed_by(self, kind: str) -> list[Trigger]:
        """The triggers of a type that is raised inside."""
        return [trigger for trigger in self.triggers.values() if trigger.config.type == kind]

    def workflow(self, name: str) -> WorkflowFile:
        """The usable workflow of that name or file. Raises UsageError with the nearest name."""
        for known, file in self.workflows.items():
            if name in (known, file.path.stem, file.path.name) or os.path.realpath(name) == os.path.realpath(file.path):
                return file
        for broken in self.broken:
            if name in (broken.name, broken.file, Path(broken.file).name, Path(broken.file).stem):
                raise ConfigError(broken.problems)
        raise UsageError(f"there is no workflow {name!r} in {self.path / 'config' / 'workflows'}{self._hint(name)}")

    def _hint(self, name: str) -> str:
        """The nearest workflow, else the ones that begin so, else all of a few."""
        plain = {known.casefold(): known for known in self.workflows}
        near = nearest(name.casefold(), plain)
        if near is not None:
            return f"; did you mean {plain[near]!r}?"
        begun = [known for word, known in plain.items() if word.startswith(name.casefold())] or list(self.workflows)
        return f"; known are {', '.join(map(repr, begun))}" if 0 < len(begun) <= MOST_NAMED else ""
