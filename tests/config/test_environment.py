"""Variables, defaults and files fill `${…}`; what has no value says how to give it one."""

from pathlib import Path

import pytest

from changewire.config.environment import Environment, UnsetError, read_env_file
from changewire.errors import ConfigError
from changewire.secret import Secret, mask
from changewire.values import Json


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "pass").write_text("swordfish-9\n")
    (tmp_path / "latin").write_bytes(b"\xe4")
    variables = {"NAME": "Ada", "EMPTY": "", "NOTIFY_URL": "https://n.example", "MY_TOKEN": "tok-77-tok"}
    return Environment(variables, tmp_path)


EXPANDED = [
    ("plain", "plain"),
    ("${NAME}", "Ada"),
    ("<${NAME} ${NAME}>", "<Ada Ada>"),
    ("${EMPTY}", ""),
    ("${EMPTY:-x}", "x"),
    ("${OTHER:-}", ""),
    ("${OTHER:-a: b}", "a: b"),
    ("${NAME:-x}", "Ada"),
    ("${file:secrets/pass}", "swordfish-9"),
    ("$${NAME}", "${NAME}"),
    ("${{ payload.price }}", "${{ payload.price }}"),
    ("$NAME costs 5$", "$NAME costs 5$"),
    ("{{ payload.id }}", "{{ payload.id }}"),
]


@pytest.mark.parametrize(("text", "value"), EXPANDED)
def test_texts_are_filled_in(environment: Environment, text: str, value: str) -> None:
    assert environment.expand(text) == value


def test_values_are_not_expanded_again(tmp_path: Path) -> None:
    assert Environment({"A": "${B}", "B": "x"}, tmp_path).expand("${A}") == "${B}"


def test_an_absolute_path_names_a_file_anywhere(tmp_path: Path, environment: Environment) -> None:
    path = tmp_path / "secrets" / "pass"
    assert Environment({}, Path("/nowhere")).expand(f"${{file:{path}}}") == "swordfish-9"


UNSET = [
    (
        "${NOTIFY_URI}",
        "the variable NOTIFY_URI is not set: export it, write NOTIFY_URI=… into config/.env, "
        "or give a default, ${NOTIFY_URI:-…}",
        "NOTIFY_URL",
    ),
    ("${file:no}", "the file of ${file:no} cannot be read: no such file or directory", None),
    ("${file:secrets}", "the file of ${file:secrets} cannot be read: is a directory", None),
    ("${file:latin}", "the file of ${file:latin} cannot be read: it is not UTF-8 text", None),
    ("${NAME", "${NAME is no variable: write ${NAME}, or $${ for the characters themselves", None),
    ("${1x}", "${1x is no variable: write ${NAME}, or $${ for the characters themselves", None),
    ("${}", "${ is no variable: write ${NAME}, or $${ for the characters themselves", None),
]


@pytest.mark.parametrize(("text", "message", "suggestion"), UNSET)
def test_what_has_no_value_says_what_to_do(
    environment: Environment, text: str, message: str, suggestion: str | None
) -> None:
    with pytest.raises(UnsetError) as caught:
        environment.expand(text)
    assert (str(caught.value), caught.value.suggestion) == (message, suggestion)


DATA: Json = {"a": ["${NAME}", 1, None], "b": {"${NAME}": "x${OTHER:-y}"}, "c": "z"}


def test_data_is_expanded_as_plain_text(environment: Environment) -> None:
    found = environment.expand_data(DATA, secret=False)
    assert found == {"a": ["Ada", 1, None], "b": {"${NAME}": "xy"}, "c": "z"}
    assert DATA["a"][0] == "${NAME}"


def test_secret_data_hides_what_came_from_outside_and_nothing_else(environment: Environment) -> None:
    found = environment.expand_data(DATA, secret=True)
    assert found == {"a": [Secret("Ada"), 1, None], "b": {"${NAME}": "xy"}, "c": "z"}


def test_a_secret_in_a_longer_text_is_masked_alone_as_well(tmp_path: Path) -> None:
    environment = Environment({"WEBHOOK": "part-of-address"}, tmp_path)
    found = environment.expand_data("https://x.example/${WEBHOOK}", secret=True)
    assert found.reveal() == "https://x.example/part-of-address"
    assert mask("at part-of-address") == "at ***"


def test_plain_values_are_masked_where_their_name_says_secret(tmp_path: Path) -> None:
    variables = {"API_KEY": "kkkk-1111", "db_password": "pppp-2222", "CITY": "Heidelberg"}
    Environment(variables, tmp_path).expand_data("${API_KEY} ${db_password} ${CITY}", secret=False)
    assert mask("kkkk-1111 pppp-2222 Heidelberg") == "*** *** Heidelberg"


def test_a_secret_file_is_always_masked(environment: Environment) -> None:
    environment.expand("${file:secrets/pass}")
    assert mask("is swordfish-9") == "is ***"


def test_every_unset_text_is_found_with_its_path(environment: Environment) -> None:
    data = {"a": ["${NO}", "${NAME}", {"b": "${file:no}"}], "c": 5}
    assert [path for path, _ in environment.unset(data)] == [("a", 0), ("a", 2, "b")]


def test_an_environment_does_not_show_its_values(environment: Environment) -> None:
    assert "tok-77-tok" not in repr(environment)


ENV_FILE = """\
# comment
PLAIN=a b  # comment
HASH=a#b
  export EXPORTED = yes
EMPTY=
SINGLE='as it is \\n # ${X}'
DOUBLE="two\\nlines \\"quoted\\" \\\\"   # comment
PADDED="  x "
"""


def test_an_env_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(ENV_FILE)
    assert read_env_file(tmp_path / ".env", ".env") == {
        "PLAIN": "a b",
        "HASH": "a#b",
        "EXPORTED": "yes",
        "EMPTY": "",
        "SINGLE": "as it is \\n # ${X}",
        "DOUBLE": 'two\nlines "quoted" \\',
        "PADDED": "  x ",
    }


def test_a_malformed_env_file_tells_all_its_lines(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('A=1\nnonsense\nB=\'open\n2X=3\nC="x" y\n')
    with pytest.raises(ConfigError) as caught:
        read_env_file(tmp_path / ".env", "config/.env")
    assert str(caught.value).splitlines() == [
        "config/.env:2:1: this is not NAME=value",
        "config/.env:3:1: the quotation is never closed",
        "config/.env:4:1: this is not NAME=value",
        "config/.env:5:1: the quotation is never closed",
    ]


def test_the_process_goes_before_the_env_file(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / ".env").write_text("A=file\nB=file\n")
    environment = Environment.of_home(tmp_path, {"A": "process"})
    assert environment.expand("${A} ${B}") == "process file"


def test_without_arguments_it_is_the_environment_of_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHANGEWIRE_TEST_VALUE", "here")
    assert Environment.of_home(tmp_path).expand("${CHANGEWIRE_TEST_VALUE}") == "here"
