"""What is appended is there once, whatever came between two attempts to append it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from changewire.actions.append import Rotation, append_once

MANY = 5000  # more keys than are searched each time


def test_an_append_that_is_done_again_is_there_once(tmp_path: Path) -> None:
    path, notes = tmp_path / "out", tmp_path / "notes"
    assert append_once(path, b"one\n", "k1", notes)
    assert append_once(path, b"two\n", "k2", notes)
    assert not append_once(path, b"one\n", "k1", notes)
    assert path.read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize("cut", [4, 6])
def test_an_append_that_was_cut_off_is_taken_back_and_done_again(tmp_path: Path, cut: int) -> None:
    path, notes = tmp_path / "out", tmp_path / "notes"
    append_once(path, b"one\n", "k1", notes)
    append_once(path, b"two\n", "k2", notes)
    path.write_bytes(path.read_bytes()[:cut])
    assert append_once(path, b"three\n", "k3", notes)
    assert append_once(path, b"two\n", "k2", notes)
    assert path.read_bytes() == b"one\nthree\ntwo\n"


def test_many_may_append_at_once(tmp_path: Path) -> None:
    path, notes = tmp_path / "out", tmp_path / "notes"

    def work(name: int) -> None:
        for n in range(5):
            append_once(path, f"{name}-{n}\n".encode(), f"{name}-{n}", notes)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.read_text().split()) == sorted(f"{a}-{b}" for a in range(6) for b in range(5))


def test_a_rotation_that_was_cut_off_goes_on_at_the_gap(tmp_path: Path) -> None:
    path, notes = tmp_path / "out", tmp_path / "notes"
    for number in (1, 2, 3):
        append_once(path, b"%d\n" % number, str(number), notes, Rotation(1, 3))
    assert [(tmp_path / f"out.{n}").read_text() for n in (1, 2)] == ["2\n", "1\n"]
    (tmp_path / "out.1").rename(tmp_path / "out.keep")
    append_once(path, b"4\n", "4", notes, Rotation(1, 3))
    assert [(tmp_path / f"out.{n}").read_text() for n in (1, 2)] == ["3\n", "1\n"]


def test_a_key_is_known_however_many_others_were_appended_after_it(tmp_path: Path) -> None:
    path, notes = tmp_path / "out", tmp_path / "notes"
    assert append_once(path, b"first\n", "first", notes)
    with notes.open("ab") as file:
        file.writelines(b"key_%032d\t6\t0\n" % number for number in range(MANY))
    assert not append_once(path, b"first\n", "first", notes)
    assert path.read_bytes() == b"first\n"


def test_a_key_is_known_as_long_as_what_it_wrote_is_kept(tmp_path: Path) -> None:
    path, notes = tmp_path / "out", tmp_path / "notes"
    for number in range(4):
        assert append_once(path, b"%d\n" % number, str(number), notes, Rotation(1, 2))
    assert [(tmp_path / f"out.{n}").read_text() for n in (1, 2)] == ["2\n", "1\n"]
    assert not append_once(path, b"1\n", "1", notes, Rotation(1, 2))
    assert len(list(tmp_path.glob("notes*"))) == 4, "its notes do not grow for ever: these, two put aside, and the lock"


def test_a_rotation_that_was_cut_off_between_its_notes_and_the_file_appends_nothing_twice(tmp_path: Path) -> None:
    path, notes = tmp_path / "out", tmp_path / "notes"
    append_once(path, b"1\n", "1", notes)
    notes.rename(tmp_path / "notes.1")  # the process ended here
    assert append_once(path, b"2\n", "2", notes, Rotation(1, 2))
    assert not append_once(path, b"1\n", "1", notes, Rotation(1, 2))
    assert (path.read_text(), (tmp_path / "out.1").read_text()) == ("2\n", "1\n")


def test_a_note_that_was_cut_off_is_removed(tmp_path: Path) -> None:
    path, notes = tmp_path / "out", tmp_path / "notes"
    append_once(path, b"1\n", "1", notes)
    with notes.open("ab") as file:
        file.write(b"2\t2")  # the process ended here
    assert append_once(path, b"2\n", "2", notes)
    assert (path.read_text(), notes.read_text()) == ("1\n2\n", "1\t0\t2\n2\t2\t2\n")


def test_a_file_that_another_program_emptied_begins_new_notes(tmp_path: Path) -> None:
    path, notes = tmp_path / "out", tmp_path / "notes"
    for number in range(3):
        append_once(path, b"%d\n" % number, str(number), notes)
    path.write_bytes(b"")
    assert append_once(path, b"3\n", "3", notes)
    assert not append_once(path, b"1\n", "1", notes), "it was appended once, whoever removed it"
    assert notes.read_text() == "3\t0\t2\n"


def test_the_notes_of_an_earlier_version_are_taken_over(tmp_path: Path) -> None:
    path, notes = tmp_path / "out", tmp_path / "notes"
    path.write_bytes(b"b\n")
    notes.write_text('[["a",-1,0],["b",0,2]]')
    assert not append_once(path, b"a\n", "a", notes)
    assert not append_once(path, b"b\n", "b", notes)
    assert append_once(path, b"c\n", "c", notes)
    assert path.read_text() == "b\nc\n"


def test_what_is_made_is_readable_by_its_owner_alone_and_what_is_there_keeps_its_mode(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        append_once(tmp_path / "out", b"one\n", "k1", tmp_path / "notes")
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        (tmp_path / "out").chmod(0o644)
        append_once(tmp_path / "out", b"two\n", "k2", tmp_path / "notes", Rotation(5, 2))
    finally:
        os.umask(before)
    assert modes == {"out": 0o600, "notes": 0o600, "notes.lock": 0o600}
    assert (tmp_path / "out.1").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600
