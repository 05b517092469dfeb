"""What holds for all tests."""

import os
import signal

import pytest

from changewire import secret

# The keyring of whoever runs them stays as it is.
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"

# A shell that starts something in the background has it ignore Ctrl-C, and all its children inherit that; the tests
# press Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def secrets_of_one_test_hide_no_words_from_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the mask knows is one for the process. Each test gets a copy of its own, which goes with it."""
    monkeypatch.setattr(secret, "_lasting", secret._lasting.copy())
    monkeypatch.setattr(secret, "_passing", secret._passing.copy())
    monkeypatch.setattr(secret, "_made", secret._made.copy())
    monkeypatch.setattr(secret, "_search", secret._search)
