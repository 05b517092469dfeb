"""The Python beside an action file: where a function stands, and its module."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from changewire.values import digest

CODE_MODULE = "changewire_code_"  # how the names of such modules begin
_LOADING = threading.Lock()


@dataclass(frozen=True)
class CodePlace:
    """Where the function of a code action stands."""

    path: Path  # of the .py file
    contents: str  # digest of the file when the action was read; a changed file is another module
    function: str

    def load(self) -> Callable[..., Any]:
        """Return the function, loading its module on first use. Raises whatever the module raises."""
        with _LOADING:  # twice at once would make two modules, each with locks of its own
            module = load_module(self.path, self.contents)
        found: Callable[..., Any] = getattr(module, self.function)
        return found


@lru_cache(64)
def load_module(path: Path, _: str) -> ModuleType:
    """Return the module of a file with these contents, under a name of its own. Raises what the code does."""
    spec = importlib.util.spec_from_file_location(f"{CODE_MODULE}{digest(str(path).encode())}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
