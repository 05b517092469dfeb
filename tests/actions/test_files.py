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


@pytest.mark.parametrize(
    "path",
    [
        *(
            "a\nb",
            "a\x1b[2J.csv",
            "a\tb",
            "a\x85b",
            "in\u202efdp.exe",
            "x\u200b.csv",
            "\ufeffx",
            "a\u2028/b",
            "a\ud800b",
        ),
        *("n" * 300, f"{'ü' * 120}.csv", f"a/{'b' * 240}/c"),
    ],
    ids=ascii,
)
def test_a_written_path_has_no_name_that_cannot_be_seen_or_stored(tmp_path: Path, path: str) -> None:
    with pytest.raises(UsageError, match=r"characters that a file name must not have|is too long"):
        strict_place(tmp_path, path)


def test_the_longest_name_can_be_written_appended_and_put_aside(rig: Rig) -> None:
    action, path = rig.action("core.write_file"), f"{'n' * 226}.txt"
    for key, mode in (("1", "overwrite"), ("2", "append"), ("3", "append")):
        given: dict[str, object] = {"path": path, "content": "x" * 100, "mode": mode}
        given |= {"rotate_at": 150} if mode == "append" else {}
        perform(action, check_inputs(action, given), rig.context(idempotency_key=key))
    assert {file.name for file in (rig.home / "state/files").iterdir()} == {path, f"{path}.1", f"{path}.2"}


@pytest.mark.parametrize(
    ("umask", "file_mode", "folder_mode"), [(0o022, 0o600, 0o700), (0, 0o600, 0o700), (0o277, 0o400, 0o500)]
)
def test_what_is_made_is_private_and_what_was_shared_stays_so(
    rig: Rig, umask: int, file_mode: int, folder_mode: int
) -> None:
    def do(name: str, key: str, **given: object) -> None:
        action = rig.action(name)
        perform(action, check_inputs(action, given), rig.context(idempotency_key=key))

    old = os.umask(umask)
    try:
        do("core.write_file", "1", path="a.log", content="x", mode="append")
        do("core.csv", "2", path="b.csv", rows={"id": 1})
        do("core.write_file", "3", path="c.txt", content="x")
        if umask != 0o277:
            do("core.write_file", "4", path="deep/er/d.log", content="x", mode="append")
            do("core.sqlite", "5", table="m", rows={"id": 1})
    finally:
        os.umask(old)
    made = [path for part in ("files", "appended", "tables") for path in (rig.home / "state" / part).rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in made if path.is_file()} <= {file_mode, 0o600}
    assert {path.stat().st_mode & 0o777 for path in made if path.is_dir()} <= {folder_mode}
    for name, mode in (("a.log", "append"), ("c.txt", "overwrite")):
        (rig.home / "state/files" / name).chmod(0o644)
        do("core.write_file", f"again {name}", path=name, content="y", mode=mode)
        assert (rig.home / "state/files" / name).stat().st_mode & 0o777 == 0o644


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
