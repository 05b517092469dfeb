"""What would be told as deleted, over or new and is not: one trap, one test."""

from __future__ import annotations

import pytest

from tests.triggers.account import DAY, USER, Account

OTHER = "ari.member+zoom@example.com"
EMPTY = {"kind": "empty_200", "form": "list"}


class TestDeletions:
    def test_a_meeting_handed_over_is_not_deleted(self, account: Account) -> None:
        number = account.meeting()
        account.watch("meeting_deleted", user_id=USER)
        account.do("transfer_meeting", meeting_id=number, user_id=OTHER)
        assert [account.poll() for _ in range(3)] == [[]] * 3
        account.do("transfer_meeting", meeting_id=number, user_id=USER)
        assert account.poll() == []
        account.do("delete_meeting", meeting_id=number)
        assert [*account.types(), *account.types()] == ["meeting_deleted"]

    def test_a_number_that_lapses_is_not_a_deleted_meeting(self, account: Account) -> None:
        account.meeting(topic="Soon over")
        account.watch("meeting_deleted", user_id=USER)
        for _ in range(4):
            assert account.after(11 * DAY).poll() == []

    def test_a_meeting_that_is_over_can_still_be_deleted(self, account: Account) -> None:
        number = account.meeting()
        account.watch("meeting_deleted", user_id=USER)
        account.do("end_meeting", meeting_id=number)
        account.after(9 * DAY).do("delete_meeting", meeting_id=number)
        assert [*account.types(), *account.types()] == ["meeting_deleted"]
        assert account.running.events[-1].payload["meeting"]["id"] == number

    @pytest.mark.parametrize(
        ("kind", "parameters"), [("meeting_deleted", {"user_id": USER}), ("user_deleted", {}), ("webinar_deleted", {})]
    )
    def test_a_list_that_is_empty_for_a_while_deletes_nothing(
        self, account: Account, kind: str, parameters: dict[str, str]
    ) -> None:
        account.meeting()
        account.webinar()
        account.watch(kind, **parameters)
        account.do("faults", match="GET /v2/users", **EMPTY)
        assert [account.poll() for _ in range(5)] == [[]] * 5
        account.do("clear_faults")
        assert [account.poll() for _ in range(2)] == [[]] * 2

    def test_what_cannot_be_found_out_leaves_everything_as_it_is(self, account: Account) -> None:
        number = account.meeting()
        account.watch("meeting_deleted", user_id=USER)
        account.do("delete_meeting", meeting_id=number)
        account.poll()
        account.do("faults", match=f"GET /v2/meetings/{number}", kind="status", status=503, times=1)
        assert "503" in account.failing()
        account.after(DAY)
        assert account.types() == ["meeting_deleted"]

    def test_who_is_deactivated_is_not_deleted(self, account: Account) -> None:
        user = account.do("create_user", email="kim@example.com")["user_id"]
        account.watch("user_deleted")
        account.do("set_user_status", user_id=user, status="inactive")
        assert [account.poll() for _ in range(3)] == [[]] * 3
        account.do("set_user_status", user_id=user, status="pending")  # in neither list
        assert [account.poll() for _ in range(3)] == [[]] * 3
        account.do("delete_user", user_id=user)
        account.after(DAY)
        assert [word for _ in range(25) for word in account.types()] == ["user_deleted"]

    def test_a_member_list_that_is_empty_once_loses_nobody(self, account: Account) -> None:
        group = account.do("create_group", name="Desk")["id"]
        account.do("add_group_member", group_id=group, user_id=USER)
        account.watch("group_members_changed", group_id=group)
        account.do("faults", match="GET /v2/groups", times=1, **EMPTY)
        assert [account.poll() for _ in range(3)] == [[]] * 3


class TestSessions:
    def test_a_session_missing_from_the_list_of_what_runs_is_not_over(self, account: Account) -> None:
        number = account.meeting()
        account.do("start_meeting", meeting_id=number)
        account.watch_all(meeting_started=({"user_id": USER}, ""), meeting_ended=({"user_id": USER}, ""))
        account.do("faults", match="GET /v2/users/.*type=live", **EMPTY)
        assert [account.poll() for _ in range(3)] == [[]] * 3
        account.do("clear_faults")
        assert account.poll() == []
        account.do("end_meeting", meeting_id=number)
        (event,) = account.poll()
        assert (event.event_type, event.payload["meeting"]["end_time"][:10]) == ("meeting_ended", "2026-11-21")

    def test_the_next_session_of_a_meeting_begins_and_ends_by_itself(self, account: Account) -> None:
        number = account.meeting()
        account.watch_all(meeting_started=({"user_id": USER}, ""), meeting_ended=({"user_id": USER}, ""))
        told = []
        for _ in range(2):
            account.do("start_meeting", meeting_id=number)
            told += account.types()
            account.do("end_meeting", meeting_id=number)
            told += account.types()
        assert told == ["meeting_started", "meeting_ended"] * 2

    def test_the_same_question_in_the_next_session_is_another_one(self, account: Account) -> None:
        number = account.webinar()
        account.do("end_webinar", webinar_id=number)
        account.do("ask_question", webinar_id=number, question="When?")
        account.watch("new_webinar_question", webinar_id=str(number))
        account.after(DAY).do("end_webinar", webinar_id=number)
        account.do("ask_question", webinar_id=number, question="When?")
        assert account.types() == ["question_asked"]

    @pytest.mark.parametrize(("kind", "of"), [("meeting", "uuid"), ("webinar", "webinar_id")])
    def test_questions_that_are_alike_are_as_many_as_there_are(self, account: Account, kind: str, of: str) -> None:
        number = getattr(account, kind)()
        session = account.do(f"end_{kind}", **{f"{kind}_id": number})
        asked = {of: {"uuid": session["uuid"], "webinar_id": number}[of], "question": "When?", "again": True}
        account.do("ask_question", **asked)
        account.do("ask_question", **asked)
        account.do("switch", shuffle_lists=True)
        account.watch(f"new_{kind}_question", **{f"{kind}_id": str(number)})
        assert account.poll() == []
        account.do("ask_question", **asked)
        account.do("ask_question", **asked)
        events = account.poll()
        assert [event.event_type for event in events] == ["question_asked"] * 2
        assert len({event.id for event in events}) == len({event.key for event in events}) == 2
        assert [account.poll() for _ in range(5)] == [[]] * 5
        for answer in ("Now.", "Soon."):
            account.do("ask_question", **{**asked, "again": False}, answer=answer)
            (event,) = account.poll()
            assert (event.event_type, event.payload["question"]["answer"]) == ("question_answered", answer)
        assert [account.poll() for _ in range(5)] == [[]] * 5

    @pytest.mark.parametrize("kind", ["meeting", "webinar"])
    def test_an_answer_without_questions_loses_and_repeats_none_of_those_alike(
        self, account: Account, kind: str
    ) -> None:
        number = getattr(account, kind)()
        account.do(f"end_{kind}", **{f"{kind}_id": number})
        asked = {f"{kind}_id": number, "question": "When?", "again": True}
        account.do("ask_question", **asked)
        account.do("ask_question", **asked)
        account.watch(f"new_{kind}_question", **{f"{kind}_id": str(number)})
        for fault in ({"kind": "status", "status": 404, "body": {"code": 3001, "message": "Gone."}}, EMPTY):
            account.do("faults", match=f"GET /v2/past_{kind}s/.*/qa", times=2, **fault)
            assert [account.poll() for _ in range(4)] == [[]] * 4
        account.do("ask_question", **asked)
        assert account.types() == ["question_asked"]

    @pytest.mark.parametrize("kind", ["meeting", "webinar"])
    def test_answers_to_a_poll_that_are_alike_are_as_many_as_there_are(self, account: Account, kind: str) -> None:
        number = getattr(account, kind)()
        account.do(f"end_{kind}", **{f"{kind}_id": number})
        told = {f"{kind}_id": number, "polling_id": "p", "date_time": "2026-11-21T09:00:00Z"}
        account.do("answer_poll", **told)
        account.watch(f"new_{kind}_poll_result", **{f"{kind}_id": str(number)})
        account.do("answer_poll", **told)
        account.do("answer_poll", **told, answer="Bad")
        events = account.poll()
        assert sorted(event.payload["result"]["answer"] for event in events) == ["Bad", "Good"]
        account.do("switch", shuffle_lists=True)
        assert [account.poll() for _ in range(5)] == [[]] * 5

    def test_a_second_transcript_of_one_session_is_told_as_well(self, account: Account) -> None:
        number = account.meeting()
        account.do("end_meeting", meeting_id=number, recording="completed")
        account.do("add_recording_file", meeting_id=number, file_type="TIMELINE")
        account.watch("new_transcript", user_id=USER)
        for start in ("2026-11-21T09:10:00Z", "2026-11-21T09:40:00Z"):
            account.do("add_recording_file", meeting_id=number, file_type="TRANSCRIPT", recording_start=start)
            (event,) = account.poll()
            assert event.payload["transcript"]["recording_start"] == start
            assert event.payload["meeting"]["id"] == number


class TestPeople:
    @pytest.mark.parametrize(("status", "told"), [("approved", []), ("pending", [])])
    def test_who_registered_before_the_watch_is_not_new(self, account: Account, status: str, told: list[str]) -> None:
        number = account.meeting(settings={"approval_type": 1})
        person = account.do("add_registrant", meeting_id=number, email="kim@example.net", status="denied")
        account.after(DAY).watch("new_meeting_registrant", meeting_id=number)
        account.do("set_registrant_status", meeting_id=number, registrant_id=person["registrant_id"], status=status)
        assert account.types() == told

    def test_the_same_address_again_is_the_same_registrant(self, account: Account) -> None:
        number = account.meeting()
        account.watch("new_meeting_registrant", meeting_id=number)
        for city in ("Ghent", "Mainz"):
            account.do("add_registrant", meeting_id=number, email="kim@example.net", city=city)
        assert account.types() == ["new_meeting_registrant"]
        assert account.poll() == []

    def test_who_is_activated_again_is_no_new_user(self, account: Account) -> None:
        user = account.do("create_user", email="kim@example.com", status="inactive")["user_id"]
        account.watch("new_user")
        account.do("set_user_status", user_id=user, status="active")
        assert account.poll() == []

    def test_a_change_that_is_no_event_is_explained(self, account: Account) -> None:
        number = account.meeting()
        account.do("end_meeting", meeting_id=number, recording="completed")
        account.do("remove_recording", meeting_id=number)
        account.watch("recording_trashed", user_id=USER)
        account.do("recover_recording", meeting_id=number)
        assert [account.poll(), account.poll()] == [[], []]
        verdicts = account.running.trigger.verdicts
        assert isinstance(verdicts, dict)
        assert verdicts["counts"] == {"untold": 1}

    def test_who_leaves_a_group_and_comes_back_joins_again(self, account: Account) -> None:
        group = account.do("create_group", name="Desk")["id"]
        account.watch("group_members_changed", group_id=group)
        told = []
        for action in ("add_group_member", "remove_group_member") * 2:
            account.do(action, group_id=group, user_id=USER)
            told += [*account.types(), *account.types()]
        assert told == ["group_member_added", "group_member_removed"] * 2
        assert len({event.id for event in account.running.events}) == 4


def test_a_conversation_that_is_taken_up_again_brings_no_old_messages(account: Account) -> None:
    account.do("add_phone_user", user_id="me")
    account.do("send_sms", message="Old", number="+3293331234")
    account.after(5 * DAY).watch("new_sms")
    account.do("send_sms", message="New", number="+3293331234")
    assert [event.payload["message"]["message"] for event in account.poll()] == ["New"]
    assert account.poll() == []


def test_a_message_that_is_edited_or_deleted_is_not_new(account: Account) -> None:
    channel = account.do("create_channel", name="Orders")["id"]
    account.watch("new_chat_message", user_id=USER, to_channel=channel)
    first = account.do("send_message", message="Hello", channel_id=channel)["id"]
    assert account.types() == ["new_chat_message"]
    account.do("edit_message", message_id=first, message="Hello!")
    assert account.poll() == []
    account.do("delete_message", message_id=first)
    assert account.poll() == []


def test_what_an_administrator_did_in_one_second_is_told_one_by_one(account: Account) -> None:
    account.watch("new_operation_log", category_type="billing")
    same = {"time": "2026-11-21T09:03:00Z", "operator": USER, "action": "Update", "category_type": "billing"}
    for detail in ("Seats: 5", "Seats: 6", "Seats: 6"):
        account.do("add_record", path="/report/operationlogs", operation_detail=detail, **same)
    assert sorted(event.payload["log"]["operation_detail"] for event in account.poll()) == ["Seats: 5", "Seats: 6"]


def test_settings_that_are_missing_from_an_answer_did_not_change(account: Account) -> None:
    account.watch("account_settings_changed")
    account.do("faults", match="GET /v2/accounts", kind="empty_200", times=2)
    assert [account.poll() for _ in range(3)] == [[]] * 3


def test_the_archive_of_a_long_meeting_is_told_when_it_is_complete(account: Account) -> None:
    number = account.meeting()
    account.do("end_meeting", meeting_id=number)
    account.watch("new_archive_file")
    account.do("add_archive_file", meeting_id=number, status="processing")
    assert account.poll() == []
    account.do("add_archive_file", meeting_id=number)
    assert account.poll() == []


def test_each_leg_of_a_call_is_a_call(account: Account) -> None:
    account.do("add_phone_user", user_id="me")
    account.watch("new_phone_call")
    for _ in range(2):
        account.do("end_call", call_id="7438297014392104")
    assert account.types() == ["new_phone_call"] * 2
