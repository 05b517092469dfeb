"""One API call as its handler sees it, and checks that handlers share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

from changewire.sandbox.api.paging import DEFAULT_SIZE, Pager
from changewire.sandbox.api.views import Views
from changewire.sandbox.clock import parse_iso
from changewire.sandbox.errors import JSON, ApiError, no_meeting, no_user, no_webinar, validation
from changewire.sandbox.limits import RateLimiter
from changewire.sandbox.table import Operation
from changewire.sandbox.world.model import Event, Instance
from changewire.sandbox.world.schedule import expired
from changewire.sandbox.world.templates import ZOOM_ACCOUNT_ID
from changewire.sandbox.world.world import World

Reply = tuple[int, JSON | None]
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass
class Call:
    """A request that passed the gateway.

    ``args`` are the path's variable parts still percent-encoded, ``shift`` moves the page asked for.
    """

    world: World
    views: Views
    pager: Pager
    limiter: RateLimiter
    operation: Operation
    path: str
    args: dict[str, str]
    query: dict[str, str]
    body: JSON
    shift: int = 0

    @property
    def plan(self) -> str:
        """The account's plan."""
        return self.world.switches.plan

    @property
    def method(self) -> str:
        """The request's method."""
        return self.operation.method

    @property
    def label(self) -> str:
        """The operation's rate label."""
        return self.operation.label

    def done(self, body: JSON | None = None) -> Reply:
        """Answer with the operation's success status, and with ``body`` unless that status has none."""
        return self.operation.success, None if self.operation.success == 204 else body or {}

    def need_account(self, ref: str) -> None:
        """Raise the 404 unless ``ref`` is this account or one of its sub accounts."""
        if ref not in ("me", ZOOM_ACCOUNT_ID) and ref not in self.world.shelf("/accounts"):
            raise ApiError(404, 2001, f"Account does not exist: {ref}.")

    def user(self, ref: str | None = None) -> JSON:
        """Return the user named by ``ref`` (None: in the path) or raise the 404."""
        if ref is None:
            # A bare plus sign means a space in what the real gateway decodes.
            ref = unquote(self.args["userId"].replace("+", " "))
        if ref == "me" and self.world.switches.me == "error":
            raise no_user(ref)
        user = self.world.find_user(ref)
        if user is None:
            raise no_user(ref)
        return user

    def meeting(self) -> Event:
        """Return the meeting of the number in the path or raise the fitting error."""
        text = unquote(self.args["meetingId"])
        if not text.isdigit():
            raise validation("meetingId")
        event = self.world.events.get(int(text))
        if event is None or event.deleted or expired(event, self.world.now()):
            raise no_meeting(text)
        if event.kind == "webinar":
            raise ApiError(400, 3000, "Cannot access webinar info.")
        return event

    def webinar(self) -> Event:
        """Return the webinar of the number or UUID in the path or raise the fitting error."""
        text = self.uuid_or_number("webinarId")
        event = self.world.events.get(int(text)) if text.isdigit() else self._by_uuid(text)
        if event is None or event.deleted or event.kind != "webinar" or expired(event, self.world.now()):
            raise no_webinar(text)
        return event

    def word(self, name: str) -> str:
        """Return a variable part of the path as plain text."""
        return unquote(self.args[name])

    def event(self, kind: str) -> Event:
        """Return the meeting or webinar in the path, by number or UUID, or raise the fitting error."""
        if kind == "webinar":
            return self.webinar()
        text = self.uuid_or_number("meetingId")
        session = None if text.isdigit() else self.world.find_session(text, "meeting")
        if session is not None:
            return session.event
        return self.meeting()

    def uuid_or_number(self, name: str) -> str:
        """Decode a session reference; a UUID encoded against the rule raises the 404."""
        once = unquote(self.args[name])
        text = unquote(once)
        lenient = self.world.switches.double_encoding == "accept"
        if needs_double(text) == (text != once) or (text != once and lenient):
            return text
        raise no_webinar(once) if name == "webinarId" else no_meeting(once)

    def past_session(self, kind: str, limit_days: int | None = 365) -> Instance:
        """Return the ended session named in the path (a number means the latest) or raise."""
        text = self.uuid_or_number(f"{kind}Id")
        session = self.world.find_session(text, kind, ended=True)
        if session is None or session.end is None:
            raise no_meeting(text) if kind == "meeting" else no_webinar(text)
        if limit_days is not None and session.end < self.world.now() - timedelta(days=limit_days):
            raise ApiError(400, 12702, "Can not access a meeting a year ago.")
        return session

    def need_paid(self, text: str = f"Only available for paid account: {ZOOM_ACCOUNT_ID}.") -> None:
        """Raise the "paid only" error on a free plan."""
        if self.plan == "free":
            raise ApiError(self.world.switches.paid_error_form, 200, text)

    def need_webinars(self) -> None:
        """Raise the error of accounts that have no webinar plan."""
        if self.plan == "free" or not self.world.switches.webinar_plan:
            raise ApiError(400, 200, "Webinar plan is missing. You must subscribe to the webinar plan and "
                           "enable webinars for this user in order to perform this action.")  # fmt: skip

    def listing(self, key: str, rows: list[JSON], most: int = 300, by: str = "", usual: int = DEFAULT_SIZE) -> Reply:
        """Answer one page of ``rows`` under ``key``; ``by`` names the field of a row's identity.

        ``usual`` and ``most`` are the usual and the largest page size.
        """

        def identity(row: JSON) -> str:
            return str(row.get(by)) + str(row.get("start_time"))

        page, fields = self.pager.page(self.path, self.query, rows, most, self.shift, identity, usual)
        return 200, {**fields, key: page}

    def day(self, name: str, default: datetime) -> datetime:
        """Return a query's day at 00:00 UTC; a date-time counts as its day."""
        text = self.query.get(name, "")
        if not text:
            return datetime(default.year, default.month, default.day, tzinfo=UTC)
        found = _DAY.match(text)
        try:
            return datetime.strptime(found.group() if found else "", "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            raise validation(name) from None

    def objects(self, key: str, most: int = 1000, least: int = 1) -> list[JSON]:
        """Return the objects that the body lists under ``key`` or raise the validation error."""
        found = self.body.get(key, None if least else [])
        if not isinstance(found, list) or not least <= len(found) <= most:
            raise validation(key)
        if not all(isinstance(one, dict) for one in found):
            raise validation(key)
        return found

    def people(self, key: str, most: int = 1000, least: int = 1) -> list[JSON]:
        """Return the users that the body lists under ``key`` by id or e-mail address, or raise the 404."""
        named = self.objects(key, most, least)
        return [self.user(str(one.get("id") or one.get("email") or "")) for one in named]

    def moment(self, name: str, last: bool = False) -> datetime:
        """Return a query's instant; a plain day means its beginning or (``last``) its end."""
        text = self.query.get(name, "")
        if _DAY.fullmatch(text):
            return self.day(name, self.world.now()) + timedelta(seconds=86399 if last else 0)
        try:
            return parse_iso(text)
        except ValueError:
            raise validation(name) from None

    def choice(self, name: str, default: str, *others: str) -> str:
        """Return a query value out of the allowed ones or raise the validation error."""
        value = self.query.get(name, default)
        if value not in (default, *others):
            raise validation(name)
        return value

    def flag(self, name: str) -> bool:
        """Whether a query value is ``true``."""
        return self.query.get(name, "").lower() == "true"

    def _by_uuid(self, uuid: str) -> Event | None:
        session = self.world.find_session(uuid, "webinar")
        known = (e for e in self.world.events.values() if e.data["uuid"] == uuid)
        return session.event if session else next(known, None)


def needs_double(uuid: str) -> bool:
    """Whether a UUID has to be percent-encoded twice in a path."""
    return uuid.startswith("/") or "//" in uuid
