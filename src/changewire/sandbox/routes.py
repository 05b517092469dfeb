"""The table of API endpoints: rate label, scopes, handler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from changewire.sandbox import api_events, api_past, api_people, api_recordings
from changewire.sandbox.call import Call, Reply

Handler = Callable[[Call], Reply]


@dataclass(frozen=True)
class Route:
    """One endpoint; any one of the scopes, classic or granular, is enough."""

    method: str
    template: str
    label: str
    classic: tuple[str, ...]
    granular: tuple[str, ...]
    handler: Handler


def _route(line: str, label: str, classic: str, granular: str, handler: Handler) -> Route:
    method, template = line.split()
    both = tuple(f"{scope}{tail}" for scope in granular.split() for tail in _tails(scope))
    olds = tuple(f"{scope}{tail}" for scope in classic.split() for tail in _tails(scope))
    return Route(method, template, label, olds, both, handler)


def _tails(scope: str) -> tuple[str, ...]:
    return ("",) if scope.endswith(":admin") else ("", ":admin")


_USER = "user:read user:write"
_MEETING, _WEBINAR = "/meetings/{meetingId}", "/webinars/{webinarId}"
_FILES = "cloud_recording:read:list_recording_files"

ROUTES: tuple[Route, ...] = (
    _route("GET /users", "Medium", _USER, "user:read:list_users:admin", api_people.list_users),
    _route("GET /users/{userId}", "Light", _USER, "user:read:user", api_people.get_user),
    _route("PATCH /users/{userId}", "Light", "user:write", "user:update:user", api_people.update_user),
    _route("GET /users/{userId}/meetings", "Medium", "meeting:read", "meeting:read:list_meetings",
           api_events.list_meetings),
    _route("POST /users/{userId}/meetings", "Light", "meeting:write", "meeting:write:meeting",
           api_events.create_meeting),
    _route(f"GET {_MEETING}", "Light", "meeting:read", "meeting:read:meeting", api_events.get_meeting),
    _route(f"PATCH {_MEETING}", "Light", "meeting:write", "meeting:update:meeting",
           api_events.update_meeting),
    _route(f"DELETE {_MEETING}", "Light", "meeting:write", "meeting:delete:meeting",
           api_events.delete_meeting),
    _route("GET /users/{userId}/webinars", "Medium", "webinar:read", "webinar:read:list_webinars",
           api_events.list_webinars),
    _route("POST /users/{userId}/webinars", "Light", "webinar:write", "webinar:write:webinar",
           api_events.create_webinar),
    _route(f"GET {_WEBINAR}", "Light", "webinar:read", "webinar:read:webinar", api_events.get_webinar),
    _route(f"PATCH {_WEBINAR}", "Light", "webinar:write", "webinar:update:webinar",
           api_events.update_webinar),
    _route(f"DELETE {_WEBINAR}", "Light", "webinar:write", "webinar:delete:webinar",
           api_events.delete_webinar),
    _route("GET /users/{userId}/recordings", "Medium", "recording:read",
           "cloud_recording:read:list_user_recordings", api_recordings.list_recordings),
    _route(f"GET {_MEETING}/recordings", "Light", "recording:read", _FILES, api_recordings.get_recording),
    _route(f"DELETE {_MEETING}/recordings", "Light", "recording:write",
           "cloud_recording:delete:meeting_recording", api_recordings.delete_recording),
    _route(f"DELETE {_MEETING}/recordings/{{recordingId}}", "Light", "recording:write",
           "cloud_recording:delete:recording_file", api_recordings.delete_recording_file),
    _route("GET /meetings/meeting_summaries", "Medium", "meeting_summary:read:admin",
           "meeting:read:list_summaries:admin", api_past.account_summaries),
    _route(f"GET {_MEETING}/meeting_summary", "Light", "meeting_summary:read", "meeting:read:summary",
           api_past.meeting_summary),
    _route("GET /users/{userId}/meeting_summaries", "Medium", "meeting_summary:read",
           "meeting:read:list_summaries", api_past.user_summaries),
    _route("GET /past_meetings/{meetingId}", "Light", "meeting:read", "meeting:read:past_meeting",
           api_past.past_meeting),
    _route("GET /past_meetings/{meetingId}/instances", "Medium", "meeting:read",
           "meeting:read:list_past_instances", api_past.past_instances),
    _route("GET /past_meetings/{meetingId}/participants", "Medium", "meeting:read",
           "meeting:read:list_past_participants", api_past.past_participants),
    _route("GET /past_webinars/{webinarId}/instances", "Light", "webinar:read",
           "webinar:read:list_past_instances", api_past.past_webinar_instances),
    _route("GET /past_webinars/{webinarId}/participants", "Medium", "webinar:read",
           "webinar:read:list_past_participants", api_past.past_webinar_participants),
    _route("GET /report/daily", "Heavy", "report:read:admin", "report:read:daily_usage:admin",
           api_people.daily_report),
    _route("GET /report/meetings/{meetingId}/participants", "Heavy", "report:read:admin",
           "report:read:list_meeting_participants:admin", api_past.report_participants),
)  # fmt: skip

ALL_SCOPES = sorted({scope for route in ROUTES for scope in route.granular if scope.endswith(":admin")})


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """Return the endpoint of a still encoded path below ``/v2`` and its variable parts.

    Fixed parts win over variable ones. None if there is no such endpoint.
    """
    parts = path.split("/")
    found: tuple[Route, dict[str, str]] | None = None
    for route in ROUTES:
        args = _match(route, method, parts)
        if args is not None and (found is None or len(args) < len(found[1])):
            found = route, args
    return found


def _match(route: Route, method: str, parts: list[str]) -> dict[str, str] | None:
    wanted = route.template.split("/")
    if route.method != method or len(wanted) != len(parts):
        return None
    args: dict[str, str] = {}
    for want, got in zip(wanted, parts, strict=True):
        if want.startswith("{"):
            if not got:
                return None
            args[want.strip("{}")] = got
        elif want != got:
            return None
    return args
