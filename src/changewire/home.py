"""A home as it stands: settings, connections, catalog and workflows read together and checked against each other.

Reading never talks to an API and never opens the database, so `validate` and a reload are safe at any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal

from changewire.actions.advice import step_warnings
from changewire.actions.checking import wrong_steps
from changewire.catalog import Catalog, load_catalog
from changewire.config.calls import wrong_calls
from changewire.config.circles import circles
from changewire.config.connections import FILE as CONNECTIONS
from changewire.config.connections import Connection, load_connections
from changewire.config.environment import Environment
from changewire.config.further import together
from changewire.config.settings import Settings, load_settings
from changewire.config.steps import ActionStep
from changewire.config.workflows import TriggerConfig, Workflow, WorkflowFile, load_workflows
from changewire.config.yaml_files import read_yaml
from changewire.connectors.definition import load_connector
from changewire.connectors.fitting import unfit_connections
from changewire.errors import ChangewireError, ConfigError, Problem, UsageError, nearest
from changewire.known import Known
from changewire.naming import unknown_names
from changewire.parameters import check_values
from changewire.paths import parse_path
from changewire.templates import Templates
from changewire.triggers.binding import Bindings, Reader, fingerprint
from changewire.triggers.definition import TriggerType
from changewire.triggers.noticing import Watch
from changewire.triggers.rules import unknown_paths
from changewire.triggers.schedule import Schedule, phase_of
from changewire.values import Json, make_id

_STEP_TEMPLATES = Templates()
POLLING = frozenset({"connection", "every", "cron", "timezone", "first_poll", "ignore", "settle", "echo"})
"""Keys of a trigger that say how it is polled."""


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


@dataclass
class Home:
    """Everything that a home says."""

    path: Path
    environment: Environment
    settings: Settings
    connections: Mapping[str, Connection]
    catalog: Catalog
    workflows: dict[str, WorkflowFile] = field(default_factory=dict)  # by name; the usable ones
    triggers: dict[str, Trigger] = field(default_factory=dict)  # by id
    broken: list[Broken] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)  # of broken files whose last good version goes on: its workflow
    problems: list[Problem] = field(default_factory=list)  # all of them, in the order of files
    warnings: list[Problem] = field(default_factory=list)  # what should be known but stops nothing
    bindings: Bindings = field(default_factory=Bindings, repr=False)

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
            if name in (known, file.path.stem, file.path.name) or Path(name).resolve() == file.path.resolve():
                return file
        for broken in self.broken:
            if name in (broken.name, broken.file, Path(broken.file).name, Path(broken.file).stem):
                raise ConfigError(broken.problems)
        near = nearest(name, self.workflows)
        hint = f"; did you mean {near!r}?" if near else ""
        raise UsageError(f"there is no workflow {name!r} in {self.path / 'config' / 'workflows'}{hint}")


def load_home(path: Path, variables: Mapping[str, str] | None = None, previous: Home | None = None) -> Home:
    """Read a home. Raises ConfigError where nothing at all can be done: settings or environment are broken.

    ``variables`` None: those of this process. With ``previous``, a workflow whose file broke since stays as it was.
    """
    environment = Environment.of_home(path, variables)
    connections, wrong_connections, problems = load_connections(path, environment)
    unfit = unfit_connections(path, connections)
    connections = {name: one for name, one in connections.items() if name not in unfit}
    wrong_connections = {**wrong_connections, **unfit}
    if previous is not None:
        connections, wrong_connections = _last_good(previous.connections, connections, wrong_connections, problems)
    home = Home(path, environment, load_settings(path, environment), connections, load_catalog(path))
    files, _ = load_workflows(path, environment)
    home.problems += [*home.catalog.problems, *problems, *(p for found in unfit.values() for p in found)]
    for file in files:
        _add_workflow(home, file, wrong_connections)
    _refuse_wrong_calls(home)
    for file, at, message in circles(home.workflows):
        if file.document is not None:
            home.warnings.append(file.document.problem(at, "cycle", message))
    if previous is not None:
        _keep_last_good(home, previous)
    return home


def _last_good(
    previous: Mapping[str, Connection],
    connections: Mapping[str, Connection],
    wrong: Mapping[str, list[Problem]],
    problems: Sequence[Problem],
) -> tuple[dict[str, Connection], dict[str, list[Problem]]]:
    """Connections that broke since stay as they were; all of them where the file cannot be read at all."""
    unreadable = bool(problems) and not connections and not wrong
    kept = {name: one for name, one in previous.items() if unreadable or name in wrong}
    return {**kept, **connections}, {name: found for name, found in wrong.items() if name not in kept}


def _add_workflow(home: Home, file: WorkflowFile, wrong_connections: Mapping[str, Sequence[Problem]]) -> None:
    problems = list(file.problems)
    triggers: list[Trigger] = []
    check = _check_of(home, file, wrong_connections)
    if check is not None:
        triggers = check.run()
        problems = together(problems, check.problems) if problems else check.problems
    home.problems += [p for p in problems if p not in home.problems]
    if problems or file.workflow is None:
        home.broken.append(_broken(file, problems))
    else:
        home.workflows[file.workflow.name] = file
        home.triggers |= {trigger.id: trigger for trigger in triggers}


def _check_of(home: Home, file: WorkflowFile, wrong_connections: Mapping[str, Sequence[Problem]]) -> _Check | None:
    """How to hold a workflow against the catalog, one with problems as far as it can be read; None: not at all."""
    if file.workflow is not None:
        return _Check(home, file, file.workflow, wrong_connections) if not file.problems else None
    if file.reading is None or file.reading.model is None:
        return None
    partly = replace(file, document=file.reading.document)
    return _Check(home, partly, file.reading.model, wrong_connections, names_known=file.reading.names_known)


def _broken(file: WorkflowFile, problems: Sequence[Problem]) -> Broken:
    return Broken(_written(file, "name") or file.name, file.shown, tuple(problems), _written(file, "type"))


def _written(file: WorkflowFile, key: Literal["name", "type"]) -> str:
    """What a broken file says of itself, also where it cannot be read as a whole; "" where that is not to be seen."""
    data = file.document.data if file.document is not None else None
    if isinstance(data, dict):
        triggers = data.get("trigger")
        first = triggers[0] if isinstance(triggers, list) and triggers else triggers
        place = data if key == "name" else first
        value = place.get(key) if isinstance(place, dict) else None
        return value if isinstance(value, str) else ""
    pattern = r"^name:[ \t]*(.+?)[ \t]*$" if key == "name" else r"\btype:[ \t]*([\w.]+)"
    found = re.search(pattern, file.text, re.MULTILINE)
    return found[1].strip("'\"") if found else ""


def _refuse_wrong_calls(home: Home) -> None:
    """Workflows that call what cannot be called cannot be used."""
    wrong = wrong_calls(home.workflows, [broken.name for broken in home.broken])
    for name, problems in wrong.items():
        home.problems += problems
        home.broken.append(_broken(home.workflows.pop(name), problems))
    if wrong:
        home.triggers = {i: each for i, each in home.triggers.items() if each.workflow.name not in wrong}


def _keep_last_good(home: Home, previous: Home) -> None:
    broken = {Path(each.file).name for each in home.broken}
    for name, file in previous.workflows.items():
        if file.path.name in broken and name not in home.workflows:
            home.workflows[name] = file
            home.kept[file.shown] = name
            kept = {t.id: t for t in previous.triggers.values() if t.workflow.name == name}
            home.triggers |= {i: t for i, t in kept.items() if t.connection in (None, *home.connections)}


@dataclass
class _Check:
    """One workflow held against connections and catalog."""

    home: Home
    file: WorkflowFile
    workflow: Workflow
    wrong_connections: Mapping[str, Sequence[Problem]]
    problems: list[Problem] = field(default_factory=list)
    names_known: bool = True  # False: names that expressions ask for cannot be judged

    def run(self) -> list[Trigger]:
        single = isinstance((self.file.document.data or {}).get("trigger"), dict) if self.file.document else True
        triggers = []
        for index, config in enumerate(self.workflow.triggers):
            at: tuple[str | int, ...] = ("trigger",) if single else ("trigger", index)
            trigger = self._trigger(config, at)
            if trigger is not None:
                triggers.append(trigger)
        for wrong in wrong_steps(self.workflow, self.home.catalog.actions):
            self._say(wrong.at, wrong.code, wrong.message, wrong.suggestion, wrong.at_key)
        for place, step, _ in self.workflow.placed_steps():
            if isinstance(step, ActionStep) and (action := self.home.catalog.actions.get(step.use)) is not None:
                self._step_connection(step, action.connector, place)
                for advice in step_warnings(step, action):
                    self._warn((*place, advice.at), advice.code, advice.message)
        if self.workflow.when is not None:
            self._templates(self.workflow.when, ("when",))
        for unknown in unknown_names(self.workflow, self.home.known) if self.names_known else ():
            tell = self._say if unknown.certain else self._warn
            tell(unknown.path, "unknown_name", unknown.message, unknown.suggestion, before=unknown.before)
        if self.workflow.order_by is not None:
            self._templates(self.workflow.order_by, ("order_by",))
        return triggers

    def _say(
        self,
        at: Sequence[str | int],
        code: str,
        message: str,
        suggestion: str | None = None,
        key: bool = False,
        before: str = "",
    ) -> None:
        if self.file.document is not None:
            self.problems.append(self.file.document.problem(at, code, message, suggestion, key, before))

    def _warn(
        self, at: Sequence[str | int], code: str, message: str, suggestion: str | None = None, before: str = ""
    ) -> None:
        if self.file.document is not None:
            self.home.warnings.append(self.file.document.problem(at, code, message, suggestion, before=before))

    def _trigger(self, config: TriggerConfig, at: tuple[str | int, ...]) -> Trigger | None:
        known = self.home.catalog.triggers
        kind = known.get(config.type)
        if kind is None:
            message = f"there is no trigger type {config.type!r}; `changewire catalog` lists them"
            self._say((*at, "type"), "unknown_type", message, nearest(config.type, known))
            return None
        fed = kind.source is not None
        connection = None if fed else self._connection(config.connection, kind.connector, at)
        parameters = self._parameters(kind, config, at)
        if fed and self._refuse_polling(config, at):
            return None
        if (connection is None and not fed) or parameters is None:
            return None
        return self._bound(kind, config, parameters, connection, at)

    def _parameters(
        self, kind: TriggerType, config: TriggerConfig, at: tuple[str | int, ...]
    ) -> dict[str, Json] | None:
        values, problems = check_values(kind.parameters, config.parameters)
        for problem in problems:
            where = (*at, "with", *problem.path) if problem.code != "missing_parameter" else (*at, "with")
            message = problem.message if problem.path else f"{kind.type}: {problem.message}"
            self._say(where, problem.code, message, problem.suggestion, key=problem.code == "unknown_parameter")
        for index, path in enumerate(config.ignore):
            self._ignore(kind, path, (*at, "ignore", index))
        return None if problems else {name: values.get(name) for name in kind.parameters}

    def _refuse_polling(self, config: TriggerConfig, at: tuple[str | int, ...]) -> bool:
        wrong = sorted(config.model_fields_set & POLLING)
        for key in wrong:
            message = f"{config.type} is not polled but raised inside, so '{key}' has no meaning: leave it out"
            self._say((*at, key), "not_polled", message, key=True)
        return bool(wrong)

    def _ignore(self, kind: TriggerType, path: str, at: tuple[str | int, ...]) -> None:
        try:
            parse_path(path)
        except ValueError as error:
            self._say(at, "bad_path", str(error))
            return
        if kind.connector != "http" and unknown_paths(kind, [path]):
            near = nearest(path.rpartition(".")[2], _names(kind.sample))
            message = f"{path} leads nowhere in what {kind.type} reads, so it would hide nothing"
            if near is not None:  # without a word like it, it may be a field that the API has got since
                self._say(at, "unknown_path", message, near)

    def _bound(
        self,
        kind: TriggerType,
        config: TriggerConfig,
        parameters: dict[str, Json],
        connection: str | None,
        at: tuple[str | int, ...],
    ) -> Trigger | None:
        try:
            bound = self.home.bindings.bind(kind, parameters)
            watch = self.home.bindings.watch(bound, config.ignore, config.settle)
        except (ValueError, ChangewireError) as error:
            self._say((*at, "with"), "bad_parameter", _first_line(error))
            return None
        if config.first_poll.mode == "backfill" and not bound.only_new:
            message = f"{kind.type} notices changes of what is there, so there is nothing to backfill: leave it out"
            self._say((*at, "first_poll"), "no_backfill", message)
            return None
        mark = fingerprint(kind, parameters)
        return Trigger(
            id=make_id("trg", self.workflow.name, config.name, connection, mark),
            workflow=self.workflow,
            version=self.file.version,
            config=config,
            reader=Reader(bound, _with_me(parameters, self.home.connections.get(connection or ""))),
            watch=watch,
            connection=connection,
            fingerprint=mark,
            schedule=None if connection is None else self._schedule(config, parameters, connection, mark),
        )

    def _schedule(self, config: TriggerConfig, parameters: Mapping[str, Json], connection: str, mark: str) -> Schedule:
        zone = config.timezone or self.home.settings.timezone
        if config.cron is not None:
            return Schedule(None, cron=config.cron, timezone=zone)
        minutes = parameters.get("interval")
        by_parameter = timedelta(minutes=float(minutes)) if minutes is not None else None
        return Schedule(config.every or by_parameter or self.home.settings.every, phase_of(connection, mark))

    def _connection(self, name: str | None, connector: str, at: tuple[str | int, ...]) -> str | None:
        known = self.home.connections
        if name is not None:
            return self._named_connection(name, connector, (*at, "connection"))
        fitting = [each.name for each in known.values() if each.connector == connector]
        if len(fitting) == 1 and (broken := self._may_be_meant(connector)) is None:
            return fitting[0]
        if len(fitting) == 1:
            message = (
                f"connection {broken!r} may be meant, and it cannot be used: say which, `connection: {fitting[0]}`"
            )
            self._say(at, "ambiguous_connection", message)
            return None
        title = load_connector(connector).title
        if fitting:
            message = f"there are several connections for {title}: say which, `connection: {fitting[0]}`"
            self._say(at, "ambiguous_connection", message)
        elif self.wrong_connections:
            self._say(at, "no_connection", f"the connection for {title} cannot be used; see its problems above")
        else:
            self._say(at, "no_connection", f"there is no connection for {title}: add one to config/connections.yaml")
        return None

    def _may_be_meant(self, connector: str) -> str | None:
        """A connection that cannot be used and that is for ``connector``, as far as it can be read."""
        if not self.wrong_connections:
            return None
        written = read_yaml(self.home.path / CONNECTIONS).data
        for name in self.wrong_connections:
            entry = written.get(name)
            if not isinstance(entry, dict) or entry.get("connector", connector) == connector:
                return name
        return None

    def _named_connection(self, name: str, connector: str, at: tuple[str | int, ...]) -> str | None:
        known = self.home.connections
        if name in self.wrong_connections:
            self._say(at, "broken_connection", f"connection {name!r} cannot be used: {self.wrong_connections[name][0]}")
        elif name not in known:
            self._say(at, "unknown_connection", f"there is no connection {name!r}", nearest(name, known))
        elif known[name].connector != connector:
            message = f"connection {name!r} is for {known[name].connector}, but the type needs one for {connector}"
            self._say(at, "wrong_connection", message)
        else:
            return name
        return None

    def _step_connection(self, step: ActionStep, connector: str, at: tuple[str | int, ...]) -> None:
        given = step.parameters.get("connection")
        if isinstance(given, str) and "{{" not in given and "${" not in given:
            self._named_connection(given, connector, (*at, "with", "connection"))
        elif given is None and load_connector(connector).auth_types != ("none",) and connector != "http":
            self._connection(None, connector, at) if not self._from_trigger(connector) else None

    def _from_trigger(self, connector: str) -> bool:
        """Whether the workflow's own trigger lends its connection to the step."""
        known = self.home.catalog.triggers
        return any(t.type in known and known[t.type].connector == connector for t in self.workflow.triggers)

    def _templates(self, value: Json, at: tuple[str | int, ...]) -> None:
        for path, message in _STEP_TEMPLATES.expression_problems(value):
            self._say((*at, *path), "bad_expression", message)


def _with_me(parameters: Mapping[str, Json], connection: Connection | None) -> dict[str, Json]:
    """``me`` is the user that the connection names, where it names one: an app's token is not a user's everywhere."""
    if connection is None or connection.user is None:
        return dict(parameters)
    return {
        name: connection.user if name == "user_id" and value == "me" else value for name, value in parameters.items()
    }


def _names(data: Json) -> Iterator[str]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield key
            yield from _names(value)
    elif isinstance(data, list):
        for entry in data:
            yield from _names(entry)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[min(2, len(lines) - 1)] if len(lines) > 2 else lines[0]
