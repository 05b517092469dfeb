"""Forty secrets, echoed by a server in every spelling, are in nothing that the real program stores, logs or prints."""

from __future__ import annotations

import html
import json
import sqlite3
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ahocorasick_rs import AhoCorasick

from changewire.values import dumps
from tests.cli.rig import program
from tests.spelled import SPELLINGS
from tests.support.homes import make_home
from tests.support.json_api import JsonApi
from tests.support.processes import DaemonProcess, ask, baselines, wait_for

UNUSED = [f"env{n}/unused+{n * 7919:x}==&<{n}>" for n in range(18)]
NAMED = [f"named pass {n} & more" for n in range(4)]
USED = [f"used-{n}-{n * 104729:x}-Zq" for n in range(6)]
IN_FILES = [f"file_{n}_{n * 15485863:x}%41" for n in range(1, 4)]
OF_CONNECTIONS = [
    "bearer/tok3n+abc==",
    'pass"word\\with<odd>&chars',
    "api-key-9f8e7d6c5b",
    "query=key&7a6b5c4d",
    "pässwörd-€-12345",
]
IN_ADDRESSES = ["1234567:AAFx9-secretpath", "p@ss:w0rd/in-url", "hookT0ken99", "t0ken-in-a-query-77"]
SECRETS = [*UNUSED, *NAMED, *USED, *IN_FILES, *OF_CONNECTIONS, *IN_ADDRESSES]


class Echo(JsonApi):
    """Serves rows, some of them at ``/echo``, and refuses ``/fail`` with an answer that repeats them."""

    def few(self) -> list[dict[str, Any]]:
        """A row of each kind of secret."""
        return self.rows[::9]

    def answer(self, target: str) -> tuple[int, bytes, str]:
        if "/fail" in target:
            return 422, dumps({"message": self.few(), "echo": self.few()}), "good"
        if "/echo" in target:
            return 200, dumps({"rows": self.few(), "asked": target}), "good"
        return super().answer(f"/rows{target.partition('/rows')[2]}" if "/rows" in target else target)


def steps() -> list[dict[str, Any]]:
    request = {"use": "http.request", "with": {"url": "/echo?page=1", "connection": "bearer"}}
    used = {f"x{n}": f"${{USED_{n}}}" for n in range(6)} | {f"f{n}": f"${{file:secrets/{n}}}" for n in range(1, 4)}
    return [
        {"use": "core.log", "with": {"message": "{{ payload | tojson }} {{ event.key }}"}},
        {"id": "echo", **request},
        {"use": "core.write_file", "with": {"path": "all.txt", "content": "{{ payload | tojson }}\n{{ event.key }}\n"}},
        {"use": "core.write_file", "with": {"path": "echo.json", "content": "{{ steps.echo }}", "mode": "overwrite"}},
        {
            "use": "core.csv",
            "with": {"path": "all.csv", "rows": {"key": "{{ event.key }}", "text": "{{ payload | tojson }}"}},
        },
        {
            "use": "core.sqlite",
            "with": {
                "database": "seen",
                "table": "rows",
                "mode": "upsert",
                "rows": {"id": "{{ event.key }}", "text": "{{ steps.echo.body | tojson }}"},
            },
        },
        {
            "use": "http.request",
            "with": {
                "url": "/fail?access_token=not-known-to-anybody-1a2b",
                "method": "GET",
                "connection": "basic",
                "headers": {"X-All": "{{ payload.item.as_it_is | urlencode }}"},
                "json": used,
            },
        },
    ]


def make(folder: Path, url: str) -> Path:
    bearer, basic, header, query, umlaut = OF_CONNECTIONS
    auths = {
        "bearer": {"type": "bearer", "token": bearer},
        "basic": {"type": "basic", "username": "watcher", "password": basic},
        "header": {"type": "api_key", "name": "X-Key", "value": header},
        "query": {"type": "api_key", "name": "key", "in": "query", "value": query},
        "umlaut": {"type": "basic", "username": "watcher", "password": umlaut},
    }
    connections: dict[str, Any] = {
        name: {"connector": "http", "base_url": url, "auth": auth} for name, auth in auths.items()
    }
    connections["path"] = {"connector": "http", "base_url": f"{url}/bot{IN_ADDRESSES[0]}"}
    quoted = urllib.parse.quote(IN_ADDRESSES[1], safe="")
    variables = [
        *(f"ANY_{n}='{value}'" for n, value in enumerate(UNUSED)),
        *(f"ANY_{n}_PASSWORD='{value}'" for n, value in enumerate(NAMED)),
        *(f"USED_{n}={value}" for n, value in enumerate(USED)),
        f"MAIL=mailto://someone:{quoted}@example.com",
        f"HOOK=https://hooks.example.com/services/{IN_ADDRESSES[2]}/x?token={IN_ADDRESSES[3]}",
    ]
    flow = {
        "trigger": {
            "type": "http.new_item",
            "connection": "path",
            "every": "1s",
            "with": {"path": "/rows", "items": "data"},
        },
        "mode": "queued",
        "steps": steps(),
        "on_failure": [{"use": "core.log", "with": {"message": "{{ failure.message }}"}}],
    }
    document = {
        "trigger": {"type": "http.document_changed", "connection": "query", "every": "1s", "with": {"path": "/echo"}},
        "steps": [{"use": "core.log", "with": {"message": "{{ payload | tojson }}"}}],
    }
    home = make_home(
        folder / "home",
        json.dumps(connections),
        {"echoed": json.dumps(flow), "document": json.dumps(document)},
        settings="http: {allow_private: true}\nserve: {listen: '127.0.0.1:0'}\n",
        variables="\n".join(variables) + "\n",
    )
    (home / "secrets").mkdir()
    for n, value in enumerate(IN_FILES, 1):
        (home / "secrets" / str(n)).write_text(f"{value}\n")
    return home


def rows() -> list[dict[str, Any]]:
    """A row for each secret: all of its spellings, also as a key and in the identity of the row."""
    return [
        {
            "id": f"{n}-{value}",
            "as_it_is": value,
            "link": f"https://w:{urllib.parse.quote(value, safe='')}@x.example/?q={urllib.parse.quote_plus(value)}",
            "spelled": {name: f"({spell(value)})" for name, spell in SPELLINGS.items()},
            spelled_key(value): 1,
        }
        for n, value in enumerate(SECRETS)
    ]


def spelled_key(value: str) -> str:
    return f"key {json.dumps(value)}"


SPELLED = sorted({spell(value) for value in SECRETS for spell in SPELLINGS.values()})
NEEDLES = AhoCorasick(SPELLED)


def leaks(text: str) -> set[str]:
    """The spellings of secrets that are in a text, as it is and decoded in the usual ways."""
    decoded = {text, urllib.parse.unquote(text), html.unescape(text), text.replace("\\/", "/").replace('\\"', '"')}
    decoded |= {one.replace("\\\\", "\\") for one in list(decoded)}
    return {SPELLED[which] for one in decoded for which, _, _ in NEEDLES.find_matches_as_indexes(one)}


def everything(home: Path) -> Iterator[tuple[str, str]]:
    """Each file that the program wrote into the home, and what is in its databases, as text."""
    for path in sorted(home.rglob("*")):
        inside = path.relative_to(home)
        if path.is_file() and inside.parts[0] not in ("config", "secrets"):
            yield str(inside), path.read_bytes().decode("utf-8", "replace")
            if path.suffix == ".db":
                with closing(sqlite3.connect(path)) as connection:
                    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
                    dump = [
                        str(value.decode("utf-8", "replace") if isinstance(value, bytes) else value)
                        for (table,) in connection.execute(
                            "SELECT name FROM sqlite_master WHERE type = 'table'"
                        ).fetchall()
                        if table != "versions"  # the workflow files themselves
                        for row in connection.execute(f'SELECT * FROM "{table}"')
                        for value in row
                    ]
                yield f"rows of {inside}", "\n".join(dump)


def outputs(home: Path, run: str, backup: Path) -> Iterator[tuple[str, str]]:
    """What commands say."""
    for words in (
        *(("status",), ("status", "--json"), ("runs",), ("runs", "--json"), ("runs", run), ("runs", run, "--json")),
        *(("events",), ("events", "--json"), ("explain", "echoed"), ("explain", "echoed", "--json")),
        *(
            ("test", "echoed"),
            ("test", "echoed", "--json"),
            ("check",),
            ("plan",),
            ("validate",),
            ("backup", str(backup)),
        ),
        ("call", "http.request", "url=/echo", "connection=header"),
        ("call", "http.request", "url=/echo", "connection=umlaut", "--json"),
        ("call", "http.request", "url=/fail", "connection=query", "--dry-run"),
        ("call", "http.request", "url=/fail", "connection=basic", "--json", "--debug"),
    ):
        done = program(*words, "--home", home)
        yield " ".join(words), done.stdout + done.stderr


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """All texts that came of it, by name."""
    with Echo() as api:
        home = make(tmp_path_factory.mktemp("secrets"), api.url)
        with DaemonProcess(home) as daemon:
            assert wait_for(lambda: baselines(home) == 2, 60), daemon.log.read_text()[-3000:]
            api.rows = rows()
            count = "SELECT count(*) FROM runs WHERE state IN ('paused', 'failed') AND workflow = 'echoed'"
            assert wait_for(lambda: ask(home, count)[0][0] == len(SECRETS), 240), daemon.log.read_text()[-3000:]
            at = next(json.loads(line) for line in daemon.log.read_text().splitlines() if '"serving"' in line)
            pages = {page: fetch(f"{at['url']}/{page}") for page in ("metrics", "health", "live")}
            ((run,),) = ask(home, "SELECT id FROM runs WHERE workflow = 'echoed' LIMIT 1")
            texts = dict(everything(home)) | pages
            texts |= dict(outputs(home, run, home / "backup.db"))
            assert daemon.terminate() == 0
        yield texts | dict(everything(home))


def fetch(url: str) -> str:
    try:
        with urllib.request.urlopen(url) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()


def test_no_secret_is_in_anything_that_the_program_stores_logs_or_prints(said: dict[str, str]) -> None:
    assert len(SECRETS) == 40
    assert len(SPELLINGS) >= 30
    found = {name: sorted(leaks(text))[:3] for name, text in said.items()}
    assert {name: some for name, some in found.items() if some} == {}


def test_all_that_could_hold_one_was_looked_at(said: dict[str, str]) -> None:
    """Else the test above could pass because nothing happened."""
    holders = ["daemon.log", "state/changewire.db", "rows of state/changewire.db", "rows of backup.db", "metrics"]
    holders += ["state/files/all.txt", "state/files/all.csv", "state/files/echo.json", "rows of state/tables/seen.db"]
    holders += ["runs --json", "events --json", "explain echoed", "status --json"]
    holders += ["call http.request url=/echo connection=header"]
    assert [name for name in holders if not said.get(name)] == []
    empty = [name for name in holders if "***" not in said[name] and name not in ("metrics", "status --json")]
    assert empty == []
    assert "not-known-to-anybody-1a2b" not in said["daemon.log"]
