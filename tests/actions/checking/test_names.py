from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.actions.checking.names import entry_shape, expression_shape, guards, name_problems
from changewire.actions.checking.shapes import (
    ANYTHING,
    FAILURE,
    LOOP,
    LOOP_OUTPUT,
    Entries,
    Fields,
    Shape,
    Steps,
    merged,
    names_of,
    payload_shape,
    shape_of,
)

PAYLOAD = {
    "event_type": "recording_completed",
    "meeting": {
        "id": 85746065432,
        "topic": "Weekly sync",
        "start_time": "2026-11-21T10:00:00Z",
        "start_url": "https://x",
        "settings": {"audio": "both", "host_video": True},
        "recording_files": [{"id": "a", "file_type": "MP4"}, {"id": "b", "download_url": "https://x"}],
        "notes": [],
        "tracking": None,
    },
}
STEPS = Steps(
    {
        "files": Fields({"topic": ANYTHING, "recording_files": shape_of([{"download_url": "x", "status": "done"}])}),
        "saved": Fields({"path": ANYTHING, "size": ANYTHING}, complete=True),
        "asked": Fields({"status": ANYTHING, "body": ANYTHING}, complete=True),
        "loop_1": LOOP_OUTPUT,
    },
    later=frozenset({"told"}),
)
NAMES = names_of(payload_shape(PAYLOAD), STEPS, file=shape_of({"download_url": "x"}), loop=LOOP, total=ANYTHING)


def told(value: Any, names: dict[str, Shape] = NAMES) -> list[str]:
    return [str(problem) for problem in name_problems(value, names)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ steps.fiels.recording_files }}", "there is no step 'fiels' before this one (did you mean 'files'?)"),
        ("{{ steps['fiels'] | default('') }}", "there is no step 'fiels' before this one (did you mean 'files'?)"),
        ("{{ steps.fiels is defined }}", "there is no step 'fiels' before this one (did you mean 'files'?)"),
        ("{{ steps.zzz }}", "there is no step 'zzz' before this one"),
        ("{{ steps.told.message }}", "step 'told' comes after this one, so it has no output yet"),
        ("{{ paylod.meeting }}", "there is no name 'paylod' here (did you mean 'payload'?)"),
        ("{% if nix > 1 %}{% endif %}", "there is no name 'nix' here"),
        ("{{ payload.meeting.topik }}", "there is no field 'topik' in payload.meeting (did you mean 'topic'?)"),
        ("{{ payload['meeting']['tpoic'] }}", "there is no field 'tpoic' in payload.meeting (did you mean 'topic'?)"),
        (
            "{{ payload.meeting.settings.adio }}",
            "there is no field 'adio' in payload.meeting.settings (did you mean 'audio'?)",
        ),
        ("{{ payload.meting.topic }}", "there is no field 'meting' in payload (did you mean 'meeting'?)"),
        ("{{ payload.webinar }}", "there is no field 'webinar' in payload; it has event_type, meeting"),
        (
            "a {{ payload.meeting.recording_files[0].file_tpye }}",
            "there is no field 'file_tpye' in payload.meeting.recording_files.0 (did you mean 'file_type'?)",
        ),
        (
            "{{ payload.meeting.recording_files | selectattr('id') | first | field('x', payload.meeting.topik) }}",
            "there is no field 'topik' in payload.meeting (did you mean 'topic'?)",
        ),
        (
            "{{ (payload.meeting.recording_files | first).downlod_url }}",
            "there is no field 'downlod_url' (did you mean 'download_url'?)",
        ),
        (
            "{% for f in steps.files.recording_files %}{{ f.downlod_url }}{% endfor %}",
            "there is no field 'downlod_url' in f (did you mean 'download_url'?)",
        ),
        ("{{ steps.saved.sise }}", "there is no field 'sise' in steps.saved (did you mean 'size'?)"),
        ("{{ steps.saved.content }}", "there is no field 'content' in steps.saved; it has path, size"),
        ("{{ steps.loop_1.items_done }}", "there is no field 'items_done' in steps.loop_1; it has count, results"),
        ("{{ event.keys }}", None),
        ("{{ event.kei }}", "there is no field 'kei' in event (did you mean 'key'?)"),
        ("{{ run.name }}", "there is no field 'name' in run; it has id, idempotency_key, workflow"),
        ("{{ loop.index0 }}", "there is no field 'index0' in loop (did you mean 'index'?)"),
        ("{{ file.dowload_url }}", "there is no field 'dowload_url' in file (did you mean 'download_url'?)"),
        ("{{ failure.message }}", "there is no name 'failure' here (did you mean 'file'?)"),
        (
            "{{ 1 if payload.meeting.topik else 2 }}",
            "there is no field 'topik' in payload.meeting (did you mean 'topic'?)",
        ),
        ("{{ payload.meeting.topik | upper }}", "there is no field 'topik' in payload.meeting (did you mean 'topic'?)"),
        # what is right, or may be
        ("{{ payload.meeting.topic }} {{ payload.event_type }} {{ event.id }} {{ connection.name }}", None),
        ("{{ payload.meeting.agenda }}", None),
        ("{{ payload.meeting.start }}", None),
        ("{{ payload.meeting.recording_file }}", None),
        ("{{ payload.meeting.topik | default('') }}", None),
        ("{{ payload.meeting.topik.far.below | d('') }}", None),
        ("{{ payload.meeting.topik if payload.meeting.topik is defined else '' }}", None),
        ("{% if payload.meeting.topik is defined %}{{ payload.meeting.topik.x }}{% endif %}", None),
        ("{{ 'topik' in payload.meeting and payload.meeting.topik }}", None),
        ("{{ payload.webinar | default(none) }}", None),
        ("{{ nix | default(1) }}", None),
        ("{{ nix is defined }}", None),
        ("{{ payload.meeting.get('topik') }} {{ payload.items() }}", None),
        ("{{ payload.meeting.notes[0].anything }} {{ payload.meeting.tracking.x }}", None),
        ("{{ payload.meeting.topic.upper() }}", None),
        ("{{ payload.meeting[total].x }}", None),
        ("{{ steps.asked.body.anything.at.all }}", None),
        ("{{ steps[0].x }} {{ steps.keys() }}", None),
        ("{{ steps.files.password }} {{ total.x.y }} {{ loop.first }}", None),
        ("{% set x = payload %}{{ x.nix }}", None),
        ("{% for k, v in payload.items() %}{{ k }}{{ v.x }}{{ loop.index0 }}{% endfor %}", None),
        ("{% macro m(a) %}{{ a.b }}{% endmacro %}{{ m(range(3)) }}", None),
        ("{% with y = 1 %}{{ y }}{% endwith %}", None),
        ("{{ a b }}", None),
        ("no expression with payload.topik", None),
    ],
)
def test_a_name_that_cannot_be_there_is_told(text: str, message: str | None) -> None:
    assert told(text) == ([] if message is None else [message])


def test_problems_have_their_place_and_say_how_sure_they_are() -> None:
    value = {"a": ["x", "{{ payload.meeting.topik }}"], "b": {"c": "{{ steps.fiels }}"}, "d": 5}
    problems = name_problems(value, NAMES, ("with",))
    assert [(one.path, one.certain) for one in problems] == [(("with", "a", 1), False), (("with", "b", "c"), True)]


def test_the_same_name_is_told_once_for_each_text() -> None:
    assert len(told("{{ payload.meeting.topik }} {{ payload.meeting.topik }}")) == 1


def test_a_condition_around_a_step_guards_what_is_in_it() -> None:
    guarded = guards("{{ payload.meeting.topik is defined and 'x' in steps.saved }}")
    assert guarded == {("payload", "meeting", "topik"), ("steps", "saved", "x")}
    assert name_problems("{{ payload.meeting.topik }}{{ steps.saved.x }}", NAMES, (), guarded) == []
    assert told({"when": "{{ payload.meeting.topik is defined }}", "with": {"a": "{{ payload.meeting.topik }}"}}) == []


def test_after_a_failure_there_is_more_to_see() -> None:
    names = names_of(payload_shape(PAYLOAD), STEPS, failure=FAILURE)
    assert told("{{ failure.message }} {{ failure.step }}", names) == []
    assert told("{{ failure.mesage }}", names) == ["there is no field 'mesage' in failure (did you mean 'message'?)"]


def test_an_entry_of_a_list_has_the_shape_of_all_of_them() -> None:
    files = "{{ payload.meeting.recording_files | selectattr('id') | list }}"
    shape = entry_shape(files, NAMES)
    assert isinstance(shape, Fields)
    assert shape.of.keys() == {"id", "file_type", "download_url"}
    assert entry_shape("{{ range(3) }}", NAMES) == entry_shape(["a"], NAMES) == ANYTHING
    assert isinstance(expression_shape(" {{ payload.meeting }}\n", NAMES), Fields)
    assert expression_shape("{{ payload.meeting }}!", NAMES) == ANYTHING


def test_several_triggers_make_one_payload() -> None:
    one = payload_shape({"event_type": "x", "meeting": {"topic": "x"}})
    other = payload_shape({"event_type": "x", "webinar": {"topic": "x"}})
    names = names_of(merged([one, other]), STEPS)
    assert told("{{ payload.meeting.topic }}{{ payload.webinar.topic }}", names) == []
    assert told("{{ payload.metting }}", names) == ["there is no field 'metting' in payload (did you mean 'meeting'?)"]
    assert merged([Entries(ANYTHING), one]) == merged([]) == ANYTHING


def test_of_what_any_api_answers_nothing_is_told() -> None:
    names = names_of(payload_shape({"event_type": "new_item", "item": {"id": 17, "title": "x"}}, sampled=False), STEPS)
    assert told("{{ payload.item.titel }} {{ payload.item.a.b[0].c }}", names) == []
    assert told("{{ payload.itm }}", names) == ["there is no field 'itm' in payload (did you mean 'item'?)"]


@given(st.sampled_from(sorted(PAYLOAD["meeting"])), st.text("abcdefgh_", min_size=1))
def test_a_field_of_the_sample_is_never_told(name: str, other: str) -> None:
    assert told(f"{{{{ payload.meeting.{name} }}}} {{{{ payload.meeting.x_{other} | default(1) }}}}") == []
