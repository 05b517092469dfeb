"""Settings have defaults, and a wrong one is told at its place."""

from datetime import timedelta
from pathlib import Path

import pytest

from changewire.config.environment import Environment
from changewire.config.settings import Settings, load_settings
from changewire.errors import ConfigError

FULL = """\
every: 1m
workers: {polls: 4, runs: "${RUNS:-2}"}
poll: {time: 30s, pages: 5, items: 100, bytes: 1MiB, event: 2MB}
retention: {events: 2w, runs: 30d}
timezone: "${ZONE}"
http: {allow_private: "${PRIVATE}", timeout: 10}
allow: {run_command: true}
log: {level: warning}
serve: {listen: "${HERE:-127.0.0.1}:9310"}
alert_after: 5
"""


def load(home: Path, text: str) -> Settings:
    (home / "config").mkdir(exist_ok=True)
    (home / "config" / "changewire.yaml").write_text(text)
    return load_settings(home, Environment({"ZONE": "Europe/Berlin", "PRIVATE": "true"}, home))


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}"])
def test_an_empty_file_means_the_defaults(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == Settings()


def test_no_file_means_the_defaults(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, Environment({}, tmp_path))
    assert settings.timezone == "UTC"
    assert settings.every == timedelta(minutes=5)
    assert (settings.workers.polls, settings.workers.runs) == (64, 8)
    assert (settings.poll.time, settings.poll.pages) == (timedelta(minutes=1), 200)
    assert (settings.poll.items, settings.poll.bytes) == (50_000, 64_000_000)
    assert settings.retention.events == settings.retention.runs == timedelta(days=90)
    assert (settings.http.allow_private, settings.http.timeout) == (False, timedelta(seconds=30))
    assert settings.alert_after == 3
    assert settings.allow.run_command is False


def test_everything_can_be_set(tmp_path: Path) -> None:
    settings = load(tmp_path, FULL)
    assert settings.model_dump() == {
        "timezone": "Europe/Berlin",
        "every": timedelta(minutes=1),
        "workers": {"polls": 4, "runs": 2},
        "poll": {"time": timedelta(seconds=30), "pages": 5, "items": 100, "bytes": 1024 * 1024, "event": 2 * 10**6},
        "retention": {"events": timedelta(weeks=2), "runs": timedelta(days=30)},
        "http": {"allow_private": True, "timeout": timedelta(seconds=10)},
        "allow": {"run_command": True},
        "log": {"level": "warning"},
        "serve": {"listen": "127.0.0.1:9310"},
        "alert_after": 5,
    }


WRONG = [
    (
        "timezone: Europe/Berln",
        "1:11: 'Europe/Berln' is not a time zone: write one like Europe/Berlin (did you mean 'Europe/Berlin'?)",
    ),
    ("evry: 5m", "1:1: unknown key 'evry' (did you mean 'every'?)"),
    ("every: 0.5", "1:8: 0.5 is too short: at least 1s"),
    ("workers: 5", "1:10: 'workers' must be a mapping: lines of `key: value`"),
    ("workers:\n  polls: 1000", "2:10: 'polls' must be at most 512, not 1000"),
    ("workers: {poll: 3}", "1:11: unknown key 'poll' (did you mean 'polls'?)"),
    ("poll: {bytes: lots}", "1:15: 'bytes': 'lots' is not a size: write 64MB, 500KB, 1GiB or a number of bytes"),
    ("serve: {listen: 9310}", "1:17: 9310 is not an address with a port: write 127.0.0.1:9310"),
    ('serve: {listen: ":9310"}', "1:17: ':9310' is not an address with a port: write 127.0.0.1:9310"),
    ("serve: {listen: 127.0.0.1}", "1:17: '127.0.0.1' is not an address with a port: write 127.0.0.1:9310"),
    ("serve: {listen: 127.0.0.1:93100}", "1:17: '127.0.0.1:93100' is not an address with a port: write 127.0.0.1:9310"),
    (
        "serve: {listen: http://localhost:9310}",
        "1:17: 'http://localhost:9310' is not an address with a port: write 127.0.0.1:9310",
    ),
    ("alert_after: 0", "1:14: 'alert_after' must be at least 1, not 0"),
    ("- a", "1:1: the file must be a mapping: lines of `key: value`"),
    (
        'timezone: "${ZON}"',
        "1:11: the variable ZON is not set: export it, write ZON=… into config/.env, or give a default, "
        "${ZON:-…} (did you mean 'ZONE'?)",
    ),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=lambda value: value[:30])
def test_a_wrong_setting_is_told_at_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert str(caught.value) == f"config/changewire.yaml:{message}"


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().alert_after = 4
