"""The store that everything builds on: the promise (`Store`) and the one in an SQLite file (`SqliteStore`)."""

from __future__ import annotations

from changewire.state.protocol import Store

__all__ = ["Store"]
