from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from changewire.actions.calling import check_inputs
from changewire.actions.definition import check_parameters
from changewire.actions.loading import checkout_actions, installed_actions, load_actions
from changewire.actions.sending import build_request
from changewire.connectors.definition import load_connector
from changewire.parameters import Parameter
from changewire.values import Json
from tests.actions.rig import BUILT_IN

ACTIONS, PROBLEMS = load_actions([BUILT_IN])
ACTION = "title: T, description: D., idempotency: natural"
REQUEST = "request: {path: /x}"


def test_the_built_in_actions_load() -> None:
    assert PROBLEMS == []
    assert [name for name in sorted(ACTIONS) if not name.startswith("zoom.")] == [
        "core.csv",
        "core.email",
        "core.emit",
        "core.log",
        "core.notify",
        "core.run_command",
        "core.sqlite",
        "core.write_file",
        "http.request",
    ]


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_each_action_is_documented_and_has_a_known_label(name: str) -> None:
    action = ACTIONS[name]
    assert action.spec.title
    assert action.spec.description.endswith(".")
    assert all(parameter.description for parameter in action.parameters.values())
    writes = action.spec.request is not None and action.spec.request.method != "GET"
    assert action.spec.output or writes, "what is read has fields to tell of"
    assert not action.spec.output or set(action.spec.sample) & set(action.spec.output)
    assert not action.spec.complete or set(action.spec.sample) == set(action.spec.output)
    rates = load_connector(action.connector).rates
    assert any(action.spec.label in labels for labels in rates.values()) or action.spec.request is None


MOMENT = "2026-11-21T10:00:00Z"
PLAIN: dict[str, Json] = {"object": {}, "boolean": True, "date": MOMENT[:10], "date-time": MOMENT}


def plain(parameter: Parameter) -> Json:
    """Some value that fits."""
    if parameter.type == "list":
        fields = parameter.entries.fields or {} if parameter.entries else {}
        return [{name: plain(field) for name, field in fields.items() if field.required}]
    return parameter.enum[0] if parameter.enum else PLAIN.get(parameter.type, "1")


@pytest.mark.parametrize("name", sorted(name for name, action in ACTIONS.items() if action.spec.request))
def test_each_request_can_be_built_from_what_is_required(name: str) -> None:
    action = ACTIONS[name]
    given = {name: plain(parameter) for name, parameter in action.parameters.items() if parameter.required}
    request = build_request(action, check_inputs(action, given))
    assert "{" not in request.path
    assert all(value for _, value in request.query)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            f"connector: zom\nactions: {{a: {{{ACTION}, {REQUEST}}}}}",
            ["actions/zoom.yaml:1:12: there is no connector 'zom'; known are core, http, zoom (did you mean 'zoom'?)"],
        ),
        (
            f"connector: core\nactions: {{a: {{{ACTION}, {REQUEST}}}}}",
            ["actions/zoom.yaml:1:12: actions of core belong in core.yaml or the folder core/"],
        ),
        (
            f"connector: zoom\nactions:\n  a: {{{ACTION}, request: {{path: '/x/{{idd}}'}}, parameters: {{id: {{}}}}}}",
            [
                "actions/zoom.yaml:3:72: the path asks for 'idd', which is no parameter of this action"
                " (did you mean 'id'?)"
            ],
        ),
        (
            f"connector: zoom\nactions:\n  a: {{{ACTION}, request: {{path: /x, query: {{q: '{{{{ a b }}}}'}}}}}}",
            ["actions/zoom.yaml:3:93: {{ a b }}: an operator is missing between 'a' and 'b', such as ~ to join them"],
        ),
        (
            f"connector: zoom\nactions:\n  a: {{{ACTION}, request: {{path: x}}}}",
            ["actions/zoom.yaml:3:72: 'path': a path begins with /"],
        ),
        (
            f"connector: zoom\nactions:\n  a: {{{ACTION}, code: downlod}}",
            [
                "actions/zoom.yaml:3:62: there is no function 'downlod' in zoom.py beside this file"
                " (did you mean 'download'?)"
            ],
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_place(tmp_path: Path, text: str, problems: list[str]) -> None:
    folder = tmp_path / "actions"
    folder.mkdir()
    (folder / "zoom.yaml").write_text(text)
    (folder / "zoom.py").write_text("def download(context, values):\n    return None\n")
    found, told = load_actions([folder])
    assert found == {}
    assert [str(problem) for problem in told] == problems


@pytest.mark.parametrize(
    "entry", [f"{{{ACTION}}}", f"{{{ACTION}, {REQUEST}, code: x}}", "{title: T, description: D, code: x}", "{}"]
)
def test_an_entry_that_cannot_be_is_refused(tmp_path: Path, entry: str) -> None:
    (tmp_path / "zoom.yaml").write_text(f"connector: zoom\nactions: {{a: {entry}}}")
    found, told = load_actions([tmp_path])
    assert found == {}
    assert told


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import nothing_like_this\n", "imports 'nothing_like_this', which is not installed here"),
        ("x = 1\ndef a(\n", "is no Python in line 2: '(' was never closed"),
        ("1 / 0\n", "fails when it is loaded (ZeroDivisionError: division by zero)"),
        ("raise SystemExit(3)\n", "fails when it is loaded (SystemExit: 3)"),
        ("raise KeyboardInterrupt\n", "fails when it is loaded (KeyboardInterrupt: )"),
        ("import os\nos._exit(3)\n", "ended its process when it was loaded (exit code 3)"),
        ("import os\nos.abort()\n", "ended its process when it was loaded (exit code -6)"),
    ],
)
def test_broken_code_is_a_problem_of_its_file(tmp_path: Path, code: str, words: str) -> None:
    (tmp_path / "zoom.yaml").write_text(f"connector: zoom\nactions: {{a: {{{ACTION}, code: x}}}}")
    (tmp_path / "zoom.py").write_text(code)
    _, told = load_actions([tmp_path])
    assert [problem.message for problem in told] == [f"zoom.py beside this file {words}"]


def test_actions_that_are_read_when_they_are_asked_for_are_the_same() -> None:
    for found in (installed_actions({}, BUILT_IN), checkout_actions(BUILT_IN)):
        assert found is not None
        assert {name: replace(one, run=None) for name, one in found.items()} == {
            name: replace(one, run=None) for name, one in ACTIONS.items()
        }
        assert [name for name in found if found[name].run] == [name for name in found if ACTIONS[name].run]
        assert found["zoom.CREATE_MEETING"].name == "zoom.create_meeting"
        assert "zoom.not_there" not in found


def test_code_is_loaded_when_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "zoom.yaml").write_text(f"connector: zoom\nactions:\n  a: {{{ACTION}, code: x}}\n")
    (tmp_path / "zoom.py").write_text("def x(context, values):\n    return values['n'] + 1\n")
    found = checkout_actions(tmp_path)
    assert found is not None
    run = found["zoom.a"].run
    assert run is not None
    assert run(None, {"n": 1}) == 2  # type: ignore[arg-type]


def test_an_action_with_problems_is_not_there_and_the_others_are(tmp_path: Path) -> None:
    (tmp_path / "zoom.yaml").write_text(f"connector: zoom\nactions:\n  a: {{{ACTION}, {REQUEST}}}\n")
    (tmp_path / "http.yaml").write_text("connector: http\nactions:\n  b: {title: T, description: D}\n")
    found = checkout_actions(tmp_path)
    assert found is not None
    assert (list(found), "http.b" in found, found.get("http.b")) == (["zoom.a"], False, None)


@pytest.mark.parametrize(
    "text",
    [
        "connector: zoom\nactions: {b: {}}\n",
        "connector: zoom\nactions:\n    b: {}\n",
        "connector: zoom\nactions:\n  'b': {}\n",
        "connector: zoom\nactions:\n  a: {}\n",
        "connector: zoom\nactions:\n  b: {}\nmore:\n  c: {}\n",
    ],
)
def test_where_a_file_does_not_say_plainly_what_it_holds_all_have_to_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "zoom.yaml").write_text("connector: zoom\nactions:\n  a: {}\n")
    assert checkout_actions(tmp_path) is not None
    (tmp_path / "zoom").mkdir()
    (tmp_path / "zoom" / "more.yaml").write_text(text)
    assert checkout_actions(tmp_path) is None


def test_the_earlier_folder_counts_and_doubles_in_one_are_a_problem(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "zoom").mkdir(parents=True)
    text = f"connector: zoom\nactions: {{get_meeting: {{{ACTION}, request: {{path: /mine}}}}}}"
    (mine / "zoom.yaml").write_text(text)
    found, told = load_actions([mine, BUILT_IN, BUILT_IN, tmp_path / "none"])
    assert told == []
    assert found["zoom.get_meeting"].file == "mine/zoom.yaml"
    (mine / "zoom" / "more.yaml").write_text(text)
    _, told = load_actions([mine])
    assert [str(problem) for problem in told] == [
        "mine/zoom/more.yaml:2:11: zoom.get_meeting is also in mine/zoom.yaml: give one of the two another name"
    ]


def test_parameters_are_checked_as_they_are_written() -> None:
    action = ACTIONS["zoom.list_meetings"]
    assert check_parameters(action, {"page_size": "{{ payload.n }}", "connection": "work", "all_pages": False}) == []
    told = check_parameters(action, {"page_size": 900, "page_sice": 1, "type": "livee"})
    assert [(p.path, p.code, p.suggestion) for p in told] == [
        (("page_sice",), "unknown_parameter", "page_size"),
        (("type",), "wrong_value", "live"),
        (("page_size",), "wrong_value", None),
    ]


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass\n",
        "import time\ntime.sleep(1000)\n",
        "import re\nre.match('(a+)+$', 'a' * 60 + 'b')\n",
        "import subprocess\nsubprocess.run(['sleep', '1000'])\n",
    ],
)
def test_code_that_never_ends_when_it_is_loaded_is_a_problem_of_its_file(
    tmp_path: Path, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("changewire.actions.processes.inspection.LOAD_WITHIN_S", 2.0)
    (tmp_path / "zoom.yaml").write_text(f"connector: zoom\nactions: {{a: {{{ACTION}, code: x}}}}")
    (tmp_path / "zoom.py").write_text(code)
    _, told = load_actions([tmp_path])
    assert [problem.message for problem in told] == ["zoom.py beside this file was not loaded within 2 seconds"]


def test_what_code_prints_when_it_is_loaded_changes_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "zoom.yaml").write_text(f"connector: zoom\nactions: {{a: {{{ACTION}, code: x}}}}")
    (tmp_path / "zoom.py").write_text("print('{\"names\": []}')\ndef x(context, values):\n    return 1\n")
    found, told = load_actions([tmp_path])
    assert (list(found), told) == (["zoom.a"], [])
    assert capfd.readouterr().out == ""
