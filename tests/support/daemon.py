"""Run as a program: a daemon on the home given as the argument, until SIGTERM."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from changewire.clock import SystemClock
from changewire.daemon import Daemon
from changewire.log import ConsoleLog


def main(home: Path) -> int:
    """Run it; the exit code."""
    clock = SystemClock()
    daemon = Daemon(home, clock, ConsoleLog(clock, as_json=True))
    signal.signal(signal.SIGTERM, lambda *_: daemon.stop())
    daemon.start()
    daemon.loop()
    daemon.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
