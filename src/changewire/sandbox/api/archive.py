"""Endpoints of archived files."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from changewire.sandbox.api.call import Call, Reply
from changewire.sandbox.api.crud import listing
from changewire.sandbox.clock import iso
from changewire.sandbox.errors import JSON, ApiError, no_meeting, validation

_LONGEST = timedelta(days=7)


def list_archives(call: Call) -> Reply:
    """GET /archive_files; a window is at most a week long."""
    since, until, rows = _window(call)
    http, page = listing(call, [_shown(call, row) for row in rows])
    return http, {"from": since, "to": until, **(page or {})}


def statistics(call: Call) -> Reply:
    """GET /archive_files/statistics: files by extension and by status."""
    since, until, rows = _window(call)
    files = [file for row in rows for file in row["archive_files"]]
    return 200, {
        "from": since, "to": until, "total_records": len(files),
        "statistic_by_file_extension": dict(Counter(f"{f['file_extension'].lower()}_file_count" for f in files)),
        "statistic_by_file_status": dict(Counter(f"{f['status']}_file_count" for f in files)),
    }  # fmt: skip


def get_archive(call: Call) -> Reply:
    """GET /past_meetings/{meetingUUID}/archive_files."""
    return 200, _shown(call, _archive(call))


def delete_archive(call: Call) -> Reply:
    """DELETE /past_meetings/{meetingUUID}/archive_files."""
    call.world.drop("/archive_files", _archive(call)["uuid"])
    return call.done()


def update_file(call: Call) -> Reply:
    """PATCH /archive_files/{fileId}: whether it is deleted by itself."""
    if not isinstance(call.body["auto_delete"], bool):
        raise validation("auto_delete")
    for row in call.world.shelf("/archive_files").values():
        for file in row["archive_files"]:
            if file["id"] == call.word("fileId"):
                file["auto_delete"] = call.body["auto_delete"]
                return call.done()
    raise ApiError(404, 3001, f"Archived file does not exist: {call.word('fileId')}.")


def _window(call: Call) -> tuple[str, str, list[JSON]]:
    now = call.world.now()
    until = call.moment("to", last=True) if call.query.get("to") else now
    since = call.moment("from") if call.query.get("from") else until - _LONGEST
    if not timedelta(0) <= until - since <= _LONGEST:
        raise validation("from", "to")
    field = call.choice("query_date_type", "meeting_start_time", "archive_complete_time")
    key = "start_time" if field == "meeting_start_time" else "complete_time"
    first, last = iso(since), iso(until)
    return first, last, [row for row in call.world.shelf("/archive_files").values() if first <= row[key] <= last]


def _archive(call: Call) -> JSON:
    uuid = call.uuid_or_number("meetingUUID")
    found = call.world.shelf("/archive_files").get(uuid)
    if found is None:
        raise no_meeting(uuid)
    return found


def _shown(call: Call, row: JSON) -> JSON:
    site = call.views.site
    files = [{**f, "download_url": f"{site}/rec/archive/download/{f['id']}"} for f in row["archive_files"]]
    return {**row, "archive_files": files}


HANDLERS = {
    "GET /archive_files": list_archives,
    "GET /archive_files/statistics": statistics,
    "PATCH /archive_files/{fileId}": update_file,
    "GET /past_meetings/{meetingUUID}/archive_files": get_archive,
    "DELETE /past_meetings/{meetingUUID}/archive_files": delete_archive,
}
