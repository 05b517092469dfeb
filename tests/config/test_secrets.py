"""The secrets of a home are known before anything is stored or shown."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from changewire.config.secrets import learn_secrets
from changewire.home.loading import load_home
from changewire.secret import STARS, mask

ENV = """
# comment
UNUSED=unused-0a1b2c3d
export QUOTED="quoted-0a1b2c3d"
TOPIC=planning
FOLDER=/data/recordings
USER_MAIL=me@example.com
broken line
SHORT_PASSWORD=xyzzy
"""
CONNECTIONS = """
bot: {connector: http, base_url: https://api.example.com/bot1234567:AAFx9-secretpath/, auth: {type: none}}
shop: {connector: http, base_url: https://shop.example.com, auth: {type: bearer, token: literal-0a1b2c3d}}
wrong: {connector: http, auth: {type: bearer, token: "of-a-broken-one-77aa88bb", oops: }
"""
WORKFLOW = """
name: W
trigger: {type: http.new_item, connection: shop, with: {url: "https://other.example.com/?api_key=in-a-query-1"}}
steps:
  - use: http.request
    with:
      url: https://me:in-an-address@other.example.com/items/0a1b2c3d4e
      headers: {Authorization: "Bearer in-a-header-0a1b", X-Word: "${WORD_OF_STEP}"}
      json: {file: "${file:secrets/key}", process: "${OF_PROCESS}"}
"""
SECRETS = [
    *("unused-0a1b2c3d", "quoted-0a1b2c3d", "xyzzy"),
    *("bot1234567:AAFx9-secretpath", "literal-0a1b2c3d", "of-a-broken-one-77aa88bb"),
    *("in-a-query-1", "in-an-address", "in-a-header-0a1b", "from-a-file-0a1b", "of-the-process-9x8y7z"),
]
COMMON = [
    "planning",
    "/data/recordings",
    "me@example.com",
    "https://shop.example.com",
    "0a1b2c3d4e",
    "other.example.com",
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "config" / "workflows").mkdir(parents=True)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text("from-a-file-0a1b\n")
    (tmp_path / "config" / ".env").write_text(ENV)
    (tmp_path / "config" / "connections.yaml").write_text(CONNECTIONS)
    (tmp_path / "config" / "workflows" / "w.yaml").write_text(WORKFLOW)
    return tmp_path


@pytest.mark.parametrize("value", SECRETS)
def test_every_secret_of_a_home_is_masked_once_its_files_were_read(home: Path, value: str) -> None:
    assert mask(value) == value
    learn_secrets(home, {"OF_PROCESS": "of-the-process-9x8y7z", "NOT_USED": "of-no-use-0a1b2c3d"})
    assert mask(f"<{value}>") == f"<{STARS}>"


def test_what_is_no_secret_stays_readable(home: Path) -> None:
    learn_secrets(home, {"OF_PROCESS": "of-the-process-9x8y7z", "NOT_USED": "of-no-use-0a1b2c3d"})
    assert [mask(value) for value in COMMON] == COMMON
    assert mask("of-no-use-0a1b2c3d") == "of-no-use-0a1b2c3d"


def test_what_a_step_takes_from_outside_is_masked_before_it_first_runs(home: Path) -> None:
    (home / "config" / ".env").write_text("WORD_OF_STEP=prod-site\nPLACE=/data/recordings\n")
    (home / "config" / "connections.yaml").write_text("shop: {connector: http, base_url: https://shop.example.com}\n")
    text = WORKFLOW.replace('process: "${OF_PROCESS}"', 'process: "${PLACE}"')
    (home / "config" / "workflows" / "w.yaml").write_text(text)
    load_home(home, {})
    assert mask("prod-site in /data/recordings") == f"{STARS} in /data/recordings"


def test_files_that_cannot_be_read_are_left_alone(home: Path) -> None:
    (home / "config" / "connections.yaml").unlink()
    os.mkfifo(home / "config" / "connections.yaml")
    (home / "secrets" / "key").unlink()
    os.mkfifo(home / "secrets" / "key")
    (home / "config" / "latin.yaml").write_bytes(b"token: latin-0a1b2c3d\n# \xe4\n")
    learn_secrets(home, {})
    assert mask("latin-0a1b2c3d") == STARS


@pytest.mark.parametrize(
    "text", ["x: " + "y" * 400_000, "a" * 400_000 + "://", "token: " + "a:b@" * 100_000, "a.+-" * 100_000]
)
def test_a_long_word_in_a_file_is_searched_in_linear_time(home: Path, text: str) -> None:
    (home / "config" / "long.yaml").write_text(text)
    began = time.process_time()
    learn_secrets(home, {})
    assert time.process_time() - began < 10  # seconds; quadratic time is minutes


@pytest.mark.parametrize("name", ["\x00", "a\x00b", "x" * 5000, "a/" * 3000, ".", "\udcff"])
def test_a_reference_to_what_cannot_be_a_file_is_left_alone(home: Path, name: str) -> None:
    text = f"a: ${{file:{name}}}\n".encode("utf-8", "surrogateescape")
    (home / "config" / "workflows" / "odd.yaml").write_bytes(text)
    learn_secrets(home, {"OF_PROCESS": "of-the-process-9x8y7z"})
    assert mask("of-the-process-9x8y7z") == STARS
