"""One workflow held against connections and catalog, which makes its triggers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from changewire.actions.checking.advice import step_warnings
from changewire.actions.checking.steps import wrong_steps
from changewire.actions.definition import ActionType
from changewire.config.connections import FILE as CONNECTIONS
from changewire.config.connections import Connection
from changewire.config.steps import ActionStep
from changewire.config.workflows import TriggerConfig, Workflow, WorkflowFile
from changewire.config.yaml_files import read_yaml
from changewire.connectors.definition import load_connector
from changewire.errors import ChangewireError, Problem, nearest
from changewire.home.definition import Home, Trigger
from changewire.home.naming import unknown_names
from changewire.parameters import check_values
from changewire.paths import parse_path
from changewire.templates import expression_problems
from changewire.triggers.binding import Reader, fingerprint
from changewire.triggers.definition import TriggerType
from changewire.triggers.rules import unknown_paths
from changewire.triggers.schedule import Schedule, phase_of
from changewire.values import Json, make_id

POLLING = frozenset({"connection", "every", "cron", "timezone", "first_poll", "ignore", "settle", "echo"})
"""Keys of a trigger that say how it is polled."""


@dataclass
class Check:
    """One workflow held against connections and catalog."""

    home: Home
    file: WorkflowFile
    workflow: Workflow
    wrong_connections: Mapping[str, Sequence[Problem]]
    problems: list[Problem] = field(default_factory=list)
    names_known: bool = True  # False: names that expressions ask for cannot be judged

    def run(self) -> list[Trigger]:
        """The triggers that can be used; what is wrong is in ``problems``, advice in the home's ``warnings``."""
        single = isinstance((self.file.document.data or {}).get("trigger"), dict) if self.file.document else True
        triggers = []
        for index, config in enumerate(self.workflow.triggers):
            at: tuple[str | int, ...] = ("trigger",) if single else ("trigger", index)
            trigger = self._trigger(config, at)
            if trigger is not None:
                triggers.append(trigger)
        for wrong in wrong_steps(self.workflow, self.home.catalog.actions):
            self._say(wrong.at, wrong.code, wrong.message, wrong.suggestion, wrong.at_key, wrong.before)
        for place, step, _ in self.workflow.placed_steps():
            if isinstance(step, ActionStep) and (action := self.home.catalog.actions.get(step.use)) is not None:
                self._step_connection(step, action, place)
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
        if config.first_poll.since is not None and not (bound.created_at or bound.happened_at or bound.window):
            message = "nothing tells when an item was made, so `since` leaves none out: "
            field = "name the field in created_at" if "created_at" in kind.parameters else "`max` does"
            self._warn((*at, "first_poll"), "no_moment", message + field)
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
        elif (broken := self._may_be_meant(connector)) is not None:
            why = self.wrong_connections[broken][0]
            self._say(at, "no_connection", f"the connection for {title}, {broken!r}, cannot be used: {why}")
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

    def _named_connection(self, name: str, connector: str | None, at: tuple[str | int, ...]) -> str | None:
        known = self.home.connections
        if name in self.wrong_connections:
            self._say(at, "broken_connection", f"connection {name!r} cannot be used: {self.wrong_connections[name][0]}")
        elif name not in known:
            self._say(at, "unknown_connection", f"there is no connection {name!r}", nearest(name, known))
        elif connector is not None and known[name].connector != connector:
            message = f"connection {name!r} is for {known[name].connector}, but the type needs one for {connector}"
            self._say(at, "wrong_connection", message)
        else:
            return name
        return None

    def _step_connection(self, step: ActionStep, action: ActionType, at: tuple[str | int, ...]) -> None:
        connector = action.connector
        own = action.parameters.get("connection")
        given = step.parameters.get("connection", own.default if own else None)
        if isinstance(given, str) and "{{" not in given and "${" not in given:
            any_will_do = connector == "http" and not action.on_connection  # as with http.request
            self._named_connection(given, None if any_will_do else connector, (*at, "with", "connection"))
        elif given is None and action.on_connection:
            self._connection(None, connector, at) if not self._from_trigger(connector) else None

    def _from_trigger(self, connector: str) -> bool:
        """Whether the workflow's own trigger lends its connection to the step."""
        known = self.home.catalog.triggers
        return any(t.type in known and known[t.type].connector == connector for t in self.workflow.triggers)

    def _templates(self, value: Json, at: tuple[str | int, ...]) -> None:
        for path, message, before in expression_problems(value):
            self._say((*at, *path), "bad_expression", message, before=before)


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
