"""Connections load one by one: a broken one is told and does not harm the others."""

from datetime import timedelta
from pathlib import Path

import pytest

from changewire.config.connections import Connection, load_connections
from changewire.config.environment import Environment
from changewire.errors import Problem
from changewire.secret import Secret

FULL = """\
work:
  connector: zoom
  plan: pro
  share: 0.5
  user: me@example.com
  auth:
    type: server_to_server
    account_id: "${ACCOUNT}"
    client_id: id-1
    client_secret: ${SECRET}
weather:
  connector: http
  base_url: ${URL:-https://api.example.com/v1/}
  auth: {type: bearer, token: "${file:token}"}
  timeout: 10s
  allow_private: true
old: {connector: http, base_url: "http://10.0.0.1:8080", auth: {type: basic, username: u, password: pass-word}}
key: {connector: http, base_url: https://k.example, auth: {type: api_key, name: X-Key, value: "k1k1", in: query}}
open: {connector: core}
"""

Loaded = tuple[dict[str, Connection], dict[str, list[Problem]], list[Problem]]


def load(home: Path, text: str) -> Loaded:
    (home / "config").mkdir(exist_ok=True)
    (home / "config" / "connections.yaml").write_text(text)
    (home / "token").write_text("file-token\n")
    return load_connections(home, Environment({"ACCOUNT": "acc-1", "SECRET": "s3cr3t-s3cr3t"}, home))


def test_all_kinds_load(tmp_path: Path) -> None:
    good, broken, problems = load(tmp_path, FULL)
    assert (broken, problems) == ({}, [])
    assert [(name, c.name, c.connector) for name, c in good.items()] == [
        ("work", "work", "zoom"),
        ("weather", "weather", "http"),
        ("old", "old", "http"),
        ("key", "key", "http"),
        ("open", "open", "core"),
    ]
    work, weather = good["work"], good["weather"]
    assert (work.plan, work.share, work.user, work.base_url) == ("pro", 0.5, "me@example.com", None)
    assert (work.timeout, work.allow_private) == (None, False)
    assert work.auth.model_dump() == {
        "type": "server_to_server",
        "account_id": "acc-1",
        "client_id": "id-1",
        "client_secret": Secret("s3cr3t-s3cr3t"),
    }
    assert (weather.base_url, weather.timeout) == ("https://api.example.com/v1", timedelta(seconds=10))
    assert weather.allow_private
    assert weather.auth.model_dump() == {"type": "bearer", "token": Secret("file-token")}
    assert good["old"].auth.model_dump() == {
        "type": "basic",
        "username": "u",
        "password": Secret("pass-word"),
    }
    assert good["key"].auth.model_dump() == {
        "type": "api_key",
        "name": "X-Key",
        "value": Secret("k1k1"),
        "in_": "query",
    }
    assert good["open"].auth.type == "none"


def test_a_connection_does_not_show_its_secrets(tmp_path: Path) -> None:
    good, _, _ = load(tmp_path, FULL)
    shown = repr(good) + "".join(str(connection.model_dump()) for connection in good.values())
    assert not [word for word in ("s3cr3t", "file-token", "pass-word", "k1k1") if word in shown]


@pytest.mark.parametrize("text", ["", "# none\n", "{}"])
def test_an_empty_file_has_no_connections(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == ({}, {}, [])


def test_no_file_has_no_connections(tmp_path: Path) -> None:
    assert load_connections(tmp_path, Environment({}, tmp_path)) == ({}, {}, [])


BROKEN = [
    ("a:", "1:3: 'a' must be a mapping: lines of `key: value`"),
    ("a: {}", "1:4: 'connector' is missing"),
    ("a b: {connector: zoom}", "1:1: 'a b' cannot name a connection: use letters, digits, '_', '-' and '.'"),
    (
        "a: {connector: zoom, name: b}",
        "1:22: unknown key 'name': possible are connector, plan, share, base_url, user, auth, timeout, allow_private, "
        "error_when",
    ),
    ("a: {conector: zoom, connector: zoom}", "1:5: unknown key 'conector' (did you mean 'connector'?)"),
    ("a: {connector: zoom, share: 0}", "1:29: 'share' must be more than 0, not 0"),
    ("a: {connector: zoom, share: 1.5}", "1:29: 'share' must be at most 1, not 1.5"),
    ("a: {connector: x, base_url: ftp://x}", "1:29: this is not an address: write it like https://api.example.com/v1"),
    (
        "a: {connector: x, base_url: 'https://'}",
        "1:29: this is not an address: write it like https://api.example.com/v1",
    ),
    (
        "a: {connector: x, base_url: 'https://x:99999'}",
        "1:29: this is not an address: write it like https://api.example.com/v1",
    ),
    (
        "a: {connector: x, base_url: 'https://u:p@x'}",
        "1:29: credentials do not belong into an address: write them under 'auth'",
    ),
    (
        "a: {connector: x, base_url: 'https://x?y=1'}",
        "1:29: an address ends before ? and #: queries belong to triggers and actions",
    ),
    ("a: {connector: x, timeout: 0}", "1:28: 0 is too short: at least 1s"),
    ("a: {connector: x, auth: {}}", "1:25: 'type' is missing"),
    (
        "a: {connector: x, auth: {type: baerer}}",
        "1:32: 'type' cannot be 'baerer': write none, server_to_server, oauth, "
        "client_credentials, bearer, basic or api_key (did you mean 'bearer'?)",
    ),
    ("a: {connector: x, auth: {type: bearer}}", "1:25: 'token' is missing"),
    (
        "a: {connector: x, auth: {type: bearer, token: 5}}",
        "1:47: a secret must be text: write it in quotes, or as ${NAME}",
    ),
    ("a: {connector: x, auth: {type: bearer, token: ''}}", "1:47: this secret is empty"),
    (
        "a: {connector: x, auth: {type: basic, user: u, username: u, password: p}}",
        "1:39: unknown key 'user' (did you mean 'username'?)",
    ),
    (
        "a: {connector: x, auth: {type: api_key, name: k, value: v, in: body}}",
        "1:64: 'in' cannot be 'body': write header or query",
    ),
    (
        "a: {connector: x, auth: {type: bearer, token: '${TOK}'}}",
        "1:47: the variable TOK is not set: export it, write TOK=… into config/.env, or give a default, ${TOK:-…}",
    ),
]


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=lambda value: value[:40])
def test_a_broken_connection_is_told_and_the_others_load(tmp_path: Path, text: str, message: str) -> None:
    good, broken, problems = load(tmp_path, f"{text}\nfine: {{connector: core}}\n")
    assert list(good) == ["fine"]
    assert list(broken.values()) == [problems]
    assert "\n".join(map(str, problems)) == f"config/connections.yaml:{message}"


def test_a_file_that_is_no_mapping_is_told(tmp_path: Path) -> None:
    good, broken, [problem] = load(tmp_path, "- work")
    assert (good, broken) == ({}, {})
    assert str(problem) == (
        "config/connections.yaml:1:1: connections are a mapping: a name, a colon, and what belongs to it indented below"
    )


def test_a_file_that_is_no_yaml_is_told(tmp_path: Path) -> None:
    good, broken, [problem] = load(tmp_path, "work: 'x")
    assert (good, broken) == ({}, {})
    assert str(problem) == "config/connections.yaml:1:7: the quotation that begins here is never closed"


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("true", "'error_when'"),
        ("status != 'ok'", "an expression on `answer` is wanted: write \"{{ answer.status != 'ok' }}\""),
        ('"{{ answer. }}"', "4:15: "),
        ('[{when: "{{ answer.a }}", failure: gon}]', "did you mean 'gone'?"),
        ('[{wen: "{{ answer.a }}"}]', "unknown key 'wen' (did you mean 'when'?)"),
    ],
)
def test_rules_for_errors_are_checked_where_they_are_written(tmp_path: Path, written: str, problem: str) -> None:
    (tmp_path / "config").mkdir()
    text = f"api:\n  connector: http\n  base_url: https://example.com\n  error_when: {written}\n"
    (tmp_path / "config" / "connections.yaml").write_text(text)
    _, broken, problems = load_connections(tmp_path, Environment({}, tmp_path))
    assert list(broken) == ["api"]
    assert problem in str(problems[0])
