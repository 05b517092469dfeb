"""A database that is damaged or gone: every command says in one sentence what is wrong and what to do."""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from click.testing import Result

from changewire.state.lock import LOCK, HomeLock
from tests.cli.rig import changewire

PAGE = 4096
READING = [
    *(("status",), ("events",), ("runs",), ("explain", "Meetings"), ("explain", "Details")),
    *(("runs", "RUN"), ("explain", "RUN"), ("explain", "EVENT"), ("backup", "COPY"), ("test", "Meetings")),
]
READING += [(*words, "--json") for words in READING]
WRITING = [
    *(("prune",), ("pause", "Meetings"), ("resume", "Meetings"), ("reset", "Meetings", "--yes"), ("cancel", "RUN")),
    *(("replay", "EVENT"), ("resume", "RUN"), ("call", "core.emit", "name=a", "payload:={}")),
]
SENTENCE = re.compile(r"The database \S+changewire\.db \w.+\.$")
Damage = Callable[[Path], object]


def flipped(seed: int) -> Damage:
    """Some bits in all places, or many in one page."""

    def damage(path: Path) -> None:
        chance, data = random.Random(seed), bytearray(path.read_bytes())
        first = chance.randrange(len(data) // PAGE) * PAGE
        places = range(len(data)) if seed % 2 else range(first, first + PAGE)
        for _ in range(chance.choice([3, 30, 300])):
            data[chance.choice(places)] ^= 1 << chance.randrange(8)
        path.write_bytes(data)

    return damage


def zeroed(seed: int) -> Damage:
    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(random.Random(seed).randrange(path.stat().st_size // PAGE) * PAGE)
            file.write(bytes(PAGE))

    return damage


def cut(seed: int) -> Damage:
    return lambda path: os.truncate(path, random.Random(seed).randrange(1, path.stat().st_size))


def changed(*statements: str) -> Damage:
    def damage(path: Path) -> None:
        with closing(sqlite3.connect(path)) as database:
            database.executescript(";".join(statements))

    return damage


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def other_log(path: Path) -> None:
    """A backup, beside the write-ahead log of another database."""
    changed("PRAGMA journal_mode = DELETE")(path)
    with closing(sqlite3.connect(path.with_name("other.db"))) as other:
        other.executescript("PRAGMA journal_mode = WAL; CREATE TABLE a (b); INSERT INTO a VALUES (1)")
        path.with_name(f"{path.name}-wal").write_bytes(path.with_name("other.db-wal").read_bytes())


CERTAIN: dict[str, Damage] = {  # to be seen by every command that reads
    "text": lambda path: path.write_text("this is no database, whatever it may be\n" * 40),
    "empty": lambda path: os.truncate(path, 0),
    "header": lambda path: os.truncate(path, 100),
    "folder": folder,
    "newer": changed("UPDATE _sqlite_migrations SET name = '9999_later' WHERE name LIKE '0001%'"),
    "no tables": changed("PRAGMA writable_schema = 1", "DELETE FROM sqlite_master"),
    "another log": other_log,
    "another program's": changed("DROP TABLE _sqlite_migrations"),
}
POSSIBLE: dict[str, Damage] = {
    "moment": changed("UPDATE events SET detected_at = 'soon'", "UPDATE runs SET created_at = ''"),
    "blob": changed("UPDATE events SET payload = x'ff00'", "UPDATE runs SET created_at = x'c3'"),
    "state": changed("UPDATE runs SET state = 'patsed'", "UPDATE triggers SET state = 'wlel'"),
    "number": changed("UPDATE triggers SET next_due = 5, cursor = 7", "UPDATE daemon SET info = 1"),
    "json": changed("UPDATE triggers SET cursor = '{'", "UPDATE events SET changes = '[}'"),
    "a table gone": changed("DROP TABLE attempts"),
    "a column gone": changed("ALTER TABLE daemon RENAME COLUMN info TO inof"),
    **{f"flipped {seed}": flipped(seed) for seed in range(8)},
    **{f"zeroed {seed}": zeroed(seed) for seed in range(5)},
    **{f"cut {seed}": cut(seed) for seed in range(8)},
}


@pytest.fixture
def home(watched: Path, tmp_path: Path) -> Path:
    found = tmp_path / "home"
    shutil.copytree(watched, found)
    return found


@pytest.fixture(scope="session")
def names(watched: Path) -> dict[str, str]:
    with closing(sqlite3.connect(watched / "state/changewire.db")) as database:
        found = {"EVENT": "SELECT id FROM events", "RUN": "SELECT id FROM runs"}
        return {word: database.execute(query).fetchone()[0] for word, query in found.items()}


def results(home: Path, names: dict[str, str], commands: list[tuple[str, ...]]) -> Iterator[tuple[str, Result]]:
    for words in commands:
        copy = home.parent / "copy.db"
        copy.unlink(missing_ok=True)
        yield (
            " ".join(words),
            changewire(*(names.get(word, word).replace("COPY", str(copy)) for word in words), "--home", home),
        )


def check(words: str, result: Result) -> None:
    """Never a fault of ours; a value that is another valid one, such as an id, may well be a sentence of its own."""
    assert result.exit_code in (0, 1, 2, 3), (words, result.output)
    assert "a fault in" not in result.output, (words, result.output)
    assert "Traceback" not in result.output, (words, result.output)
    assert result.exit_code in (0, 3) or result.stderr, (words, result.output)


def check_certain(words: str, result: Result) -> None:
    """One sentence for the person who must act, and nothing else on stdout."""
    assert (words, result.exit_code, result.stdout) == (words, 1, "")
    told = [line for line in result.stderr.splitlines() if line.startswith("The database")]
    assert len(told) == 1, (words, result.output)
    assert SENTENCE.match(told[0]), told


@pytest.mark.parametrize("damage", [*CERTAIN, *POSSIBLE])
def test_a_damaged_database_is_one_sentence_in_every_command(damage: str, home: Path, names: dict[str, str]) -> None:
    path = home / "state/changewire.db"
    (CERTAIN | POSSIBLE)[damage](path)
    before = path.read_bytes() if path.is_file() else None
    for words, result in results(home, names, READING):
        check(words, result)
        if damage in CERTAIN and (damage, words.split()[0]) != ("newer", "backup"):
            check_certain(words, result)
    assert (path.read_bytes() if path.is_file() else None) == before
    for words, result in results(home, names, [*WRITING, *([("run",)] if damage in CERTAIN else [])]):
        check(words, result)
        if damage in CERTAIN:
            check_certain(words, result)


def test_a_database_that_is_gone_under_a_daemon_is_no_empty_home(home: Path, names: dict[str, str]) -> None:
    path = home / "state/changewire.db"
    path.unlink()
    with HomeLock(home / LOCK):
        for words, result in results(home, names, [*READING, *WRITING]):
            if not words.startswith("resume Meetings"):  # which looks at the files first
                assert (words, result.exit_code, result.stdout) == (words, 1, "")
                assert (
                    f"The database {path} is gone, while a daemon (process {os.getpid()}) works in this home: end it, "
                    in (result.stderr)
                )
        assert not path.exists()
    result = changewire("status", "--home", home)
    assert "is gone" not in result.stderr
    assert changewire("pause", "Meetings", "--home", home).exit_code == 0


@pytest.mark.torture
@pytest.mark.parametrize("kind", [flipped, zeroed, cut])
def test_no_damage_is_a_fault_of_ours(kind: Callable[[int], Damage], home: Path, names: dict[str, str]) -> None:
    path = home / "state/changewire.db"
    whole = path.read_bytes()
    for seed in range(100, 400):
        for words, result in results(home, names, READING[: len(READING) // 2]):
            with suppress(FileNotFoundError):
                path.with_name(f"{path.name}-wal").unlink()
            path.write_bytes(whole)
            kind(seed)(path)
            check(words, result)


@pytest.mark.parametrize(
    "place", ["state/tokens", "state", "triggers", "actions", "config/workflows/meetings.yaml", "."]
)
def test_a_link_in_a_circle_is_a_sentence(place: str, home: Path, names: dict[str, str]) -> None:
    path = home / place
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(path)
    commands = [("status",), ("validate",), ("catalog", "core"), ("test", "Meetings"), ("call", "core.emit", "name=a")]
    for words, result in results(home, names, [*commands, ("check",)]):
        check(words, result)
