"""A home read as a whole: what is held against what, and one bad workflow stays one bad workflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from changewire.errors import ConfigError, UsageError
from changewire.home.loading import load_home
from tests.engine.rig import connection, workflow, write_home

GOOD = workflow("Good", "zoom.new_meeting_created", "{user_id: a@example.com}")
URL = "https://zoom.example.com"

WRONG = [
    pytest.param(
        GOOD.replace("new_meeting_created", "new_meeting_creatd"),
        "3:9: there is no trigger type 'zoom.new_meeting_creatd'; `changewire catalog` lists them"
        " (did you mean 'zoom.new_meeting_created'?)",
        id="a type that does not exist",
    ),
    pytest.param(
        GOOD.replace("user_id", "usr_id"),
        "5:10: there is no parameter 'usr_id' (did you mean 'user_id'?)",
        id="a parameter that does not exist",
    ),
    pytest.param(
        GOOD.replace("core.log", "core.lgo"),
        "6:15: there is no action 'core.lgo'; `changewire catalog` lists them (did you mean 'core.log'?)",
        id="an action that does not exist",
    ),
    pytest.param(
        GOOD.replace("event.key }}", "event.key | shoutt }}"),
        "6:41: {{ event.key | shoutt }}: there is no filter 'shoutt'; did you mean 'sort'?",
        id="a filter that does not exist",
    ),
    pytest.param(
        GOOD.replace("trigger:\n", "trigger:\n  connection: wrk\n"),
        "3:15: there is no connection 'wrk' (did you mean 'work'?)",
        id="a connection that does not exist",
    ),
    pytest.param(
        workflow("Good", "zoom.user_information_changed", "{user_id: me}", "ignore: [jobtitle]"),
        "6:12: jobtitle leads nowhere in what zoom.user_information_changed reads, so it would hide nothing"
        " (did you mean 'job_title'?)",
        id="an ignored path that does not exist",
    ),
    pytest.param(
        workflow("Good", "zoom.user_information_changed", "{user_id: me}", "first_poll: backfill"),
        "6:15: zoom.user_information_changed notices changes of what is there, so there is nothing to backfill:"
        " leave it out",
        id="a backfill of what cannot be backfilled",
    ),
]


STEPS = GOOD.partition("steps:")[0] + "steps:\n"
WRONG += [
    pytest.param(
        STEPS + '  - for_each: "{{ event.changes }}"\n    do: [{if: true, then: [{use: core.lgo}]}]\n',
        "8:34: there is no action 'core.lgo'; `changewire catalog` lists them (did you mean 'core.log'?)",
        id="an action that does not exist, three deep",
    ),
    pytest.param(
        STEPS + "  - {repeat: {times: 2}, do: [{use: core.log, with: {mesage: x, message: y}}]}\n",
        "7:54: there is no parameter 'mesage' (did you mean 'message'?)",
        id="a parameter that does not exist in a loop",
    ),
    pytest.param(
        STEPS + '  - choose: [{when: "{{ event | shoutt }}", do: []}]\n',
        "7:21: {{ event | shoutt }}: there is no filter 'shoutt'; did you mean 'sort'?",
        id="a filter that does not exist in a choice",
    ),
    pytest.param(
        STEPS + '  - {set: {n: ["{{ 1 + }}"]}}\n',
        "7:24: {{ 1 + }}: a value is missing behind '+'",
        id="an expression that is none in a set",
    ),
    pytest.param(
        STEPS + "  - {if: true, then: [], else: [{use: zoom.get_meeting, with: {meeting_id: 1, connection: wrk}}]}\n",
        "7:91: there is no connection 'wrk' (did you mean 'work'?)",
        id="a connection that does not exist in a branch",
    ),
    pytest.param(
        STEPS + '  - {set: {to: "${NOTIFY:-x}"}}\n',
        "7:16: ${…} is for the 'with' of an action: what is decided here is stored, and secrets are not: leave it out,"
        " and write the variable where it is used",
        id="a variable in a set",
    ),
    pytest.param(
        STEPS + "  - {call: Fin}\n",
        "7:12: there is no workflow 'Fin' (did you mean 'Fine'?)",
        id="a call of a workflow that does not exist",
    ),
    pytest.param(
        STEPS + "  - for_each: [1]\n    do: [{call: Good}]\n",
        "8:17: this goes on for ever: 'Good' calls 'Good'",
        id="a workflow that calls itself",
    ),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_a_mistake_is_one_line_with_its_place_and_the_nearest_word(tmp_path: Path, text: str, words: str) -> None:
    write_home(tmp_path, connection(URL), bad=text, fine=GOOD.replace("Good", "Fine"))
    home = load_home(tmp_path, {})
    assert [str(problem) for problem in home.problems] == [f"config/workflows/bad.yaml:{words}"]
    assert list(home.workflows) == ["Fine"]
    assert [broken.file for broken in home.broken] == ["config/workflows/bad.yaml"]


def test_a_workflow_that_breaks_later_stays_as_it_was(tmp_path: Path) -> None:
    write_home(tmp_path, connection(URL), good=GOOD)
    first = load_home(tmp_path, {})
    write_home(tmp_path, connection(URL), good=GOOD.replace("steps:", "stebs:"))
    second = load_home(tmp_path, {}, previous=first)
    assert list(second.triggers) == list(first.triggers)
    assert second.problems


def test_the_interval_parameter_is_minutes_and_every_goes_before_it(tmp_path: Path) -> None:
    by_parameter = GOOD.replace("  every: 60s\n", "").replace("{user_id", "{interval: 2.5, user_id")
    write_home(tmp_path, connection(URL), good=GOOD, other=by_parameter.replace("Good", "Other"))
    found = load_home(tmp_path, {}).triggers.values()
    intervals = {t.workflow.name: t.schedule.every if t.schedule else None for t in found}
    assert {name: every and every.total_seconds() for name, every in intervals.items()} == {"Good": 60, "Other": 150}


def test_me_is_the_user_that_the_connection_names(tmp_path: Path) -> None:
    text = workflow("Mine", "zoom.new_meeting_created")
    write_home(tmp_path, connection(URL) + "  user: robin@example.org\n", mine=text)
    (trigger,) = load_home(tmp_path, {}).triggers.values()
    assert trigger.reader.parameters["user_id"] == "robin@example.org"


TWO = connection(URL) + connection(URL, "other").replace("plan: business", "shre: 1")


def test_a_broken_connection_is_not_silently_replaced_by_another(tmp_path: Path) -> None:
    home = load_home(write_home(tmp_path, TWO, good=GOOD), {})
    assert home.triggers == {}
    assert home.problems[-1].message == (
        "connection 'other' may be meant, and it cannot be used: say which, `connection: work`"
    )


def test_where_the_only_connection_is_broken_the_workflow_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    broken = connection(URL).replace("plan: business", "shre: 1")
    home = load_home(write_home(tmp_path, broken, good=GOOD), {})
    assert home.problems[-1].message.startswith(
        "the connection for Zoom, 'work', cannot be used: config/connections.yaml:4:3: unknown key 'shre'"
    )


@pytest.mark.parametrize("text", ["x: [", connection(URL).replace("plan: business", "shre: 1")])
def test_connections_that_break_later_stay_as_they_were(tmp_path: Path, text: str) -> None:
    first = load_home(write_home(tmp_path, connection(URL), good=GOOD), {})
    second = load_home(write_home(tmp_path, text, good=GOOD), {}, previous=first)
    assert list(second.triggers) == list(first.triggers)
    assert second.connections == first.connections
    assert [problem.file for problem in second.problems] == ["config/connections.yaml"]


def test_a_workflow_is_found_by_the_path_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = load_home(write_home(tmp_path, connection(URL), good=GOOD), {})
    monkeypatch.chdir(tmp_path)
    assert home.workflow("config/workflows/good.yaml") is home.workflow("./config/workflows/good.yaml")


def test_what_is_watched_makes_the_memory_and_what_only_tunes_does_not(tmp_path: Path) -> None:
    def mark(text: str) -> str:
        write_home(tmp_path, connection(URL), good=text)
        (trigger,) = load_home(tmp_path, {}).triggers.values()
        return trigger.fingerprint

    assert mark(GOOD) == mark(GOOD.replace("{user_id", "{page_size: 300, user_id")) == mark(GOOD.replace("60s", "5m"))
    assert mark(GOOD) != mark(GOOD.replace("a@", "b@"))


def test_a_workflow_is_found_by_name_and_by_file(tmp_path: Path) -> None:
    write_home(tmp_path, connection(URL), good=GOOD, bad=GOOD.replace("core.log", "core.lgo").replace("Good", "Bad"))
    home = load_home(tmp_path, {})
    assert home.workflow("Good") is home.workflow("good") is home.workflow("good.yaml")
    with pytest.raises(ConfigError, match="there is no action"):
        home.workflow("Bad")
    with pytest.raises(UsageError, match="did you mean 'Good'"):
        home.workflow("Goood")


def test_several_connections_for_one_api_must_be_told_apart(tmp_path: Path) -> None:
    write_home(tmp_path, connection(URL) + connection(URL, "second"), good=GOOD)
    (problem,) = load_home(tmp_path, {}).problems
    assert problem.message == "there are several connections for Zoom: say which, `connection: work`"


def calling(name: str, *targets: str) -> str:
    steps = "".join(f"  - {{call: {target}}}\n" for target in targets)
    return f"name: {name}\n" + STEPS.partition("\n")[2] + (steps or "  - {wait: 1s}\n")


def test_calls_that_come_back_are_refused_with_the_whole_chain_and_so_is_who_calls_them(tmp_path: Path) -> None:
    files = {"a": calling("A", "B"), "b": calling("B", "End", "C"), "c": calling("C", "A"), "d": calling("D", "A")}
    write_home(tmp_path, connection(URL), **files, end=calling("End"), fine=calling("Fine", "End"))
    home = load_home(tmp_path, {})
    assert [str(problem) for problem in home.problems] == [
        "config/workflows/a.yaml:7:12: this goes on for ever: 'A' calls 'B' calls 'C' calls 'A'",
        "config/workflows/b.yaml:8:12: this goes on for ever: 'B' calls 'C' calls 'A' calls 'B'",
        "config/workflows/c.yaml:7:12: this goes on for ever: 'C' calls 'A' calls 'B' calls 'C'",
        "config/workflows/d.yaml:7:12: the workflow 'A' cannot be used: see its problems",
    ]
    assert sorted(home.workflows) == ["End", "Fine"]
    assert {trigger.workflow.name for trigger in home.triggers.values()} == {"End", "Fine"}


def test_who_calls_a_workflow_that_breaks_later_goes_on_with_its_last_good_version(tmp_path: Path) -> None:
    write_home(tmp_path, connection(URL), a=calling("A", "End"), end=calling("End"))
    first = load_home(tmp_path, {})
    write_home(tmp_path, connection(URL), end=calling("End").replace("wait", "wiat"))
    second = load_home(tmp_path, {}, previous=first)
    assert sorted(second.workflows) == ["A", "End"]
    assert [problem.code for problem in second.problems] == ["unknown_key", "broken_workflow"]


UNKNOWN = [
    pytest.param(
        "steps: [{id: files, use: zoom.list_meetings}, {use: core.log, with: {message: '{{ steps.fiels.meetings }}'}}]",
        "6:83: there is no step 'fiels' before this one (did you mean 'files'?)",
        id="a step that does not exist",
    ),
    pytest.param(
        "steps: [{use: core.log, with: {message: '{{ steps.late.meetings }}'}}, {id: late, use: zoom.list_meetings}]",
        "6:45: step 'late' comes after this one, so it has no output yet",
        id="a step that comes later",
    ),
    pytest.param(
        "steps: [{for_each: '{{ event.changes }}', as: change, do: [{set: {x: '{{ chagne }}'}}]}]",
        "6:74: there is no name 'chagne' here (did you mean 'change'?)",
        id="a loop name that does not exist",
    ),
]


@pytest.mark.parametrize(("steps", "words"), UNKNOWN)
def test_a_name_that_cannot_be_there_is_found_before_anything_runs(tmp_path: Path, steps: str, words: str) -> None:
    text = GOOD.partition("steps:")[0] + steps + "\n"
    write_home(tmp_path, connection(URL), bad=text)
    assert [str(problem) for problem in load_home(tmp_path, {}).problems] == [f"config/workflows/bad.yaml:{words}"]


def test_what_steps_branches_loops_and_set_give_is_known_after_them(tmp_path: Path) -> None:
    steps = """steps:
  - set: {limit: 3}
  - id: found
    use: zoom.list_meetings
  - if: "{{ limit > 2 }}"
    then: [{id: inner, use: zoom.list_meetings}]
  - id: loop
    for_each: "{{ steps.found.meetings }}"
    do: [{use: core.log, with: {message: "{{ loop.index }} {{ item.topic }} {{ limit }}"}}]
  - use: core.log
    with: {message: "{{ steps.loop.count }} {{ steps.inner.meetings | default([]) }}"}
on_failure: [{use: core.log, with: {message: "{{ failure.message }} {{ steps.found }}"}}]
"""
    write_home(tmp_path, connection(URL), good=GOOD.partition("steps:")[0] + steps)
    home = load_home(tmp_path, {})
    assert (home.problems, home.warnings) == ([], [])


def test_what_may_happen_twice_is_a_warning_and_stops_nothing(tmp_path: Path) -> None:
    step = "steps: [{use: core.run_command, with: {command: [true]}, retry: {attempts: 3}}]\n"
    write_home(tmp_path, connection(URL), good=GOOD.partition("steps:")[0] + step)
    home = load_home(tmp_path, {})
    assert home.problems == []
    assert [warning.code for warning in home.warnings] == ["may_happen_twice"]
    assert list(home.workflows) == ["Good"]


def test_a_backfill_since_a_moment_that_no_item_tells_is_a_warning(tmp_path: Path) -> None:
    web = "web: {connector: http, base_url: 'https://api.example.com'}\n"
    first = "first_poll: {backfill: {since: 2026-11-01}}"
    undated = workflow("Undated", "http.new_item", "{path: /x}", first)
    dated = workflow("Dated", "http.new_item", "{path: /x, created_at: made}", first)
    home = load_home(write_home(tmp_path, web, undated=undated, dated=dated), {})
    assert home.problems == []
    assert [str(warning) for warning in home.warnings] == [
        "config/workflows/undated.yaml:6:15: nothing tells when an item was made, so `since` leaves none out: "
        "name the field in created_at"
    ]


def test_an_own_action_for_another_api_wants_the_connection_that_it_is_sent_through(tmp_path: Path) -> None:
    text = GOOD.replace("use: core.log", "use: http.add_note").replace('message: "{{ event.key }}"', "note: x")
    home = write_home(tmp_path, connection(URL), good=text)
    (home / "actions").mkdir(exist_ok=True)
    (home / "actions" / "http.yaml").write_text(
        "connector: http\nactions:\n  add_note: {title: T, description: D., parameters: {note: {}},"
        " request: {method: POST, path: /notes}}\n"
    )
    (told,) = [problem.message for problem in load_home(home).problems]
    assert told.startswith("there is no connection for ")
    (home / "config" / "connections.yaml").write_text(
        connection(URL) + "web: {connector: http, base_url: 'https://x.example'}\n"
    )
    assert load_home(home).problems == []


def test_a_plain_request_may_be_sent_through_any_connection(tmp_path: Path) -> None:
    request = "http.request, with: {connection: work, url: /users/me}"
    text = GOOD.replace('core.log, with: {message: "{{ event.key }}"}', request)
    assert request in text
    assert load_home(write_home(tmp_path, connection(URL), good=text)).problems == []
