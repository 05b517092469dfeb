"""``config/changewire.yaml``: how this home works. Everything in it may be left out."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field

from changewire.config.environment import Environment
from changewire.config.fields import Address, Bytes, Interval, Strict, TimeZone, Whole
from changewire.config.yaml_files import check, read_yaml
from changewire.errors import ConfigError
from changewire.log import Level

FILE = "config/changewire.yaml"


class WorkerSettings(Strict):
    """How much happens at the same time."""

    polls: Annotated[Whole, Field(ge=1, le=512)] = 64
    runs: Annotated[Whole, Field(ge=1, le=512)] = 8


class PollBudget(Strict):
    """What one poll may use. A poll that needs more fails and changes nothing."""

    time: Interval = timedelta(seconds=60)
    pages: Annotated[Whole, Field(ge=1)] = 200
    items: Annotated[Whole, Field(ge=1)] = 50_000
    bytes: Annotated[Bytes, Field(ge=1)] = 64 * 10**6
    event: Annotated[Bytes, Field(ge=1, le=64 * 10**6)] = 8 * 10**6


class Retention(Strict):
    """How long finished history is kept. What is remembered of items is never removed by age."""

    events: Interval = timedelta(days=90)
    runs: Interval = timedelta(days=90)


class HttpSettings(Strict):
    """Requests to every source."""

    allow_private: bool = False  # whether addresses that come from data may be in private networks
    timeout: Interval = timedelta(seconds=30)


class AllowSettings(Strict):
    """What is off unless the owner of this machine switches it on."""

    run_command: bool = False  # whether workflows may start programs, with the rights of the daemon


class LogSettings(Strict):
    """What `run` says."""

    level: Level = "info"  # the least that is written: debug, info, warning or error


class ServeSettings(Strict):
    """What the daemon answers by HTTP about itself: `/live`, `/health` and `/metrics`."""

    listen: Address | None = None  # such as 127.0.0.1:9310; port 0: any free one; None: it does not listen


class Settings(Strict):
    """All settings of a home."""

    timezone: TimeZone = "UTC"
    every: Interval = timedelta(minutes=5)  # interval of triggers that name none
    workers: WorkerSettings = WorkerSettings()
    poll: PollBudget = PollBudget()
    retention: Retention = Retention()
    http: HttpSettings = HttpSettings()
    allow: AllowSettings = AllowSettings()
    log: LogSettings = LogSettings()
    serve: ServeSettings = ServeSettings()
    alert_after: Annotated[Whole, Field(ge=1)] = 3  # failed polls in a row until somebody is told


def load_settings(home: Path, environment: Environment) -> Settings:
    """The settings of a home; the defaults where it has no such file. Raises ConfigError."""
    path = home / FILE
    if not os.path.lexists(path):
        return Settings()
    document = read_yaml(path, FILE)
    data = {} if document.data is None else document.data
    problems = [document.problem(at, "unset", str(e), e.suggestion) for at, e in environment.unset(data)]
    if problems:
        raise ConfigError(problems)
    return check(document, Settings, data=environment.expand_data(data, secret=False))
