"""A connector: everything that is known about one API, read from a YAML file beside this module."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from changewire.config.yaml_files import check, parse_yaml
from changewire.errors import FailureClass, UsageError, nearest

SECOND, MINUTE, DAY = 1, 60, 86400


def _as_tuple(value: object) -> object:
    """One value may be written where several are allowed."""
    return value if isinstance(value, list | tuple) else (value,)


def _as_text(value: object) -> object:
    """Codes are compared as text: APIs write the same code as a number here and as text there."""
    return tuple(str(one) for one in value) if isinstance(value, list | tuple) else (str(value),)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Model):
    """How often one rate label may be used. None: this span has no limit."""

    second: int | None = Field(default=None, ge=1)
    minute: int | None = Field(default=None, ge=1)
    day: int | None = Field(default=None, ge=1)  # counted from midnight UTC
    day_pool: str | None = None  # labels with the same word here share one daily count; None: a count of its own

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """The short limits as (count, seconds)."""
        return tuple(
            (count, span) for count, span in ((self.second, SECOND), (self.minute, MINUTE)) if count is not None
        )


class UserCap(_Model):
    """A daily limit on what is done for one user, over all connections' labels; counted from midnight UTC."""

    name: str  # in words, for the message
    methods: tuple[str, ...]
    path: str  # regular expression, searched in the path below the API prefix; a group `user` names the user
    day: int = Field(ge=1)


class Paging(_Model):
    """How a long list is handed out in pages."""

    kind: Literal["none", "token", "next_url", "page_number", "offset", "token_or_page", "link", "start_index"] = "none"
    token_field: str = "next_page_token"  # where the answer holds the token or address; "" or missing: the last page
    token_query: str = "next_page_token"  # where the next request sends it
    page_query: str = "page_number"  # where the next request sends the page's number (from 1) or the offset (from 0)
    count_field: str = "page_count"  # where the answer says how many pages (offset: items) there are; else until none


class ErrorBody(_Model):
    """Where an error answer says what went wrong: top-level fields of which the first that is there counts."""

    code: tuple[str, ...] = ("code", "errorCode", "error")
    message: tuple[str, ...] = ("message", "errorMessage", "error_description", "reason", "detail", "title")
    dressed_as_ok: bool = False  # True: a 200 answer with both fields is an error too, save for `ok_codes`


class SignIn(_Model):
    """Where tokens come from."""

    path: str = "/oauth/token"
    host: str  # scheme and host, used when the connection has no base_url
    region_field: str | None = None  # field of the token answer that names the API's host; None: there is none
    authorize_path: str | None = None  # the page on which a person agrees; None: people cannot sign in here
    device_path: str | None = None  # where a code for another device comes from; None: there is none
    revoke_path: str | None = None  # where tokens are ended; None: they cannot be
    sends_scopes: bool = True  # False: the app's own settings decide, and asking for scopes is refused
    redirect_port: int | None = None  # where the app's redirect address is compared letter by letter; None: any port
    scopes_place: str | None = None  # where a person ticks scopes, in words; None: unknown


class Rule(_Model):
    """When an answer looks like this, it is that failure. All conditions that are given must hold."""

    http: Annotated[tuple[int, ...], BeforeValidator(_as_tuple)] = ()  # empty: any status
    code: Annotated[tuple[str, ...], BeforeValidator(_as_text)] = ()  # empty: any code, also none
    contains: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()  # one of these is in the message, in any case
    method: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()
    path: str | None = None  # regular expression, searched in the path below the API prefix
    failure: FailureClass
    reason: str | None = None  # a name that programs ask for; "token": a new sign-in may help
    advice: str | None = None  # what the person should do, one sentence

    def fits(self, method: str, path: str, status: int, code: str | None, message: str) -> bool:
        """True when every condition of this rule holds for the answer."""
        return (
            (not self.http or status in self.http)
            and (not self.code or code in self.code)
            and (not self.method or method in self.method)
            and (not self.contains or any(part.lower() in message.lower() for part in self.contains))
            and (self.path is None or re.search(self.path, path) is not None)
        )


class Connector(_Model):
    """Everything that is known about one API."""

    name: str
    title: str
    base_url: str | None = None  # None: each connection must say its own
    api_prefix: str = ""  # before every path, such as "/v2"
    sign_in: SignIn | None = None
    auth_types: tuple[str, ...] = ("none",)
    rates: Mapping[str, Mapping[str, Limits]] = {}  # plan → label → limits; empty: no budget
    default_plan: str | None = None  # used when the connection names no plan
    user_caps: tuple[UserCap, ...] = ()
    paging: Paging = Paging()
    error_body: ErrorBody = ErrorBody()
    ok_codes: tuple[str, ...] = ()
    failures: tuple[Rule, ...] = ()
    parameters: Mapping[str, Mapping[str, Any]] = {}  # what types mean by these names, unless they say otherwise
    check_path: str = "/"  # a small GET that shows whether credentials are accepted
    check_label: str | None = None  # its rate label
    download_hosts: tuple[str, ...] = ()  # "zoom.us" or "*.zoom.us"; empty: any public host, without credentials

    def limits(self, plan: str | None) -> Mapping[str, Limits]:
        """The limits by label of ``plan``, None: the default plan. Raises UsageError for an unknown plan."""
        wanted = plan or self.default_plan
        if not self.rates or wanted is None:
            return {}
        if wanted not in self.rates:
            near = nearest(wanted, self.rates)
            hint = f"; did you mean {near!r}?" if near else ""
            raise UsageError(f"{self.title} has no plan {wanted!r}: write one of {', '.join(self.rates)}{hint}")
        return self.rates[wanted]


@cache
def connector_names() -> tuple[str, ...]:
    """The names of all connectors, in alphabetical order."""
    return tuple(sorted(f.name[:-5] for f in files(__package__).iterdir() if f.name.endswith(".yaml")))


@cache
def load_connector(name: str) -> Connector:
    """The connector of that name. Raises UsageError for an unknown name, with the nearest known one."""
    if name not in connector_names():
        near = nearest(name, connector_names())
        hint = f"; did you mean {near!r}?" if near else ""
        raise UsageError(f"there is no connector {name!r}: write one of {', '.join(connector_names())}{hint}")
    shown = f"connectors/{name}.yaml"
    text = (files(__package__) / f"{name}.yaml").read_text(encoding="utf-8")
    return check(parse_yaml(text, shown), Connector)
