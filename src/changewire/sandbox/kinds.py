"""What is special about the lists of plain records."""

from __future__ import annotations

from changewire.sandbox.base import WorldBase
from changewire.sandbox.errors import JSON
from changewire.sandbox.records import Collection


def _registrant(world: WorldBase) -> JSON:
    texts = (
        "first_name", "last_name", "email", "address", "city", "country", "zip", "state", "phone", "industry",
        "org", "job_title", "purchasing_time_frame", "role_in_purchase_process", "no_of_employees", "comments",
    )  # fmt: skip
    return {
        "id": world.ids.word(), **dict.fromkeys(texts, ""), "custom_questions": [], "status": "approved",
        "create_time": world.stamp(), "participant_pin_code": int(world.ids.digits(6)),
    }  # fmt: skip


def _poll(world: WorldBase) -> JSON:
    return {"id": world.ids.word(), "title": "", "status": "notstart", "anonymous": False, "poll_type": 2,
            "questions": []}  # fmt: skip


def _panelist(world: WorldBase) -> JSON:
    return {"id": world.ids.word(), "name": "", "email": "", "join_url": "", "virtual_background_id": "",
            "name_tag_id": ""}  # fmt: skip


def _view(world: WorldBase) -> JSON:
    return {"date_time": world.stamp(), "type": "by_view", "name": "", "email": "", "duration": 0}


_NO_POLL = (404, 404, "Meeting Poll not found.")
_SESSIONS = tuple(
    kind
    for place in ("meetings", "webinars")
    for kind in (
        Collection(f"/{place}/{{}}/registrants", "registrant", defaults=_registrant),
        Collection(f"/{place}/{{}}/polls", "poll", defaults=_poll, missing=_NO_POLL),
    )
)
_ALL = (
    *_SESSIONS,
    Collection("/webinars/{}/panelists", "panelist", defaults=_panelist),
    Collection("/recordings/{}/registrants", "recording_registrant", defaults=_registrant),
    Collection("/recordings/{}/analytics", "recording_view", defaults=_view),
)

COLLECTIONS = {kind.path: kind for kind in _ALL}
