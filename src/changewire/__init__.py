"""Changewire watches REST APIs by polling, notices exactly what changed, and runs YAML workflows on each change."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("changewire")
except PackageNotFoundError:  # a source tree on the path that was never installed
    __version__ = "0+source"
