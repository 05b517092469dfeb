"""Action files say what differs from the operation; requests are built of both."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from changewire.actions.calling import check_inputs
from changewire.actions.definition import ActionSpec, ActionType
from changewire.actions.resolving import resolve
from changewire.actions.sending import build_request
from changewire.connectors.transport.messages import Request
from changewire.errors import UsageError
from changewire.values import loads


def action(text: str) -> ActionType:
    spec = ActionSpec.model_validate({"title": "T", "description": "D.", **yaml.safe_load(text)})
    resolved = resolve("zoom", spec)
    assert resolved.amiss == []
    return ActionType("zoom.example", "zoom", resolved.spec, "zoom.yaml", None, resolved.operation)


def request(text: str, given: dict[str, Any]) -> Request:
    kind = action(text)
    return build_request(kind, check_inputs(kind, given), idempotency_key="key_1")


def body(text: str, given: dict[str, Any]) -> Any:
    sent = request(text, given).body
    return None if sent is None else loads(sent)


def test_an_operation_gives_everything_that_is_not_written() -> None:
    kind = action("{operation: recordingsList}")
    assert kind.spec.request is not None
    assert (kind.spec.request.method, kind.spec.request.path) == ("GET", "/users/{userId}/recordings")
    assert (kind.spec.label, kind.spec.items, kind.spec.paging) == ("MEDIUM", "meetings", "token")
    assert "cloud_recording:read:list_user_recordings:admin" in kind.spec.scopes.granular
    assert kind.spec.idempotency == "natural"
    user, size = kind.parameters["userId"], kind.parameters["page_size"]
    assert (user.required, size.type, size.max) == (True, "integer", 300)
    assert {"account", "connection", "all_pages", "from", "to"} <= kind.parameters.keys()


@pytest.mark.parametrize(
    ("operation", "idempotency"),
    [("meeting", "natural"), ("meetingCreate", "none"), ("meetingUpdate", "natural"), ("meetingDelete", "natural")],
)
def test_what_is_done_twice_without_harm_follows_from_the_method(operation: str, idempotency: str) -> None:
    assert action(f"{{operation: {operation}}}").spec.idempotency == idempotency
    assert action(f"{{operation: {operation}, idempotency: header}}").spec.idempotency == "header"


def test_parameters_go_where_the_operation_has_them_and_else_into_the_body() -> None:
    text = "{operation: meetingUpdate, parameters: {topic: {}, occurrence_id: {}, meeting_id: {}}}"
    sent = request(text, {"meetingId": 7, "topic": "Sales", "occurrence_id": "9"})
    assert (sent.method, sent.path, sent.query) == ("PATCH", "/meetings/7", (("occurrence_id", "9"),))
    assert loads(sent.body or b"") == {"topic": "Sales"}
    assert sent.label == "LIGHT"


def test_the_proper_name_is_the_one_of_the_api_and_others_are_accepted() -> None:
    kind = action("{operation: meetingUpdate, parameters: {meeting_id: {description: number}}}")
    assert kind.parameters["meetingId"].description == "number"
    assert "meeting_id" not in kind.parameters
    for spelling in ("meetingId", "meeting_id", "MeetingID", "meetingid"):
        assert check_inputs(kind, {spelling: 7}) == {"meetingId": 7}


SETTINGS = """
operation: meetingCreate
parameters:
  settings:
    type: object
    fields:
      host_video: {type: boolean}
      auto_recording: {enum: [local, cloud, none]}
      guests: {type: list, entries: {type: object, fields: {email: {required: true}}}}
"""


@pytest.mark.parametrize(
    ("given", "settings"),
    [
        ({"settings": {"host_video": True}}, {"host_video": True}),
        ({"settings": {"hostVideo": "true"}}, {"host_video": True}),
        ({"settings__host_video": True, "settings.new": 1}, {"host_video": True, "new": 1}),
        ({"settings": {"host_video": True}, "settings__new": "n"}, {"host_video": True, "new": "n"}),
        ({"settings": {"brand_new_field": 1}}, {"brand_new_field": 1}),
        ({"settings": {"guests": [{"email": "a@x.org"}]}}, {"guests": [{"email": "a@x.org"}]}),
    ],
)  # fmt: skip
def test_an_object_is_given_whole_or_field_by_field(given: dict[str, Any], settings: dict[str, Any]) -> None:
    assert body(SETTINGS, {"userId": "me", **given}) == {"settings": settings}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"settings": {"host_vidoe": True}}, "there is no field 'host_vidoe' in settings (did you mean 'host_video'?)"),
        ({"settings.host_vidoe": True}, "there is no field 'host_vidoe' in settings (did you mean 'host_video'?)"),
        ({"settings__auto_recording": "clout"}, "settings.auto_recording must be one of local, cloud, none, not 'clout'"
            " (did you mean 'cloud'?)"),
        ({"settings": {"guests": [{"name": "A"}]}}, "settings.guests[0].email is missing"),
        ({"settings": {"guests": [7]}}, "settings.guests[0] must be a mapping, not 7"),
        ({"settings": 7}, "settings must be a mapping, not 7"),
        ({"setings": {}}, "there is no parameter 'setings' (did you mean 'settings'?)"),
        ({"meeting_id": 1, "user_id": "a"},
            "there is no parameter 'meeting_id'; known are userId, settings, connection"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_an_object_is_told_with_its_place(given: dict[str, Any], message: str) -> None:
    kind = action(SETTINGS)
    with pytest.raises(UsageError) as caught:
        check_inputs(kind, {"userId": "me", **given} if "user_id" not in given else given)
    assert str(caught.value) == f"zoom.example: {message}"


def test_in_and_as_say_where_and_under_which_name_a_parameter_is_sent() -> None:
    text = """
operation: meetingUpdate
parameters:
  number: {as: meetingId}
  recording: {as: settings.auto_recording}
  trace: {in: header, as: X-Trace}
  further: {type: object, in: body, as: "*"}
  note: {in: none}
"""
    given = {"number": 7, "recording": "cloud", "trace": "t", "further": {"agenda": "A"}, "note": "n"}
    sent = request(text, given)
    assert sent.path == "/meetings/7"
    assert ("X-Trace", "t") in sent.headers
    assert loads(sent.body or b"") == {"settings": {"auto_recording": "cloud"}, "agenda": "A"}


def test_a_parameter_that_an_expression_uses_is_sent_only_as_that_says() -> None:
    text = """
operation: meetingRegistrantCreate
parameters: {name: {required: true}, email: {}}
request: {body: {first_name: "{{ parameters.name.split(' ') | first }}", note: "{{ idempotency_key }}"}}
"""
    given = {"meetingId": 7, "name": "Ann Lee", "email": "a@x.org"}
    assert body(text, given) == {"email": "a@x.org", "first_name": "Ann", "note": "key_1"}


def test_without_an_operation_the_method_decides_where_parameters_go() -> None:
    post = "{request: {method: POST, path: '/tickets/{id}'}, parameters: {id: {type: integer}, note: {}}}"
    assert (request(post, {"id": 7, "note": "x"}).path, body(post, {"id": 7, "note": "x"})) == (
        "/tickets/7",
        {"note": "x"},
    )
    read = "{request: {path: '/tickets'}, parameters: {state: {type: list}}}"
    assert request(read, {"state": ["new", "open"]}).query == (("state", "new"), ("state", "open"))


def test_a_sub_account_is_a_parameter_where_the_api_has_that() -> None:
    sent = request("{operation: recordingGet}", {"meetingId": "/a==", "account": "abc_1"})
    assert sent.path == "/accounts/abc_1/meetings/%252Fa%253D%253D/recordings"
    with pytest.raises(UsageError, match="no parameter 'account'"):
        request("{operation: meeting}", {"meetingId": 1, "account": "a"})


@pytest.mark.parametrize(
    ("given", "kind", "sent"),
    [
        ("2026-11-01", "date", "2026-11-01"),
        ("2026-11-01T23:30:00-05:00", "date", "2026-11-02"),
        ("2026-11-01", "date-time", "2026-11-01T00:00:00Z"),
        ("2026-11-01T10:00:00.250+02:00", "date-time", "2026-11-01T08:00:00Z"),
        ("2026-11-01T10:00:00", "date-time", "2026-11-01T10:00:00"),
    ],
)
def test_dates_and_moments_are_sent_as_apis_write_them(given: str, kind: str, sent: str) -> None:
    text = f"{{operation: meetingUpdate, parameters: {{start_time: {{type: {kind}}}}}}}"
    assert body(text, {"meetingId": 1, "start_time": given}) == {"start_time": sent}


@pytest.mark.parametrize(
    ("text", "message", "suggestion"),
    [
        ("{operation: meetingg}",
            "zoom has no operation 'meetingg'; `changewire catalog zoom WORD` finds them", "meeting"),
        ("{operation: meeting, parameters: {occurence: {}}}",
            "operation meeting takes no 'occurence' in its path or query,"
            " and has no body: leave it out, or write where it is sent (in:)", "occurrence_id"),
        ("{operation: meeting, parameters: {number: {in: path}}}",
            "operation meeting takes no 'number' in its path or query", None),
        ("{request: {path: '/x/{idd}'}, parameters: {id: {}}}",
            "the path asks for 'idd', which is no parameter of this action", "id"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_operation_is_told(text: str, message: str, suggestion: str | None) -> None:
    spec = ActionSpec.model_validate({"title": "T", "description": "D.", **yaml.safe_load(text)})
    assert [(one.message, one.suggestion) for one in resolve("zoom", spec).amiss] == [(message, suggestion)]
