"""``changewire demo``: a stand-in for Zoom changes, and the whole program reacts. Needs no account and no network."""

from changewire.demo.show import run_demo

__all__ = ["run_demo"]
