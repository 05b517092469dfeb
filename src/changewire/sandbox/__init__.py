"""A stand-in for the Zoom REST API, served over real HTTP."""

from changewire.sandbox.clock import SandboxClock
from changewire.sandbox.errors import ControlError
from changewire.sandbox.grants import PUBLIC_CLIENT_ID, USER_CLIENT_ID, USER_CLIENT_SECRET
from changewire.sandbox.oauth import ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET
from changewire.sandbox.populate import OWNER_EMAIL, OWNER_ID
from changewire.sandbox.server import Sandbox
from changewire.sandbox.world import World

__all__ = [
    "ACCOUNT_ID",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "OWNER_EMAIL",
    "OWNER_ID",
    "PUBLIC_CLIENT_ID",
    "USER_CLIENT_ID",
    "USER_CLIENT_SECRET",
    "ControlError",
    "Sandbox",
    "SandboxClock",
    "World",
]
