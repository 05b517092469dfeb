"""Documents know where their values stand, and files that cannot be read say why."""

from pathlib import Path

import pytest

from changewire.config.yaml_files import Document, parse_yaml, read_yaml
from changewire.errors import ConfigError, Problem
from changewire.secret import Secret

TEXT = """\
name: Recording ready
trigger:
  type: zoom.x
  with: {meeting_id: "1", other: [a, b]}
steps:
  - use: core.log
    with:
      message: hi
  -   use: core.log
empty:
"""

PLACES: list[tuple[list[str | int], bool, tuple[int, int]]] = [
    ([], False, (1, 1)),
    (["name"], False, (1, 7)),
    (["name"], True, (1, 1)),
    (["trigger"], True, (2, 1)),
    (["trigger"], False, (3, 3)),
    (["trigger", "with", "other", 1], False, (4, 38)),
    (["trigger", "with", "meeting_id"], True, (4, 10)),
    (["trigger", "evry"], True, (3, 3)),  # absent: the mapping it is missing from
    (["steps", 0, "with", "message"], False, (8, 16)),
    (["steps", 1], False, (9, 7)),
    (["steps", 7, "use"], False, (6, 3)),
    (["name", "deeper"], False, (1, 7)),
    (["empty"], False, (10, 7)),
]


@pytest.fixture
def document() -> Document:
    return parse_yaml(TEXT, "f.yaml")


@pytest.mark.parametrize(("path", "key", "place"), PLACES)
def test_each_value_and_key_knows_its_place(
    document: Document, path: list[str | int], key: bool, place: tuple[int, int]
) -> None:
    assert document.where(path, key) == place


def test_the_place_of_anything_in_an_empty_file_is_its_beginning() -> None:
    assert parse_yaml("", "f.yaml").where(["name"]) == (1, 1)


def test_a_repeated_anchor_stands_where_it_was_written() -> None:
    assert parse_yaml("a: &x {b: 1}\nc: *x", "f.yaml").where(["c", "b"]) == (1, 11)


def test_columns_count_characters() -> None:
    assert parse_yaml("{ä€😀: 1, b: 2}", "f.yaml").where(["b"]) == (1, 13)


def test_a_problem_stands_at_its_place_and_shows_no_secret(document: Document) -> None:
    Secret("hunter22hunter")
    problem = document.problem(["name"], "wrong_value", "'hunter22hunter' is wrong", "right", key=True)
    assert problem == Problem("f.yaml", 1, 1, "wrong_value", "'***' is wrong", "right")


def test_a_file_is_read_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: \xc3\xa4\r\nb: 1\r\n")
    document = read_yaml(path, "config/a.yaml")
    assert document.data == {"name": "ä", "b": 1}
    assert document.where(["b"]) == (2, 4)
    assert (document.path, document.shown) == (path, "config/a.yaml")
    assert read_yaml(path).shown == str(path)


UNREADABLE = [
    (b"a: 1\nb: \xe4\xf6", "f.yaml:2:4: this is not UTF-8 text: save the file with the encoding UTF-8"),
    (b"#" * (1024 * 1024 + 1), "f.yaml: is larger than 1 MiB: split it"),
]


@pytest.mark.parametrize(("raw", "message"), UNREADABLE, ids=["not UTF-8", "too large"])
def test_an_unreadable_file_says_why(tmp_path: Path, raw: bytes, message: str) -> None:
    (tmp_path / "f.yaml").write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        read_yaml(tmp_path / "f.yaml", "f.yaml")
    assert str(caught.value) == message


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_yaml(tmp_path / "f.yaml", "f.yaml")
    assert str(caught.value) == "f.yaml: cannot be read: no such file or directory"
