"""``python -m changewire`` is the same program as ``changewire``."""

from changewire.cli import main

if __name__ == "__main__":
    main()
