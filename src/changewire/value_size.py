"""How large values are with everything in them, counted as often as it is reached: small lists can mean huge ones.

``n.x = [n.x, n.x]``, thirty times, takes little memory and means a thousand million entries to all that reads it.
"""

from __future__ import annotations

from collections.abc import ItemsView, KeysView, Mapping, ValuesView
from typing import Any

DEEPEST_VALUE = 250  # lists and mappings inside each other; JSON is written down to 254
_KEPT = 16  # containers whose size is remembered
_WORTH_KEEPING = 256  # a smaller size is counted again
_CONTAINERS = (list, tuple, dict, Mapping, set, frozenset, KeysView, ValuesView, ItemsView)


_PLAIN = frozenset({str, int, float, bool, type(None)})
_NOTHING: tuple[Any, ...] = ()


class TooLargeValueError(ValueError):
    """A value has too many characters and entries, or too many levels."""


class Sizes:
    """Sizes of values that do not change, of which the latest are remembered. Not thread-safe."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, int, int]] = {}  # the value, its size and levels by its id

    def clear(self) -> None:
        """Forget all values."""
        self._known.clear()

    def of(self, value: Any, most: int) -> tuple[int, int]:
        """Return the number of characters and entries in ``value``, and its levels.

        Raises TooLargeValueError if it has more than ``most``. The work grows with ``most``, not with the size.
        """
        known = self._known.get(id(value))
        if known is not None:
            return known[1:]
        size, levels, level = 0, 0, [value]
        for depth in range(DEEPEST_VALUE + 1):
            more, deepest, inner = self._level(level, most - size, most)
            size, levels = size + more, max(levels, depth + deepest)
            if levels > DEEPEST_VALUE:
                break
            if not inner:
                self._keep(value, size, levels)
                return size, levels
            level = inner
        raise TooLargeValueError(f"more than {DEEPEST_VALUE} levels inside each other on the way to the result")

    def _level(self, level: list[Any], most: int, limit: int) -> tuple[int, int, list[Any]]:
        """Return the size and the levels of what is known or has no entries in ``level``, and all entries of the rest.

        The number of these entries is part of the size.
        """
        size, deepest = 0, 0
        inner: list[Any] = []
        for each in level:
            kind = type(each)
            count, parts = (len(each) if kind is str else 0), _NOTHING
            if kind not in _PLAIN and isinstance(each, _CONTAINERS):  # the second look is slow
                known = self._known.get(id(each))
                if known is None:
                    parts = (each, each.values()) if isinstance(each, Mapping) else (each,)
                    count = len(each) * len(parts)
                else:
                    count, deepest = known[1], max(deepest, known[2])
            size += count
            if size > most:
                words = "a value of more than {} characters and entries on the way to the result"
                raise TooLargeValueError(words.format(limit))
            for part in parts:
                inner.extend(part)
        return size, deepest, inner

    def _keep(self, value: Any, size: int, levels: int) -> None:
        if size >= _WORTH_KEEPING and isinstance(value, list | tuple | dict):
            self._known[id(value)] = value, size, levels
            if len(self._known) > _KEPT:
                del self._known[next(iter(self._known))]
