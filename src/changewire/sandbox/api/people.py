"""Endpoints of users and of the daily usage report."""

from __future__ import annotations

import calendar
from datetime import datetime

from changewire.sandbox.api.call import Call, Reply
from changewire.sandbox.clock import months_before
from changewire.sandbox.errors import JSON, ApiError, validation

_STATUSES = ("inactive", "pending")
_FIXED = ("id", "email", "created_at", "account_id", "user_id", "self")
_LOGIN_TYPES = ("0", "1", "11", "21", "23", "24", "27", "97", "98", "99", "100", "101")


def list_users(call: Call) -> Reply:
    """GET /users."""
    status = call.choice("status", "active", *_STATUSES)
    role = call.query.get("role_id", "")
    people = [u for u in call.world.users.values() if u["status"] == status and role in ("", u["role_id"])]
    rows = [call.views.user_row(user) for user in people]
    http, answer = call.listing("users", rows, most=2000, by="id")
    return http, {"page_number": int(call.query.get("page_number") or 1), **(answer or {})}


def get_user(call: Call) -> Reply:
    """GET /users/{userId}."""
    if call.query.get("login_type", "100") not in _LOGIN_TYPES:
        raise validation("login_type")
    return 200, call.views.user(call.user())


def update_user(call: Call) -> Reply:
    """PATCH /users/{userId}."""
    user = call.user()
    if wrong := [key for key in call.body if key in user and not _same_type(user[key], call.body[key])]:
        raise validation(*wrong)
    call.world.update_user(user["id"], **{k: v for k, v in call.body.items() if k not in _FIXED})
    return 204, None


def daily_report(call: Call) -> Reply:
    """GET /report/daily."""
    if call.plan == "free":
        raise ApiError(call.world.switches.paid_error_form, 200, "No permission.")
    now = call.world.now()
    year, month = _number(call, "year", now.year), _number(call, "month", now.month)
    if not 1 <= month <= 12:
        raise validation("month")
    asked, oldest = (year, month), months_before(now, 5)
    if not (oldest.year, oldest.month) <= asked <= (now.year, now.month):
        raise ApiError(400, 300, "Daily report can only be provided for a month that falls within the recent 6 months.")
    dates = _dates(call, year, month, now)
    return 200, {"year": year, "month": month, "dates": dates, **call.world.grown.get("report", {})}


def _dates(call: Call, year: int, month: int, now: datetime) -> list[JSON]:
    last = calendar.monthrange(year, month)[1]
    if (year, month) == (now.year, now.month) and not call.world.switches.report_future_days:
        last = now.day
    group = call.query.get("group_id", "")
    known = call.world.reports.get(group, {})
    zeros = {"new_users": 0, "meetings": 0, "participants": 0, "meeting_minutes": 0}
    days = [f"{year:04}-{month:02}-{day:02}" for day in range(1, last + 1)]
    return [{"date": day, **zeros, **known.get(day, {})} for day in days]


def _number(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit():
        raise validation(name)
    return int(text)


def _same_type(old: object, new: object) -> bool:
    return isinstance(new, type(old)) and isinstance(new, bool) == isinstance(old, bool)


HANDLERS = {
    "GET /users": list_users,
    "GET /users/{userId}": get_user,
    "PATCH /users/{userId}": update_user,
    "GET /report/daily": daily_report,
}
