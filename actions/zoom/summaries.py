"""The code of the summary actions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from changewire.actions.context import ActionContext
from changewire.actions.downloading import FOLDER, fill_template, put
from changewire.actions.files import place_below, safe_name, write_whole
from changewire.actions.inputs import revealed
from changewire.actions.markdown import line, paragraphs, tamed
from changewire.connectors.client import Client
from changewire.connectors.path_segments import encode_segment
from changewire.connectors.transport.messages import Request
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.values import Json, digest


def download_summary(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Save what AI Companion wrote about a meeting as a Markdown file below ``state/downloads``."""
    values = revealed(dict(values))
    if context.client is None:
        raise UsageError("zoom.download_summary needs a connection of zoom")
    uuid = _uuid(context, context.client, str(values["meetingId"]))
    summary = _ask(context, context.client, f"/meetings/{encode_segment(uuid, uuid=True)}/meeting_summary", "LIGHT")
    names = {
        "topic": summary.get("meeting_topic"),
        "start_time": summary.get("meeting_start_time"),
        "id": summary.get("meeting_id"),
        "uuid": summary.get("meeting_uuid") or uuid,
        "host_email": summary.get("meeting_host_email"),
    }
    name = values.get("file_name") or fill_template("{date} {topic}", names) + ".md"
    root, text = context.home / FOLDER, markdown(summary).encode()
    path = place_below(root, fill_template(values["folder"], names), safe_name(name, "summary.md"))
    content = len(text), digest(text, 64)
    write = partial(write_whole, write=lambda file: file.write(text))
    path = put(root, path, content, overwrite=values["overwrite"], write=write)
    return {
        "path": str(path.relative_to(context.home)),
        "size": content[0],
        "sha256": content[1],
        "title": summary.get("summary_title"),
        "uuid": names["uuid"],
    }


def _uuid(context: ActionContext, client: Client, meeting: str) -> str:
    """The session that is meant: a number stands for the latest one that ended."""
    number = re.sub(r"[ -]", "", meeting)
    if not number.isdigit():
        return meeting
    found = _ask(context, client, f"/past_meetings/{number}/instances", "MEDIUM").get("meetings")
    held = [one for one in found or () if isinstance(one, dict) and one.get("uuid")]
    if not held:
        raise ApiError(f"no session of meeting {meeting} has ended so far", FailureClass.NOT_YET)
    return str(max(held, key=lambda one: str(one.get("start_time") or ""))["uuid"])


def _ask(context: ActionContext, client: Client, path: str, label: str) -> dict[str, Any]:
    data = client.send(Request("GET", path, label=label), deadline=context.deadline).data
    if not isinstance(data, dict):
        raise ApiError(f"the answer to {path} is no object", FailureClass.BROKEN)
    return data


def markdown(summary: Mapping[str, Any]) -> str:
    """A summary as Markdown: title, overview, details, next steps. Where somebody edited it, what they wrote.

    What people and machines wrote is text here: it makes no links, no images and no HTML.
    """
    title = summary.get("summary_title") or summary.get("meeting_topic") or "Meeting summary"
    content = summary.get("summary_content")
    sections = [] if _only_content_is_new(summary) else list(_sections(summary))
    if not sections and isinstance(content, str) and content.strip():
        sections = [tamed(content)]
    return "\n\n".join([f"# {line(title)}", *_held(summary), *sections]) + "\n"


def _only_content_is_new(summary: Mapping[str, Any]) -> bool:
    """Whether somebody edited the text as a whole, so that its parts are those from before."""
    edited = summary.get("summary_last_modified_time") != summary.get("summary_created_time")
    return edited and bool(summary.get("summary_content")) and not summary.get("edited_summary")


def _sections(summary: Mapping[str, Any]) -> Iterator[str]:
    edited = summary.get("edited_summary")
    text = (
        {**summary, **{name: value for name, value in edited.items() if value}} if isinstance(edited, dict) else summary
    )
    steps = text.get("next_steps") or []
    details, listed = list(_details(text.get("summary_details"))), steps if isinstance(steps, list) else [steps]
    if not details and not listed and text.get("summary_content"):
        return
    yield from _section("Overview", list(paragraphs(text.get("summary_overview"))))
    yield from _section("Details", details)
    yield from _section("Next steps", ["\n".join(f"- {line(step)}" for step in listed)] if listed else [])


def _held(summary: Mapping[str, Any]) -> Iterator[str]:
    moments = [str(summary.get(name) or "") for name in ("meeting_start_time", "meeting_end_time")]
    words = [line(summary.get("meeting_topic") or ""), line(" – ".join(moment for moment in moments if moment))]
    if any(words):
        yield " · ".join(word for word in words if word)


def _section(name: str, blocks: list[str]) -> list[str]:
    return [f"## {name}", *blocks] if blocks else []


def _details(details: Json) -> Iterator[str]:
    if not isinstance(details, list):
        yield from paragraphs(details)
        return
    for one in details:
        if isinstance(one, dict):
            if one.get("label"):
                yield f"### {line(one['label'])}"
            yield from paragraphs(one.get("summary"))
        else:
            yield from paragraphs(one)
