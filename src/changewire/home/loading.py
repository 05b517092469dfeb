"""A home read as a whole: one bad workflow stays one bad workflow, and on a reload the last good one goes on.

Reading never talks to an API and never opens the database, so `validate` and a reload are safe at any time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from changewire.catalog import load_catalog
from changewire.config.calls import wrong_calls
from changewire.config.circles import circles
from changewire.config.connections import Connection, load_connections
from changewire.config.environment import Environment, exposed
from changewire.config.further import together
from changewire.config.secrets import learn_secrets, learn_step_values
from changewire.config.settings import load_settings
from changewire.config.steps import ActionStep
from changewire.config.workflows import WorkflowFile, load_workflows
from changewire.connectors.checking import unfit_connections
from changewire.errors import Problem
from changewire.home.checking import Check
from changewire.home.definition import Broken, Home, Trigger


def load_home(path: Path, variables: Mapping[str, str] | None = None, previous: Home | None = None) -> Home:
    """Read a home. Raises ConfigError where nothing at all can be done: settings or environment are broken.

    ``variables`` None: those of this process. With ``previous``, a workflow whose file broke since stays as it was.
    """
    learn_secrets(path, variables)
    environment = Environment.of_home(path, variables)
    connections, wrong_connections, problems = load_connections(path, environment)
    unfit = unfit_connections(path, connections)
    connections = {name: one for name, one in connections.items() if name not in unfit}
    wrong_connections = {**wrong_connections, **unfit}
    if previous is not None:
        connections, wrong_connections = _last_good(previous.connections, connections, wrong_connections, problems)
    settings, catalog = load_settings(path, environment), load_catalog(path)
    home = Home(path, environment, settings, connections, catalog, frozenset(wrong_connections))
    files, _ = load_workflows(path, environment)
    home.found += [*problems, *(p for found in unfit.values() for p in found)]
    for file in files:
        _add_workflow(home, file, wrong_connections)
    _refuse_wrong_calls(home)
    home.warnings += filter(None, [exposed(path)])
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
    if file.workflow is not None:
        steps = (step for _, step, _ in file.workflow.placed_steps())
        learn_step_values(home.environment, (step.parameters for step in steps if isinstance(step, ActionStep)))
    problems = list(file.problems)
    triggers: list[Trigger] = []
    check = _check_of(home, file, wrong_connections)
    if check is not None:
        triggers = check.run()
        problems = together(problems, check.problems) if problems else check.problems
    home.found += [p for p in problems if p not in home.found]
    if problems or file.workflow is None:
        home.broken.append(_broken(file, problems))
    else:
        home.workflows[file.workflow.name] = file
        home.triggers |= {trigger.id: trigger for trigger in triggers}


def _check_of(home: Home, file: WorkflowFile, wrong_connections: Mapping[str, Sequence[Problem]]) -> Check | None:
    """How to hold a workflow against the catalog, one with problems as far as it can be read; None: not at all."""
    if file.workflow is not None:
        return Check(home, file, file.workflow, wrong_connections) if not file.problems else None
    if file.reading is None or file.reading.model is None:
        return None
    partly = replace(file, document=file.reading.document)
    return Check(home, partly, file.reading.model, wrong_connections, names_known=file.reading.names_known)


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
        home.found += problems
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
