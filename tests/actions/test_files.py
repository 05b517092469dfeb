from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.actions.calling import check_inputs, perform
from changewire.actions.files import (
    place_below,
    safe_name,
    stored_file,
    strict_place,
    write_whole,
)
from changewire.errors import UsageError
from tests.actions.rig import Rig


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Weekly sync.mp4", "Weekly sync.mp4"),
        ("a/b\\c:d", "a_b_c_d"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "unnamed"),
        (".hidden", "hidden"),
        ("", "unnamed"),
        ("///", "unnamed"),
        ("CON.txt", "_CON.txt"),
        ("a\x00b\nc", "abc"),
        ("x\u202egpj.exe", "xgpj.exe"),
        ("ü" * 300 + ".mp4", "ü" * 88 + ".mp4"),
        ("end. ", "end"),
    ],
)
def test_a_name_is_safe_whatever_it_comes_from(text: str, name: str) -> None:
    assert safe_name(text) == name


@given(st.text(), st.text())
def test_a_place_never_leaves_its_folder(folder: str, name: str) -> None:
    root = Path("/somewhere/state/downloads")
    path = place_below(root, folder, name)
    assert root in path.parents
    assert ".." not in path.parts
    assert len(path.name.encode()) <= 200


def test_a_link_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "out").symlink_to(tmp_path)
    for place in (place_below, strict_place):
        with pytest.raises(UsageError, match="a link there points elsewhere"):
            place(tmp_path / "root", "out/x")


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "", ".", "a\0b"])
def test_a_written_path_must_stay_below(tmp_path: Path, path: str) -> None:
    with pytest.raises(UsageError, match="must be the path of a file below"):
        strict_place(tmp_path, path)


def test_a_file_is_written_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_whole(path, lambda file: file.write(b"old"))

    def fails(file: object) -> None:
        raise OSError

    with pytest.raises(OSError, match=r"^$"):
        write_whole(path, fails)
    assert path.read_bytes() == b"old"
    assert [one.name for one in path.parent.iterdir()] == ["file"]


def test_write_file_writes_text_and_data_below_the_state(rig: Rig) -> None:
    action = rig.action("core.write_file")

    def write(key: str, **given: object) -> object:
        return perform(action, check_inputs(action, given), rig.context(idempotency_key=key))

    assert write("1", path="a/b.txt", content="x\n") == {"path": "state/files/a/b.txt", "size": 2}
    write("2", path="a/b.txt", content={"n": 1})
    write("2", path="a/b.txt", content={"n": 1})
    assert (rig.home / "state/files/a/b.txt").read_text() == 'x\n{"n":1}\n'
    write("3", path="a/b.txt", content="new", mode="overwrite")
    assert (rig.home / "state/files/a/b.txt").read_text() == "new"
    with pytest.raises(UsageError, match="is a folder"):
        write("4", path="a", content="x")


def test_a_file_that_grows_too_large_is_put_aside(rig: Rig) -> None:
    action = rig.action("core.write_file")

    def write(key: str, content: str) -> None:
        given = {"path": "a.log", "content": content, "rotate_at": "10B", "keep": 2}
        perform(action, check_inputs(action, given), rig.context(idempotency_key=key))

    for number in range(1, 8):
        write(str(number), f"line-{number}\n")
        write(str(number), f"line-{number}\n")
    folder = rig.home / "state/files"
    assert {one.name: one.read_text() for one in folder.iterdir()} == {
        "a.log": "line-7\n",
        "a.log.1": "line-6\n",
        "a.log.2": "line-5\n",
    }
    write("5", "line-5\n")
    assert (folder / "a.log").read_text() == "line-7\n"
    write("8", "one that is longer than a whole file\n")
    write("9", "x\n")
    assert (folder / "a.log.1").read_text() == "one that is longer than a whole file\n"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rotate_at": "ten"}, "'ten' is not a size: write 64MB, 500KB, 1GiB or a number of bytes"),
        ({"rotate_at": "1MB", "mode": "overwrite"}, "rotate_at belongs to mode: append"),
    ],
)
def test_a_rotation_that_cannot_be_is_refused(rig: Rig, given: dict[str, str], message: str) -> None:
    action = rig.action("core.write_file")
    with pytest.raises((UsageError, ValueError), match=message):
        perform(action, check_inputs(action, {"path": "x", "content": "x"} | given), rig.context())


@pytest.mark.parametrize(
    "path", ["state/changewire.db", "../changewire.db", "/etc/passwd", "nix", "state/downloads/../x"]
)
def test_only_what_is_in_files_and_downloads_can_be_read(tmp_path: Path, path: str) -> None:
    (tmp_path / "state/downloads").mkdir(parents=True)
    (tmp_path / "state/changewire.db").touch()
    with pytest.raises(UsageError, match=r"there is no file|must be the path"):
        stored_file(tmp_path, path)


def test_files_and_downloads_are_named_as_outputs_name_them(tmp_path: Path) -> None:
    for name in ("files/a.txt", "downloads/Weekly sync/b.mp4"):
        (tmp_path / "state" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "state" / name).touch()
    assert (
        stored_file(tmp_path, "a.txt") == stored_file(tmp_path, "state/files/a.txt") == tmp_path / "state/files/a.txt"
    )
    assert stored_file(tmp_path, "state/downloads/Weekly sync/b.mp4").name == "b.mp4"


@pytest.mark.parametrize("link", ["x", "y/../x", "x/below"])
def test_a_link_that_leads_to_itself_is_refused(tmp_path: Path, link: str) -> None:
    (tmp_path / "y").mkdir()
    (tmp_path / "x").symlink_to("x")
    (tmp_path / "z").symlink_to(link)
    with pytest.raises(UsageError, match="leads in a circle"):
        strict_place(tmp_path, "z")


def test_a_named_pipe_is_neither_written_nor_read(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "files"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "x")
    (folder / "link").symlink_to("x")
    for name in ("x", "link"):
        with pytest.raises(UsageError, match="is a pipe, a socket or a device"):
            strict_place(folder, name)
        with pytest.raises(UsageError, match="is a pipe, a socket or a device"):
            stored_file(tmp_path, name)
