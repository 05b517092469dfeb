"""``config/workflows/*.yaml``: what is watched, and what is done on each change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from changewire.config.cron import cron_with_day_names
from changewire.config.environment import Environment, UnsetError
from changewire.config.fields import (
    CRON_SCHEMA,
    Interval,
    Moment,
    Name,
    Strict,
    Text,
    TimeZone,
    TypeName,
    Whole,
    refused,
)
from changewire.config.further import Found, look_through, together
from changewire.config.step_fields import Condition, why_reserved
from changewire.config.steps import Place, SetNames, Step, placed
from changewire.config.yaml_files import Document, parse_yaml, read_text
from changewire.errors import ConfigError, Problem
from changewire.values import digest


def _long_first_poll(value: Any) -> Any:
    """``baseline``, ``backfill`` and ``{backfill: {…}}`` in the long form."""
    if isinstance(value, str):
        return {"mode": value}
    if isinstance(value, dict) and list(value) == ["backfill"]:
        inner = {} if value["backfill"] is None else value["backfill"]
        return {"mode": "backfill", **inner} if isinstance(inner, dict) else inner
    return value


Cron = Annotated[Text, AfterValidator(cron_with_day_names), WithJsonSchema(CRON_SCHEMA)]
MOST_GATHERED = 1000
"""Events that one run may work on."""


class FirstPoll(Strict):
    """What happens with the items that are there when a trigger polls for the first time."""

    mode: Literal["baseline", "backfill"] = "baseline"  # remember them silently, or fire for each, marked
    since: Moment | None = None  # backfill only: older items are remembered silently; None: no limit
    max: Annotated[Whole, Field(ge=1)] = 200  # backfill only: at most so many items, the newest


class TriggerConfig(Strict):
    """One thing that a workflow watches."""

    name: Name = "trigger"  # unique in the workflow
    type: TypeName
    connection: Text | None = None  # None: the only one of the type's connector
    parameters: dict[str, Any] = Field(default_factory=dict, validation_alias="with")
    every: Interval | None = None  # None, and no cron: `every` of the settings
    cron: Cron | None = None  # five fields, weekdays as names
    timezone: TimeZone | None = None  # of `cron`; None: that of the settings
    first_poll: Annotated[FirstPoll, BeforeValidator(_long_first_poll)] = FirstPoll()
    ignore: tuple[Text, ...] = ()  # paths of fields whose changes are noise, on top of the type's own
    settle: Annotated[Whole, Field(ge=1, le=20)] = 1  # polls that must agree before a change counts
    echo: Literal["ignore", "fire"] = "ignore"  # changes that are nothing but what the workflow itself wrote

    @model_validator(mode="after")
    def _one_schedule(self) -> TriggerConfig:
        if self.every is not None and self.cron is not None:
            raise refused("'every' and 'cron' exclude each other: keep one", code="conflict", at=("cron",))
        if self.first_poll.mode == "baseline" and self.first_poll.since is not None:
            message = "'since' needs a backfill: write first_poll: {backfill: {since: …}}"
            raise refused(message, code="conflict", at=("first_poll",))
        return self


class Batch(Strict):
    """When events that gather become a run."""

    max: Annotated[Whole, Field(ge=1, le=MOST_GATHERED)] = 100  # with so many events it begins at once
    every: Interval  # after the first event of it, however few there are then


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


class Workflow(Strict):
    """What is watched, and what is done on each change."""

    name: Name
    description: str = ""
    triggers: Annotated[tuple[TriggerConfig, ...], BeforeValidator(_listed), Field(min_length=1)] = Field(
        validation_alias="trigger"
    )
    when: Condition | None = None  # events for which this expression is false are filtered; None: none are
    steps: tuple[Step, ...]
    on_failure: tuple[Step, ...] = ()  # when a run failed, from what is stored of it
    timeout: Interval | None = None  # of a run, from its start, waits included; None: as long as it takes
    mode: Literal["parallel", "single", "restart", "queued"] = "parallel"  # how runs at the same time get along
    max: Annotated[Whole, Field(ge=1)] | None = None  # with parallel: how many at once; None: any number
    order_by: Text | None = None  # an expression; runs of one value go one at a time, in order; None: no order

    batch: Batch | None = None  # events gather and become one run; None: each has a run of its own

    @model_validator(mode="after")
    def _lanes(self) -> Workflow:
        if self.max is not None and self.mode != "parallel":
            raise refused(f"'max' goes with mode: parallel, not with {self.mode}", code="conflict", at=("max",))
        if self.order_by is not None and self.mode in {"single", "restart"}:
            message = f"'order_by' keeps every run, and mode: {self.mode} does not: take parallel or queued"
            raise refused(message, code="conflict", at=("order_by",))
        return self

    @model_validator(mode="after")
    def _unique(self) -> Workflow:
        names: set[str] = set()
        for number, trigger in enumerate(self.triggers):
            if trigger.name in names:
                message = f"a trigger above is called {trigger.name!r}, too: give each a 'name' of its own"
                raise refused(message, code="duplicate_name", at=("trigger", number, "name"))
            names.add(trigger.name)
        ids: set[str] = set()
        for place, step, loops in self.placed_steps():
            if step.id in ids:
                message = f"a step above has the id {step.id!r}, too"
                raise refused(message, code="duplicate_name", at=(*place, "id"))
            ids |= {step.id} if step.id else set()
            if isinstance(step, SetNames):
                _check_names(step, place, loops)
        return self

    def placed_steps(self) -> Iterator[tuple[Place, Step, tuple[str, ...]]]:
        """All steps with their places in the file and the loop names around them, those of ``on_failure`` last."""
        yield from placed(self.steps, ("steps",))
        yield from placed(self.on_failure, ("on_failure",))


def _check_names(step: SetNames, place: Place, loops: tuple[str, ...]) -> None:
    for name in step.values:
        at = (*place, "set", name)
        if not name.isidentifier() or not name.isascii():
            message = f"{name!r} cannot be a name in expressions: use letters, digits and '_'"
            raise refused(message, at=at)
        if (why := why_reserved(name)) is not None:
            raise refused(why, code="reserved", at=at)
        if name in loops:
            message = f"{name!r} is the item of the loop around: choose another name"
            raise refused(message, code="reserved", at=at)


@dataclass(frozen=True)
class WorkflowFile:
    """One file of ``config/workflows``, good or not."""

    path: Path
    shown: str  # how the file is named in messages, from the home on
    name: str  # the workflow's, as far as the file can be read; else the file's without its ending
    document: Document | None  # None: no YAML
    workflow: Workflow | None  # None: it has problems
    problems: tuple[Problem, ...] = ()
    text: str = field(default="", repr=False)
    version: str = ""  # follows from the text
    reading: Found[Workflow] | None = field(default=None, repr=False)  # of a file with problems: what can be read of it


def load_workflows(home: Path, environment: Environment | None = None) -> tuple[list[WorkflowFile], list[Problem]]:
    """All workflow files by file name, and all their problems together. A bad file does not harm the others.

    ``environment`` None means that of the home, which raises ConfigError where ``config/.env`` is malformed.
    """
    environment = environment or Environment.of_home(home)
    folder = home / "config" / "workflows"
    paths = sorted(
        path for ending in ("*.yaml", "*.yml") for path in folder.glob(ending) if not path.name.startswith(".")
    )
    files = _refuse_shared_names([_load(path, f"config/workflows/{path.name}", environment) for path in paths])
    return files, [problem for file in files for problem in file.problems]


def workflow_from_text(text: str, environment: Environment, shown: str) -> Workflow:
    """The workflow of a file's text, such as a stored version. ``shown`` is the file's name. Raises ConfigError."""
    found = _read(parse_yaml(text, shown), environment)
    if found.problems or found.model is None:
        raise ConfigError(found.problems)
    return found.model


def _load(path: Path, shown: str, environment: Environment) -> WorkflowFile:
    file = WorkflowFile(path, shown, path.stem, None, None)
    try:
        text = read_text(path, shown)
        file = replace(file, text=text, version=digest(text.encode()))
        document = parse_yaml(text, shown, path)
        file = replace(file, document=document, name=_written_name(document) or path.stem)
        found = _read(document, environment)
        if found.problems:
            return replace(file, problems=tuple(found.problems), reading=found)
        return replace(file, workflow=found.model)
    except ConfigError as error:
        return replace(file, problems=error.problems)


def _written_name(document: Document) -> str | None:
    name = document.data.get("name") if isinstance(document.data, dict) else None
    return name.strip() if isinstance(name, str) else None


def _read(document: Document, environment: Environment) -> Found[Workflow]:
    """The workflow of a document with all that is wrong in it, in the order of the file."""
    if document.data is None:
        raise ConfigError([document.problem((), "empty", "the file is empty: write 'trigger' and 'steps'")])
    data, problems = document.data, []
    if isinstance(data, dict):
        problems = _unset(document, environment)
        data = {"name": document.path.stem, **data}
        if "trigger" in data:
            with suppress(UnsetError):  # told above
                data["trigger"] = environment.expand_data(data["trigger"], secret=False)
    found = look_through(document, Workflow, data)
    found.problems = together(problems, found.problems)
    return found


def _unset(document: Document, environment: Environment) -> list[Problem]:
    """Also those of steps, which are expanded when they run: it is better to know now."""
    if "${" not in document.text:
        return []
    parts = {part: document.data.get(part) for part in ("trigger", "steps", "on_failure")}
    return [document.problem(path, "unset", str(error), error.suggestion) for path, error in environment.unset(parts)]


def _refuse_shared_names(files: list[WorkflowFile]) -> list[WorkflowFile]:
    """Files whose workflows bear one name are all refused: which of them is meant is not for us to guess."""
    named: dict[str, list[str]] = defaultdict(list)
    for file in files:
        if file.workflow:
            named[file.name].append(file.shown)
    return [_shared(file, named[file.name]) if file.workflow else file for file in files]


def _shared(file: WorkflowFile, bearers: list[str]) -> WorkflowFile:
    others = ", ".join(shown for shown in bearers if shown != file.shown)
    if not others or file.document is None:
        return file
    message = f"the workflow {file.name!r} is in {others}, too: rename one"
    return replace(file, workflow=None, problems=(file.document.problem(["name"], "duplicate_name", message),))
