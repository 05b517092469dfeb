"""Changewire watches REST APIs by polling, notices exactly what changed, and runs YAML workflows on each change."""

__version__: str


def __getattr__(name: str) -> str:
    """``__version__``, looked up when somebody asks: that takes as long as some commands do."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("changewire")
    except PackageNotFoundError:  # a source tree on the path that was never installed
        return "0+source"
