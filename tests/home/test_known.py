from __future__ import annotations

from pathlib import Path

import pytest

from changewire.actions.checking.names import name_problems
from changewire.actions.checking.shapes import ANYTHING, Fields, Steps, names_of
from changewire.catalog import load_catalog
from changewire.home.known import Known
from changewire.triggers.loading import sample_scope

ROOT = Path(__file__).parents[2]
KNOWN = Known(load_catalog(ROOT))


@pytest.mark.parametrize("name", sorted(KNOWN.catalog.triggers))
def test_every_trigger_type_tells_the_fields_of_its_payload(name: str) -> None:
    shape, payload = KNOWN.payload([name]), KNOWN.catalog.triggers[name].payload
    if isinstance(payload, str):
        assert shape == ANYTHING, "what others raise may hold anything"
        return
    assert isinstance(shape, Fields)
    assert shape.complete
    assert shape.of.keys() == payload.keys()
    assert KNOWN.payload([name, "zoom.no_such"]) == ANYTHING
    assert sample_scope(KNOWN.catalog.triggers[name])


def test_outputs_are_known_from_what_actions_document() -> None:
    shape = KNOWN.output("zoom.get_meeting_recordings")
    assert isinstance(shape, Fields)
    assert not shape.complete
    assert KNOWN.output("zoom.nix") == ANYTHING


def test_a_workflow_is_held_against_its_trigger_and_its_steps() -> None:
    steps = Steps({"files": KNOWN.output("zoom.get_meeting_recordings")})
    names = names_of(KNOWN.payload(["zoom.meeting_recording_changed"]), steps)
    text = "{{ payload.meeting_recordin.topic }} {{ steps.files.recording_files[0].downlod_url }} {{ steps.files.x }}"
    assert [str(one) for one in name_problems(text, names)] == [
        "there is no field 'meeting_recordin' in payload (did you mean 'meeting_recording'?)",
        "there is no field 'downlod_url' in steps.files.recording_files.0 (did you mean 'download_url'?)",
    ]
