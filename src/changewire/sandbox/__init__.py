"""A stand-in for the Zoom REST API, served over real HTTP."""

from changewire.sandbox.clock import SandboxClock
from changewire.sandbox.errors import ControlError
from changewire.sandbox.server import Sandbox
from changewire.sandbox.sign_in.grants import PUBLIC_CLIENT_ID, USER_CLIENT_ID, USER_CLIENT_SECRET
from changewire.sandbox.sign_in.oauth import ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET
from changewire.sandbox.world.populate import OWNER_EMAIL, OWNER_ID
from changewire.sandbox.world.world import World

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
