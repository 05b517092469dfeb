"""Signals as messages, whenever they come."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from changewire.cli import signals
from changewire.cli.signals import caught_signals, next_message
from changewire.clock import SystemClock


@pytest.mark.parametrize("number", signals.SIGNALS, ids=lambda number: number.name)
def test_a_signal_becomes_a_message_and_its_handler_comes_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with caught_signals() as incoming:
        os.kill(os.getpid(), number)
        assert next_message(incoming) == number
    assert signal.getsignal(number) is before


def test_a_signal_whose_handler_could_not_run_before_the_wait_is_noticed_all_the_same() -> None:
    """Another thread takes the signal, so the waiting one is not woken: as if it had come just before the wait."""
    with caught_signals() as incoming:

        def raise_here() -> None:
            SystemClock().wait(0.1)  # by now the other one waits
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

        thread = threading.Thread(target=raise_here)
        thread.start()
        assert next_message(incoming) == signal.SIGTERM
        thread.join()
