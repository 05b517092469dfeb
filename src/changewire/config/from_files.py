"""Types that are read when somebody asks for them: a home names few of the many that there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class FromFiles(Mapping[str, T]):
    """Types by name: ``own`` ones first, then those that ``files`` name, each by the file that it stands in.

    ``read`` gives the usable types of a file. ``tried``: all that are named are usable, as was seen before the files
    were handed out; else a file is read before it is said that a type is there.
    """

    def __init__(
        self,
        own: Mapping[str, T],
        files: Mapping[str, Path],
        read: Callable[[Path], Mapping[str, T]],
        *,
        tried: bool = True,
    ) -> None:
        self._own, self._files, self._read, self._tried = own, files, read, tried

    def __getitem__(self, name: str) -> T:
        return self._own[name] if name in self._own else self._read(self._files[name])[name]

    def __contains__(self, name: object) -> bool:
        return name in self._own or (isinstance(name, str) and name in self._files and self._usable(name))

    def __iter__(self) -> Iterator[str]:
        return iter({**self._own, **{name: None for name in self._files if self._usable(name)}})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _usable(self, name: str) -> bool:
        return self._tried or name in self._read(self._files[name])
