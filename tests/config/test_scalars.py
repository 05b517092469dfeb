"""A part of a text is found in the file, however the text is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.config.yaml_files import parse_yaml
from changewire.home.loading import load_home
from tests.engine.rig import connection, write_home

WAYS = [
    ("a: one two HERE", (1, 12)),
    ("a: 'it''s HERE'", (1, 11)),
    ('a: "\\u00e4 \\"x\\" \\n HERE"', (1, 21)),
    ("a: one\n  two\n  HERE", (3, 3)),
    ("a: |\n  one\n\n    two HERE", (4, 9)),
    ("a: >-  # folded\n  one\n  two\n  HERE", (4, 3)),
    ("é: [x, {b: é HERE}]", (1, 14)),
]


@pytest.mark.parametrize(("text", "place"), WAYS, ids=[text for text, _ in WAYS])
def test_every_way_of_writing_a_text(text: str, place: tuple[int, int]) -> None:
    document = parse_yaml(text, "a.yaml")
    (key, value), path = next(iter(document.data.items())), ["a"]
    if isinstance(value, list):
        path, value = [key, 1, "b"], value[1]["b"]  # type: ignore[list-item]
    assert document.within(path, value[: value.index("HERE")]) == place


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=30))
def test_quoted_texts_of_all_kinds(before: str) -> None:
    document = parse_yaml(f"{{a: {json.dumps(before + 'HERE', ensure_ascii=False)}}}", "a.yaml")
    line, column = document.within(["a"], before)
    assert document.text.splitlines()[line - 1][column - 1 :].startswith("HERE")


STEPS = """\
name: Names
trigger: {type: zoom.new_meeting_created, with: {user_id: me}}
when: "{{ payload.meeting.id and payload.metings }}"
steps:
  - if: "{{ 'payload.nme' == payload.nme }}"
    then:
      - use: core.log
        with:
          message: |
            A meeting, {{ payload.meeting.topic }},
              by {{ payload['evnt_type'] }}
          level: "{{ stpes.x }}"
"""


def test_an_unknown_name_is_told_at_the_line_and_column_of_its_expression(tmp_path: Path) -> None:
    write_home(tmp_path, connection("https://zoom.example.com"), names=STEPS)
    assert [(p.line, p.column, p.suggestion) for p in load_home(tmp_path, {}).problems] == [
        (3, 34, "meeting"),
        (5, 30, None),
        (11, 21, "event_type"),
        (12, 22, "steps"),
    ]
