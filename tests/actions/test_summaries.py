from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from changewire.actions.calling import check_inputs, perform
from changewire.actions.markdown import line, tamed
from changewire.errors import ApiError, FailureClass
from changewire.sandbox import OWNER_EMAIL, Sandbox
from tests.actions.rig import Rig

HELD = 85512340003
PARTS: dict[str, Any] = {
    "summary_title": "Rollout <script>alert(1)</script>",
    "summary_overview": "The customer asked for a *plan*.\n# And more",
    "summary_details": [
        {"label": "First [phase](javascript:alert(1))", "summary": "1. In January.\n- then ![x](http://evil/y.png)"},
        {"label": "", "summary": "Nothing else."},
    ],
    "next_steps": ["Dana: send the draft_plan", "Robin: <b>call</b>"],
}
WRITTEN = """\
# Rollout \\<script\\>alert(1)\\</script\\>

Customer call · {start} – {end}

## Overview

The customer asked for a \\*plan\\*.

\\# And more

## Details

### First \\[phase\\](javascript:alert(1))

1\\. In January.

\\- then !\\[x\\](http://evil/y.png)

Nothing else.

## Next steps

- Dana: send the draft\\_plan
- Robin: \\<b\\>call\\</b\\>
"""


def download(rig: Rig, **given: Any) -> Any:
    action = rig.action("zoom.download_summary")
    return perform(action, check_inputs(action, given), rig.context("work"))


def held(sandbox: Sandbox, content: str = "x", **fields: Any) -> tuple[str, dict[str, Any]]:
    """A new session of the meeting with a summary: its UUID, and the summary as it is stored."""
    uuid = sandbox.control("end_meeting", meeting_id=HELD)["uuid"]
    sandbox.control("add_summary", uuid=uuid, content=content, **fields)
    (session,) = [one for one in sandbox.world.sessions.values() if one.uuid == uuid]
    assert session.summary is not None
    return uuid, session.summary


def test_a_summary_becomes_a_markdown_file_in_which_all_of_it_is_text(zoom: Rig, sandbox: Sandbox) -> None:
    uuid, stored = held(sandbox, **PARTS)
    told = download(zoom, meetingId=uuid, folder="{topic}")
    text = (zoom.home / told["path"]).read_text()
    assert text == WRITTEN.format(start=stored["meeting_start_time"], end=stored["meeting_end_time"])
    day = stored["meeting_start_time"][:10]
    assert told["path"] == f"state/downloads/Customer call/{day} Customer call.md"
    assert (told["title"], told["uuid"], told["size"]) == (PARTS["summary_title"], uuid, len(text.encode()))


def test_a_number_means_the_latest_session(zoom: Rig, sandbox: Sandbox) -> None:
    sandbox.control("clock", advance_s=3600)
    uuid, _ = held(sandbox, **PARTS)
    assert download(zoom, meetingId=f"{HELD}"[:3] + " " + f"{HELD}"[3:])["uuid"] == uuid


def test_the_same_summary_is_one_file_and_another_one_is_another(zoom: Rig, sandbox: Sandbox) -> None:
    uuid, _ = held(sandbox, **PARTS)
    first = download(zoom, meetingId=uuid, file_name="x.md")["path"]
    assert download(zoom, meetingId=uuid, file_name="x.md")["path"] == first
    sandbox.control("edit_summary", uuid=uuid, summary_title="Another title", edited_summary={"next_steps": ["None"]})
    assert download(zoom, meetingId=uuid, file_name="x.md")["path"] == "state/downloads/x (2).md"
    assert download(zoom, meetingId=uuid, file_name="x.md", overwrite=True)["path"] == first
    text = (zoom.home / first).read_text()
    assert text.startswith("# Another title\n")
    assert text.endswith("## Next steps\n\n- None\n")


def test_where_only_the_text_was_edited_the_text_counts(zoom: Rig, sandbox: Sandbox) -> None:
    uuid, _ = held(sandbox, **PARTS)
    sandbox.control("clock", advance_s=60)
    sandbox.control("edit_summary", uuid=uuid, content="## New\n- **one** [x](javascript:y)\n<img src=x>")
    text = (zoom.home / download(zoom, meetingId=uuid)["path"]).read_text()
    assert text.endswith("\n\n## New\n- **one** &#91;x&#93;(javascript:y)\n&lt;img src=x>\n")
    assert "Overview" not in text


def test_a_summary_without_parts_is_its_text(zoom: Rig, sandbox: Sandbox) -> None:
    uuid, _ = held(sandbox, content="All went well.\n- one")
    assert (zoom.home / download(zoom, meetingId=uuid)["path"]).read_text().endswith("\n\nAll went well.\n- one\n")


def test_a_summary_that_is_not_there_yet_is_worth_another_try(zoom: Rig, sandbox: Sandbox) -> None:
    uuid = sandbox.control("end_meeting", meeting_id=HELD)["uuid"]
    number = sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic="New")["meeting_id"]
    for meeting in (uuid, number):
        with pytest.raises(ApiError) as caught:
            download(zoom, meetingId=meeting)
        assert caught.value.failure is FailureClass.NOT_YET


@pytest.mark.parametrize(
    "odd", [{"summary_details": "text"}, {"next_steps": "one"}, {"summary_details": [1, None, {}]}]
)
def test_odd_forms_are_written_all_the_same(zoom: Rig, sandbox: Sandbox, odd: Any) -> None:
    uuid, _ = held(sandbox, **(PARTS | {"edited_summary": None} | odd))
    assert download(zoom, meetingId=uuid)["size"] > 0


def tokens(text: str) -> list[Token]:
    found = MarkdownIt("commonmark").parse(text)
    return [inner for token in found for inner in [token, *(token.children or [])]]


@settings(deadline=None)
@given(st.text(st.sampled_from("ab \\`*_{}[]()#+-.!|<>&;~=:1/\"'\n\t$")) | st.text())
def test_a_line_shows_exactly_its_text_and_nothing_else(text: str) -> None:
    made = line(text)
    assert "\n" not in made
    for frame in ("{}", "# {}", "- {}"):
        shown = [t.content for t in tokens(frame.format(made)) if t.type in {"text", "text_special"}]
        assert "".join(shown) == " ".join("".join(c if c.isprintable() else " " for c in text).split())


@settings(deadline=None)
@given(st.text(st.sampled_from("ab \\`*_{}[]()#+-.!|<>&;~=:1/\"'\n\t")) | st.text())
def test_tamed_markdown_has_no_html_links_or_images(text: str) -> None:
    kinds = {token.type for token in tokens(tamed(text))}
    assert not kinds & {"html_inline", "html_block", "link_open", "image"}
