"""What is taken for a secret, and which parts of one are."""

from __future__ import annotations

import base64

import pytest

from changewire.secret import STARS, learn, mask
from changewire.secret_values import is_secret, secret_parts


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANYTHING", "s3cr3t-value-123"),
        ("ANYTHING", "hidden-value-of-env"),
        ("ANYTHING", "85a7c1b2-1111-2222-aaaa-bbbbccccdddd"),
        ("ANYTHING", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"),
        ("ANYTHING", "https://hooks.example.com/services/T0ABC12D/a8sd7f6a8s7df6"),
        ("ANYTHING", "https://example.com/feed?token=abcdefgh"),
        ("ANYTHING", "mailto://me:word@example.com"),
        ("ANYTHING", "abC3/dEf9+xx"),
        ("DB_PASSWORD", "swordfish"),
        ("db_pass", "1234"),
        ("ApiKey", "planning"),
        ("AUTH", "planning"),
    ],
)
def test_a_value_that_looks_like_a_secret_or_is_called_one_is_one(name: str, value: str) -> None:
    assert is_secret(name, value)


@pytest.mark.parametrize(
    "value",
    [
        *("info", "planning", "prod-site", "team_recordings", "Weekly meeting", "newMeetingCreated"),
        *("85746065432", "2026-11-30T10:00:00Z", "64MB", "+49 30 1234567", "1.5"),
        *("me@example.com", "a.b@example.com, c@example.org"),
        *("api.example.com", "localhost:8080", "127.0.0.1:9310", "https://api.example.com/v2/users/me?page_size=300"),
        *("Europe/Berlin", "/data/recordings", "C:\\data\\recordings", "~/notes.md"),
    ],
)
def test_words_numbers_and_addresses_are_no_secrets(value: str) -> None:
    assert not is_secret("ANYTHING", value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLACK_CHANNEL", "C024BE91L7X"),
        ("ZOOM_ACCOUNT_ID", "abC3dEf9xxQ12"),
        ("MEETING_UUID", "4444AAAiAAAAAiAiAiiAii=="),
        ("user-ids", "KDcuGIm1QgePTO8WbOqwIQ"),
        ("GREETING", "Hello, dear colleague!"),
        ("ANYTHING", "Sales EMEA North"),
    ],
)
def test_an_identifier_or_a_sentence_is_no_secret_for_steps_need_it_as_it_is(name: str, value: str) -> None:
    assert not is_secret(name, value)


@pytest.mark.parametrize("name", ["MAIL", "EMAIL", "HOST", "CHANNEL", "GREETING"])
@pytest.mark.parametrize(
    "value", ["mailto://me:word@example.com", "https://me:word@example.com and https://example.com"]
)
def test_an_address_with_a_password_is_a_secret_whatever_it_is_called(name: str, value: str) -> None:
    assert is_secret(name, value)


@pytest.mark.parametrize("name", ["KEY_ID_TOKEN", "CHANNEL_SECRET", "USER_PASSWORD", "SESSION_ID"])
def test_a_secret_that_belongs_to_an_identifier_is_one(name: str) -> None:
    assert is_secret(name, "C024BE91L7X")


@pytest.mark.parametrize("name", ["USE_TOKENS", "KEYWORD", "AUTHOR"])
def test_a_switch_or_a_word_is_no_secret_because_of_a_name_like_one(name: str) -> None:
    assert not is_secret(name, "true")


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("mailto://me:p%40ssw0rd@example.com", {"p%40ssw0rd", "p@ssw0rd"}),
        (
            "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
            {"T1JJ3T3L2", "A1BRTD4JD", "TIiajkdnlazkcOXrIdevi7FQ"},
        ),
        ("https://example.com/feed?token=abcdef&page=2", {"abcdef"}),
        ("https://example.com/bot1234567:AAFx9-abcdef/send", {"bot1234567:AAFx9-abcdef", "1234567:AAFx9-abcdef"}),
        ("Bearer 0a1b2c3d4e5f", {"0a1b2c3d4e5f"}),
        (
            f"Basic {base64.b64encode(b'me:swordfish').decode()}",
            {base64.b64encode(b"me:swordfish").decode(), "swordfish"},
        ),
        ("sid=0a1b2c3d4e5f; theme=dark-and-blue", {"0a1b2c3d4e5f"}),
        ('{"type": "service_account", "private_key_id": "0a1b2c3d4e5f"}', {"0a1b2c3d4e5f"}),
        ("-----BEGIN X-----\nMIIEvQIBADANBgkqhk\n-----END X-----", {"MIIEvQIBADANBgkqhk"}),
        ("just-a-value", set()),
    ],
)
def test_the_parts_of_a_secret_are_secrets_of_their_own(value: str, parts: set[str]) -> None:
    assert secret_parts(value) == parts
    learn(value)
    assert all(mask(f"<{part}>") == f"<{STARS}>" for part in parts)
