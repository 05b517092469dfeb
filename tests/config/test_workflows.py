"""Workflow files load one by one; what is wrong in one is told at its place and does not harm the others."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from changewire.config.environment import Environment
from changewire.config.steps import ActionStep, Retry
from changewire.config.workflows import (
    FirstPoll,
    TriggerConfig,
    Workflow,
    WorkflowFile,
    load_workflows,
    workflow_from_text,
)
from changewire.errors import ConfigError, Problem
from changewire.values import digest

FULL = """\
name: Recording ready
description: Downloads it
trigger:
  type: zoom.meeting_recording_changed
  connection: work
  with: {meeting_id: "${MEETING}"}
  every: ${EVERY:-5m}
  first_poll: {backfill: {since: 2026-11-01, max: 50}}
  ignore: [settings.global_dial_in_numbers]
  settle: 2
when: "{{ payload.event_type == 'recording_processing_completed' }}"
steps:
  - id: files
    use: zoom.get_meeting_recordings
    with: {meetingId: "{{ payload.meeting_recording.uuid }}"}
  - use: zoom.download_recording
    with: {folder: "${NOTIFY_URL}"}
    when: "{{ steps.files }}"
    retry: {attempts: 5, delay: 1s, backoff: linear, max_delay: 5m}
    timeout: 10m
    continue_on_error: true
on_failure:
  - use: core.notify
    with: {to: "${NOTIFY_URL}"}
"""


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment({"MEETING": "85746065432", "NOTIFY_URL": "json://n.example"}, tmp_path)


def test_everything_that_is_written_is_read(environment: Environment) -> None:
    assert workflow_from_text(FULL, environment, "a.yaml") == Workflow(
        name="Recording ready",
        description="Downloads it",
        triggers=(
            TriggerConfig(
                name="trigger",
                type="zoom.meeting_recording_changed",
                connection="work",
                parameters={"meeting_id": "85746065432"},
                every=timedelta(minutes=5),
                first_poll=FirstPoll(mode="backfill", since=datetime(2026, 11, 1, tzinfo=UTC), max=50),
                ignore=("settings.global_dial_in_numbers",),
                settle=2,
            ),
        ),
        when="{{ payload.event_type == 'recording_processing_completed' }}",
        steps=(
            ActionStep(
                id="files",
                use="zoom.get_meeting_recordings",
                parameters={"meetingId": "{{ payload.meeting_recording.uuid }}"},
            ),
            ActionStep(
                use="zoom.download_recording",
                parameters={"folder": "${NOTIFY_URL}"},
                when="{{ steps.files }}",
                retry=Retry(attempts=5, delay=timedelta(seconds=1), backoff="linear", max_delay=timedelta(minutes=5)),
                timeout=timedelta(minutes=10),
                continue_on_error=True,
            ),
        ),
        on_failure=(ActionStep(use="core.notify", parameters={"to": "${NOTIFY_URL}"}),),
    )


def test_a_short_one_has_defaults(environment: Environment) -> None:
    workflow = workflow_from_text("{trigger: {type: a.b}, steps: []}", environment, "some/short.yaml")
    [trigger] = workflow.triggers
    assert (workflow.name, workflow.description, workflow.when) == ("short", "", None)
    assert (workflow.steps, workflow.on_failure) == ((), ())
    assert (trigger.name, trigger.connection, trigger.parameters) == ("trigger", None, {})
    assert (trigger.every, trigger.cron, trigger.timezone) == (None, None, None)
    assert (trigger.first_poll, trigger.ignore, trigger.settle) == (FirstPoll(), (), 1)
    assert (FirstPoll().mode, FirstPoll().since, FirstPoll().max) == ("baseline", None, 200)


FIRST_POLLS = [
    ("baseline", FirstPoll()),
    ("backfill", FirstPoll(mode="backfill")),
    ("{backfill: {}}", FirstPoll(mode="backfill")),
    ("{backfill: }", FirstPoll(mode="backfill")),
    ("{backfill: {max: 5}}", FirstPoll(mode="backfill", max=5)),
    ("{mode: backfill, max: 5}", FirstPoll(mode="backfill", max=5)),
]


@pytest.mark.parametrize(("text", "meant"), FIRST_POLLS)
def test_the_first_poll_has_short_forms(environment: Environment, text: str, meant: FirstPoll) -> None:
    text = f"trigger: {{type: a.b, first_poll: {text}}}\nsteps: []"
    assert workflow_from_text(text, environment, "a.yaml").triggers[0].first_poll == meant


def test_several_triggers_are_a_list_of_named_ones(environment: Environment) -> None:
    text = "trigger: [{type: a.b}, {name: late, type: a.c, cron: '0 9 * * 1-5', timezone: Asia/Tokyo}]\nsteps: []"
    one, two = workflow_from_text(text, environment, "a.yaml").triggers
    assert (one.name, two.name) == ("trigger", "late")
    assert (two.cron, two.timezone) == ("0 9 * * mon,tue,wed,thu,fri", "Asia/Tokyo")


T = "trigger: {type: a.b}\n"
S = "steps: []\n"
BAD = [
    ("", "1:1: the file is empty: write 'trigger' and 'steps'"),
    ("- a", "1:1: the file must be a mapping: lines of `key: value`"),
    (S, "1:1: 'trigger' is missing"),
    (T, "1:1: 'steps' is missing"),
    ("trigger: []\n" + S, "1:10: 'trigger' must not be empty"),
    ("trigger: a.b\n" + S, "1:10: 'trigger' must be a mapping: lines of `key: value`"),
    ("trigger: [a.b]\n" + S, "1:11: item 1 of 'trigger' must be a mapping: lines of `key: value`"),
    (T + S + "stpes: []", "3:1: unknown key 'stpes' (did you mean 'steps'?)"),
    (T + S + "name: a/b", "3:7: 'a/b' cannot be a name: leave out '/' and invisible characters"),
    (T + S + "name: 5", "3:7: 'name' must be text: write it in quotes"),
    (
        T + S + "mode: queue",
        "3:7: 'mode' cannot be 'queue': write parallel, single, restart or queued (did you mean 'queued'?)",
    ),
    (T + S + "max: 0", "3:6: 'max' must be at least 1, not 0"),
    (T + S + "mode: queued\nmax: 2", "4:1: 'max' goes with mode: parallel, not with queued"),
    (
        T + S + "mode: single\norder_by: x",
        "4:1: 'order_by' keeps every run, and mode: single does not: take parallel or queued",
    ),
    (T + S + "batch: {}", "3:8: 'every' is missing"),
    (T + S + "batch: {every: 1h, max: 0}", "3:25: 'max' must be at least 1, not 0"),
    (T + S + "batch: {every: 1h, max: 1001}", "3:25: 'max' must be at most 1000, not 1001"),
    ("trigger: {tpye: x, type: a.b}\n" + S, "1:11: unknown key 'tpye' (did you mean 'type'?)"),
    ("trigger: {type: zoom}\n" + S, "1:17: 'zoom' is not a type: write connector.name, such as zoom.get_meeting"),
    ("trigger: {type: a.b, every: 100ms}\n" + S, "1:29: '100ms' is too short: at least 1s"),
    (
        "trigger: {type: a.b, every: often}\n" + S,
        "1:29: 'every': 'often' is not a duration: write 30s, 5m, 1h30m, 2d or a number of seconds",
    ),
    (
        "trigger: {type: a.b, every: 5m, cron: '0 9 * * *'}\n" + S,
        "1:33: 'every' and 'cron' exclude each other: keep one",
    ),
    (
        "trigger: {type: a.b, cron: '9 * *'}\n" + S,
        "1:28: 'cron': '9 * *' has 3 fields: write minute, hour, day, month and weekday",
    ),
    (
        "trigger: {type: a.b, timezone: UCT+1}\n" + S,
        "1:32: 'UCT+1' is not a time zone: write one like Europe/Berlin (did you mean 'UCT'?)",
    ),
    ("trigger: {type: a.b, settle: 0}\n" + S, "1:30: 'settle' must be at least 1, not 0"),
    ("trigger: {type: a.b, settle: 21}\n" + S, "1:30: 'settle' must be at most 20, not 21"),
    ("trigger: {type: a.b, ignore: x}\n" + S, "1:30: 'ignore' must be a list: lines that begin with '- '"),
    (
        "trigger: {type: a.b, first_poll: basline}\n" + S,
        "1:34: 'first_poll' cannot be 'basline': write baseline or backfill (did you mean 'baseline'?)",
    ),
    (
        "trigger: {type: a.b, first_poll: {backfill: {since: soon}}}\n" + S,
        "1:53: 'soon' is not a moment: write 2026-11-01 or 2026-11-01T08:00:00Z",
    ),
    (
        "trigger: {type: a.b, first_poll: {backfill: {snice: 2026-11-01}}}\n" + S,
        "1:46: unknown key 'snice' (did you mean 'since'?)",
    ),
    ("trigger: {type: a.b, first_poll: {backfill: {max: 0}}}\n" + S, "1:51: 'max' must be at least 1, not 0"),
    (
        "trigger: {type: a.b, first_poll: {mode: baseline, since: 2026-11-01}}\n" + S,
        "1:22: 'since' needs a backfill: write first_poll: {backfill: {since: …}}",
    ),
    (
        "trigger:\n  - type: a.b\n  - type: a.c\n" + S,
        "3:5: a trigger above is called 'trigger', too: give each a 'name' of its own",
    ),
    (
        "trigger: {type: a.b, with: {id: '${MEETNG}'}}\n" + S,
        "1:33: the variable MEETNG is not set: export it, write MEETNG=… into config/.env, "
        "or give a default, ${MEETNG:-…} (did you mean 'MEETING'?)",
    ),
    (
        "trigger: {type: a.b, every: '${OFTEN}'}\n" + S,
        "1:29: the variable OFTEN is not set: export it, write OFTEN=… into config/.env, "
        "or give a default, ${OFTEN:-…}",
    ),
    (
        "trigger: {type: a.b, every: '${OFTEN:-5m}'}\nsteps: [{use: a.x, with: {to: '${TO}'}}]",
        "2:31: the variable TO is not set: export it, write TO=… into config/.env, or give a default, ${TO:-…}",
    ),
    (T + "steps: x", "2:8: 'steps' must be a list: lines that begin with '- '"),
    (T + "steps: [x]", "2:9: item 1 of 'steps' must be a mapping: lines of `key: value`"),
    (
        T + "steps: [{id: a}]",
        "2:9: what it does is missing: write one of use, if, choose, for_each, repeat, wait, wait_until, set, stop,"
        " call",
    ),
    (T + "steps: [{use: x}]", "2:15: 'x' is not a type: write connector.name, such as zoom.get_meeting"),
    (T + "steps: [{usee: a.x, use: a.x}]", "2:10: unknown key 'usee' (did you mean 'use'?)"),
    (
        T + "steps: [{use: a.x, id: my-id}]",
        "2:24: 'my-id' cannot be an id: expressions say steps.ID, so use letters, digits and '_'",
    ),
    (T + "steps:\n  - {use: a.x, id: s}\n  - {use: a.y, id: s}", "4:16: a step above has the id 's', too"),
    (
        T + "steps: [{use: a.x, id: s}]\non_failure: [{use: a.y, id: s}]",
        "3:25: a step above has the id 's', too",
    ),
    (
        T + "steps: [{use: a.x, retry: {attempts: 101}}]",
        "2:38: 'attempts' must be at most 100, not 101",
    ),
    (
        T + "steps: [{use: a.x, retry: {backoff: linaer}}]",
        "2:37: 'backoff' cannot be 'linaer': write exponential, linear or constant (did you mean 'linear'?)",
    ),
    (T + "steps: [{use: a.x, with: [1]}]", "2:26: 'with' must be a mapping: lines of `key: value`"),
    (
        T + "steps:\n  - use: a.x\n    with: {to: '${NOTIFY_URI}'}",
        "4:16: the variable NOTIFY_URI is not set: export it, write NOTIFY_URI=… into config/.env, "
        "or give a default, ${NOTIFY_URI:-…} (did you mean 'NOTIFY_URL'?)",
    ),
    (
        T + S + "on_failure: [{use: a.x, with: {to: '${file:no}'}}]",
        "3:36: the file of ${file:no} cannot be read: no such file or directory",
    ),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=lambda value: value[-40:])
def test_what_is_wrong_is_told_at_its_place(environment: Environment, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        workflow_from_text(text, environment, "a.yaml")
    assert str(caught.value) == f"a.yaml:{message}"


def test_all_problems_are_told_at_once_in_the_order_of_the_file(environment: Environment) -> None:
    text = "nmae: x\ntrigger: {type: a.b, settle: 0}\nsteps:\n  - {wait: 5x}\n"
    text += "  - {use: a.x, with: {a: '${NO}'}}\nbatch: 5"
    with pytest.raises(ConfigError) as caught:
        workflow_from_text(text, environment, "a.yaml")
    assert [(p.line, p.code) for p in caught.value.problems] == [
        (1, "unknown_key"),
        (2, "out_of_range"),
        (4, "wrong_value"),
        (5, "unset"),
        (6, "wrong_type"),
    ]


def write(home: Path, files: dict[str, str]) -> tuple[list[WorkflowFile], list[Problem]]:
    folder = home / "config" / "workflows"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return load_workflows(home, Environment({}, home))


def test_one_bad_file_is_one_bad_workflow(tmp_path: Path) -> None:
    files, problems = write(
        tmp_path,
        {"a.yaml": "x: 'y", "b.yaml": T + S, "c.yml": "name: Sea\n" + S, ".d.yaml": "", "e.txt": ""},
    )
    assert [(file.shown, file.name, file.workflow is not None) for file in files] == [
        ("config/workflows/a.yaml", "a", False),
        ("config/workflows/b.yaml", "b", True),
        ("config/workflows/c.yml", "Sea", False),
    ]
    assert [str(problem) for problem in problems] == [
        "config/workflows/a.yaml:1:4: the quotation that begins here is never closed",
        "config/workflows/c.yml:1:1: 'trigger' is missing",
    ]
    assert problems == [*files[0].problems, *files[2].problems]


def test_each_file_keeps_its_text_and_a_version_that_follows_from_it(tmp_path: Path) -> None:
    [good, bad], _ = write(tmp_path, {"a.yaml": T + S, "b.yaml": "x: 'y"})
    assert (good.text, good.version) == (T + S, digest((T + S).encode()))
    assert (bad.text, bad.version) == ("x: 'y", digest(b"x: 'y"))
    assert good.document is not None
    assert good.document.where(["trigger", "type"]) == (1, 17)
    assert bad.document is None
    [changed, _], _ = write(tmp_path, {"a.yaml": T + S + "# new\n"})
    assert changed.version != good.version


def test_workflows_of_one_name_are_told_at_both_places_and_neither_runs(tmp_path: Path) -> None:
    files, problems = write(tmp_path, {"a.yaml": "name: b\n" + T + S, "b.yaml": T + S, "c.yaml": "name: C\n" + T + S})
    assert [file.workflow is None for file in files] == [True, True, False]
    assert [str(problem) for problem in problems] == [
        "config/workflows/a.yaml:1:7: the workflow 'b' is in config/workflows/b.yaml, too: rename one",
        "config/workflows/b.yaml:1:1: the workflow 'b' is in config/workflows/a.yaml, too: rename one",
    ]


def test_a_home_without_workflows_has_none(tmp_path: Path) -> None:
    assert load_workflows(tmp_path, Environment({}, tmp_path)) == ([], [])


def test_the_env_file_of_the_home_counts(tmp_path: Path) -> None:
    (tmp_path / "config" / "workflows").mkdir(parents=True)
    (tmp_path / "config" / ".env").write_text("CHANGEWIRE_TEST_TYPE=a.b\n")
    text = 'trigger: {type: "${CHANGEWIRE_TEST_TYPE}"}\n' + S
    (tmp_path / "config" / "workflows" / "a.yaml").write_text(text)
    [file], problems = load_workflows(tmp_path)
    assert problems == []
    assert file.workflow is not None
    assert file.workflow.triggers[0].type == "a.b"


def test_two_thousand_workflows_load(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "workflows"
    folder.mkdir(parents=True)
    for number in range(2000):
        text = FULL.replace("Recording ready", f"Recording {number}").replace("${MEETING}", f"${{MEETING}}-{number}")
        (folder / f"{number:04}.yaml").write_text(text)
    environment = Environment({"MEETING": "m", "NOTIFY_URL": "json://n.example"}, tmp_path)
    files, problems = load_workflows(tmp_path, environment)
    assert problems == []
    assert [(file.name, file.workflow and file.workflow.triggers[0].parameters) for file in files] == [
        (f"Recording {number}", {"meeting_id": f"m-{number}"}) for number in range(2000)
    ]
    assert len({file.version for file in files}) == 2000
