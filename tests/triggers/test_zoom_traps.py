"""What Zoom's API does that would fire what did not happen, or hide what did: one trap, one test."""

from __future__ import annotations

from typing import Any

import pytest

from changewire.clock import from_text
from changewire.triggers.noticing import LATE
from tests.triggers.account import DAY, HOUR, USER, Account

OTHER = "ari.member+zoom@example.com"
GUESTS = [{"name": "Guest"}, {"name": "Guest"}, {"id": USER}]
DAILY = {"type": 1, "repeat_interval": 1}


def topics(account: Account) -> list[str]:
    return [event.payload["meeting"]["topic"] for event in account.poll()]


def sessions(account: Account) -> list[str]:
    return [event.payload["meeting"]["uuid"] for event in account.poll()]


NO_RECORDING = {"kind": "status", "status": 404, "body": {"code": 3301, "message": "There is no recording."}}


class TestIdentity:
    def test_the_uuid_of_a_meeting_is_renewed_after_each_session(self, account: Account) -> None:
        number = account.meeting()
        account.watch_all(
            new_meeting_created=({"user_id": USER}, ""), meeting_details_changed=({"meeting_id": number}, "")
        )
        for _ in range(3):
            account.do("end_meeting", meeting_id=number, participants=GUESTS)
            assert account.poll() == []

    def test_the_uuid_of_a_webinar_is_renewed_after_each_session(self, account: Account) -> None:
        number = account.webinar()
        account.watch_all(
            new_webinar_created=({"user_id": USER}, ""), webinar_details_changed=({"webinar_id": str(number)}, "")
        )
        for _ in range(3):
            account.do("end_webinar", webinar_id=number, participants=GUESTS)
            assert account.poll() == []

    @pytest.mark.parametrize("meeting_type", ["upcoming", "upcoming_meetings"])
    def test_a_recurring_meeting_is_listed_once_for_each_occurrence(self, account: Account, meeting_type: str) -> None:
        account.watch("new_meeting_created", user_id=USER, meeting_type=meeting_type, page_size=3)
        account.meeting(topic="Daily", type=8, recurrence={**DAILY, "end_times": 10})
        assert topics(account) == ["Daily"]
        account.after(2 * DAY)
        assert account.poll() == []

    def test_live_meetings_are_sessions(self, account: Account) -> None:
        number = account.meeting(topic="Live")
        account.watch("new_meeting_created", user_id=USER, meeting_type="live")
        for _ in range(2):
            account.do("start_meeting", meeting_id=number)
            assert topics(account) == ["Live"]
            account.do("end_meeting", meeting_id=number)
            assert account.poll() == []

    def test_previous_meetings_are_sessions(self, account: Account) -> None:
        number = account.meeting(topic="Held")
        account.watch("new_meeting_created", user_id=USER, meeting_type="previous_meetings")
        for _ in range(2):
            account.do("end_meeting", meeting_id=number, participants=GUESTS)
            assert topics(account) == ["Held"]

    def test_participants_without_an_account_have_blank_ids(self, account: Account) -> None:
        number = account.meeting()
        account.watch("new_meeting_participant", meeting_id=str(number))
        account.do("end_meeting", meeting_id=number, participants=GUESTS)
        assert sorted(event.payload["id"] for event in account.poll())[:2] == ["", ""]
        assert account.poll() == []

    def test_who_joins_again_has_a_row_of_its_own(self, account: Account) -> None:
        number = account.meeting()
        account.watch("new_meeting_participant", meeting_id=str(number))
        account.do("end_meeting", meeting_id=number, participants=[{"id": USER}, {"id": USER}])
        assert len(account.poll()) == 2

    def test_a_number_means_the_latest_session_and_its_people_are_new(self, account: Account) -> None:
        number = account.meeting()
        account.do("end_meeting", meeting_id=number, participants=[{"name": "A", "user_id": "1"}, {"name": "B"}])
        account.watch("new_meeting_participant", meeting_id=str(number))
        account.after(DAY).do("end_meeting", meeting_id=number, participants=[{"name": "A", "user_id": "1"}])
        assert [event.payload["name"] for event in account.poll()] == ["A"]

    def test_a_user_id_may_come_again_in_another_session_of_a_webinar(self, account: Account) -> None:
        number = account.webinar()
        account.do("end_webinar", webinar_id=number, participants=[{"name": "A", "user_id": "1"}])
        account.watch("new_webinar_participant", webinar_id=str(number))
        account.after(DAY).do("end_webinar", webinar_id=number, participants=[{"name": "B", "user_id": "1"}])
        assert [event.payload["name"] for event in account.poll()] == ["B"]

    def test_a_uuid_means_one_session_for_ever(self, account: Account) -> None:
        number = account.meeting()
        first = account.do("end_meeting", meeting_id=number, participants=[{"name": "A"}], uuid="/a//b==")
        account.watch("new_meeting_participant", meeting_id=first["uuid"])
        account.do("end_meeting", meeting_id=number, participants=GUESTS)
        assert account.poll() == []
        account.do("add_participant", uuid=first["uuid"], name="Late")
        assert [event.payload["name"] for event in account.poll()] == ["Late"]

    @pytest.mark.parametrize("uuid", ["/starts==", "has//two==", "has/one==", "plain+=="])
    def test_a_uuid_needs_encoding_of_its_own(self, account: Account, uuid: str) -> None:
        number = account.meeting()
        account.do("end_meeting", meeting_id=number, participants=GUESTS, recording="completed", uuid=uuid, summary="s")
        one = {"meeting_id": uuid}
        account.watch_all(
            new_meeting_participant=(one, ""), meeting_recording_changed=(one, ""), meeting_summary_updated=(one, "")
        )
        account.do("edit_summary", uuid=uuid, content="t")
        assert account.types() == ["updated"]

    def test_a_new_session_replaces_the_recording_of_a_number(self, account: Account) -> None:
        number = account.meeting()
        account.do("end_meeting", meeting_id=number, recording="completed")
        account.watch("meeting_recording_changed", meeting_id=str(number))
        account.after(DAY).do("end_meeting", meeting_id=number, recording="completed")
        events = account.poll()
        assert [event.event_type for event in events] == ["recording_added", "recording_processing_completed"]
        detected = events[0].payload["changes_detected"]
        assert (len(detected["new_files"]), detected["removed_files"]) == (2, [])
        assert account.poll() == []

    def test_a_summary_is_found_by_uuid_only(self, account: Account) -> None:
        number = account.meeting()
        account.watch("meeting_summary_updated", meeting_id=str(number))
        session = account.do("end_meeting", meeting_id=number, summary="s")
        (event,) = account.poll()
        assert (event.event_type, event.key) == ("created", session["uuid"])

    def test_captions_and_timelines_have_no_id(self, account: Account) -> None:
        number = account.meeting()
        account.do("end_meeting", meeting_id=number, recording="completed")
        account.do("add_recording_file", meeting_id=number, file_type="CC")
        account.watch("meeting_recording_changed", meeting_id=str(number))
        assert account.poll() == []
        account.do("add_recording_file", meeting_id=number, file_type="TIMELINE")
        (event,) = account.poll()
        assert [file["file_type"] for file in event.payload["changes_detected"]["new_files"]] == ["TIMELINE"]
        account.do("add_recording_file", meeting_id=number, file_type="CC")
        assert account.types() == ["recording_added"]
        assert account.poll() == []


class TestNoise:
    def test_links_and_tokens_differ_in_each_answer(self, account: Account) -> None:
        number, webinar = account.meeting(), account.webinar()
        account.do("end_meeting", meeting_id=number, recording="completed")
        one = {"meeting_id": str(number), "include_download_token": True, "token_ttl": 60}
        account.watch_all(
            meeting_details_changed=({"meeting_id": number}, ""),
            meeting_recording_changed=(one, ""),
            webinar_details_changed=({"webinar_id": str(webinar)}, ""),
            user_information_changed=({"user_id": USER}, ""),
        )
        for _ in range(3):
            assert account.poll() == []

    def test_a_download_token_is_told_when_asked_for_and_not_kept(self, account: Account) -> None:
        number = account.meeting()
        one = {"meeting_id": str(number), "include_download_token": True, "token_ttl": 60}
        account.watch_all(meeting_recording_changed=(one, ""))
        account.do("end_meeting", meeting_id=number, recording="completed")
        event, _ = account.poll()
        assert event.payload["meeting_recording"]["download_access_token"].startswith("eyJ")
        _, items = account.running.store.load_poll_state(account.running.trigger.id)
        assert all(b"download_access_token" not in (item.body or b"") for item in items.values())
        (asked,) = account.requests("/recordings")[-1:]
        assert (asked["query"].count("ttl=60"), asked["query"].count("include_fields")) == (1, 1)

    def test_a_time_to_live_is_sent_beside_include_fields_only(self, account: Account) -> None:
        number = account.meeting()
        account.watch("meeting_recording_changed", meeting_id=str(number), token_ttl=60)
        assert "ttl" not in account.requests("/recordings")[-1]["query"]

    @pytest.mark.parametrize(
        ("kind", "parameters", "grown", "key"),
        [
            ("meeting_details_changed", {"meeting_id": 85512340001}, "meeting", "brand_new"),
            ("meeting_details_changed", {"meeting_id": 85512340001}, "meeting", "settings.brand_new"),
            ("webinar_details_changed", {"webinar_id": "91122233344"}, "webinar", "settings.question_and_answer.new"),
            ("user_information_changed", {"user_id": USER}, "user", "brand_new"),
            ("meeting_recording_changed", {"meeting_id": "85512340003"}, "recording", "brand_new"),
            ("meeting_recording_changed", {"meeting_id": "85512340003"}, "recording_file", "brand_new"),
            ("meeting_summary_updated", {"meeting_id": "85512340003"}, "summary", "brand_new"),
            ("daily_usage_report_changed", {}, "report", "brand_new"),
            ("new_meeting_created", {"user_id": USER}, "meeting_row", "brand_new"),
            ("new_webinar_created", {"user_id": USER}, "webinar_row", "brand_new"),
            ("new_cloud_recording", {"user_id": USER}, "recording", "brand_new"),
            ("new_meeting_participant", {"meeting_id": "85512340003"}, "participant", "brand_new"),
            ("new_webinar_participant", {"webinar_id": "91122233345"}, "participant", "brand_new"),
        ],
    )
    def test_new_fields_appear_in_answers_over_time(
        self, account: Account, kind: str, parameters: dict[str, Any], grown: str, key: str
    ) -> None:
        account.watch(kind, **parameters)
        account.do("grow_schema", kind=grown, key=key, value={"mode": 1})
        assert account.poll() == []
        account.do("grow_schema", kind=grown, key=key, value=5)
        assert len(account.poll()) <= 1

    def test_lists_come_in_any_order(self, account: Account) -> None:
        account.do("switch", shuffle_lists=True)
        account.do("update_user", user_id=USER, group_ids=["a", "b", "c"], login_types=[1, 100, 101])
        account.watch_all(
            new_meeting_created=({"user_id": USER, "page_size": 1}, ""),
            new_webinar_created=({"user_id": USER, "page_size": 1}, ""),
            new_meeting_participant=({"meeting_id": "85512340003", "page_size": 1}, ""),
            user_information_changed=({"user_id": USER}, ""),
        )
        account.do("update_user", user_id=USER, group_ids=["c", "a", "b"], login_types=[101, 1, 100])
        for _ in range(5):
            assert account.poll() == []

    @pytest.mark.parametrize(("kind", "separator"), [("meeting", ";"), ("webinar", ",")])
    def test_alternative_hosts_are_a_set(self, account: Account, kind: str, separator: str) -> None:
        number = account.meeting() if kind == "meeting" else account.webinar()
        changed = {f"{kind}_id": number}
        hosts = ["b@example.com", "a@example.com"]
        account.do(f"update_{kind}", **changed, settings={"alternative_hosts": separator.join(hosts)})
        one: dict[str, Any] = {f"{kind}_id": number if kind == "meeting" else str(number)}
        account.watch_all(**{f"{kind}_details_changed": (one, "")})
        account.do(f"update_{kind}", **changed, settings={"alternative_hosts": separator.join(hosts[::-1])})
        assert account.poll() == []
        account.do(f"update_{kind}", **changed, settings={"alternative_hosts": hosts[0]})
        assert len(account.poll()) == 1

    def test_tracking_fields_and_invitees_are_sets_that_may_grow(self, account: Account) -> None:
        number = account.meeting(tracking_fields=[{"field": "a", "value": "1"}, {"field": "b", "value": "2"}])
        invitees = [{"email": "a@example.com"}, {"email": "b@example.com"}]
        account.do("update_meeting", meeting_id=number, settings={"meeting_invitees": invitees})
        account.watch("meeting_details_changed", meeting_id=number)
        grown = [{**one, "internal_user": False} for one in reversed(invitees)]
        account.do("update_meeting", meeting_id=number, settings={"meeting_invitees": grown})
        fields = [{"field": "b", "value": "2", "id": 7}, {"field": "a", "value": "1", "id": 8}]
        account.do("update_meeting", meeting_id=number, tracking_fields=fields)
        assert account.poll() == []
        account.do("update_meeting", meeting_id=number, tracking_fields=fields[:1])
        (event,) = account.poll()
        assert [change["path"] for change in event.changes] == ["tracking_fields[a]"]

    def test_a_meeting_that_starts_and_ends_has_the_same_details(self, account: Account) -> None:
        number = account.meeting()
        account.watch("meeting_details_changed", meeting_id=number)
        account.do("start_meeting", meeting_id=number)
        assert account.poll() == []
        account.do("end_meeting", meeting_id=number)
        assert account.poll() == []

    def test_a_passcode_shows_in_many_fields_and_is_one_change(self, account: Account) -> None:
        number = account.meeting()
        account.watch("meeting_details_changed", meeting_id=number)
        account.do("update_meeting", meeting_id=number, password="another", h323_password="777777")
        (event,) = account.poll()
        assert event.payload["changed_fields"] == ["password"]

    def test_dial_in_numbers_follow_the_account(self, account: Account) -> None:
        number = account.meeting()
        account.watch("meeting_details_changed", meeting_id=number)
        numbers = [{"country": "FR", "number": "+33 1", "type": "toll"}]
        account.do("update_meeting", meeting_id=number, settings={"global_dial_in_numbers": numbers})
        assert account.poll() == []
        account.do("update_meeting", meeting_id=number, settings={"global_dial_in_countries": ["FR"]})
        assert account.types() == ["settings_changed"]

    def test_the_agenda_is_cut_in_lists_only(self, account: Account) -> None:
        agenda = "a" * 260
        number = account.meeting(agenda=agenda + "old")
        account.watch_all(
            new_meeting_created=({"user_id": USER}, ""),
            meeting_details_changed=({"meeting_id": number}, ""),
            new_webinar_created=({"user_id": USER}, ""),
        )
        account.do("update_meeting", meeting_id=number, agenda=agenda + "new")
        account.webinar(agenda=agenda)
        details, webinar = sorted(account.poll(), key=lambda event: event.type)
        assert details.payload["changed_fields"] == ["agenda"]
        assert webinar.payload["agenda"] == agenda

    def test_rows_fill_in_late(self, account: Account) -> None:
        number = account.meeting()
        account.watch("new_meeting_participant", meeting_id=str(number))
        account.do("end_meeting", meeting_id=number, participants=[{"name": "A"}, {"name": "B", "delay_s": 120}])
        assert [(e.payload["name"], e.payload["duration"]) for e in account.poll()] == [("A", 0)]
        account.after(HOUR)
        assert [event.payload["name"] for event in account.poll()] == ["B"]
        assert account.poll() == []

    def test_signing_in_moves_fields_of_a_user(self, account: Account) -> None:
        account.watch("user_information_changed", user_id=USER)
        account.do(
            "update_user", user_id=USER, last_login_time="2026-11-21T11:00:00Z", last_client_version="7", cluster="eu",
            created_at="2026-01-01T00:00:00Z", jid="x", account_number=5,
        )  # fmt: skip
        assert account.poll() == []

    def test_a_pending_user_was_created_just_now_in_each_answer(self, account: Account) -> None:
        account.do("create_user", email="new@example.com", status="pending")
        account.watch("user_information_changed", user_id="new@example.com")
        account.after(DAY).do("update_user", user_id="new@example.com", user_created_at="2026-11-22T10:00:00Z")
        assert account.poll() == []
        account.do("update_user", user_id="new@example.com", status="active")
        assert account.types() == ["user_updated"]

    def test_a_phone_number_stands_in_two_places_and_is_one_change(self, account: Account) -> None:
        account.watch("user_information_changed", user_id=USER)
        number = {"code": "+49", "country": "DE", "label": "Mobile", "number": "301234567", "verified": True}
        account.do("update_user", user_id=USER, phone_numbers=[number], phone_number="+49 30", phone_country="AT")
        (event,) = account.poll()
        assert event.payload["changes_detected"].keys() == {"phone_numbers[Mobile/DE/301234567].verified"}

    def test_some_fields_of_a_user_are_there_only_with_a_value(self, account: Account) -> None:
        account.watch("user_information_changed", user_id=USER)
        account.do("update_user", user_id=USER, employee_unique_id="", license_info_list=[], zoom_one_type=None)
        assert account.poll() == []
        account.do("update_user", user_id=USER, employee_unique_id="e-1")
        assert account.poll()[0].payload["changes_detected"] == {"employee_unique_id": {"old": None, "new": "e-1"}}

    def test_who_edited_a_summary_is_told_and_is_no_change(self, account: Account) -> None:
        account.watch("meeting_summary_updated", meeting_id="85512340003")
        summary = next(s.summary for s in account.sandbox.world.sessions.values() if s.summary)
        summary.update(
            summary_doc_url="https://docs.zoom.us/doc/other", summary_last_modified_user_id="u", summary_details=[]
        )
        del summary["next_steps"]
        assert account.poll() == []


class TestTime:
    def test_occurrences_pass(self, account: Account) -> None:
        number = account.meeting(type=8, recurrence={**DAILY, "end_times": 5})
        webinar = account.webinar(type=9, recurrence={**DAILY, "end_times": 5})
        account.watch_all(
            meeting_details_changed=({"meeting_id": number}, ""),
            webinar_details_changed=({"webinar_id": str(webinar)}, ""),
        )
        for _ in range(6):
            assert account.after(DAY).poll() == []

    def test_the_start_of_a_recurring_meeting_moves_on_by_itself(self, account: Account) -> None:
        number = account.meeting(type=8, recurrence={**DAILY, "end_times": 5})
        account.watch("meeting_details_changed", meeting_id=number)
        assert account.after(2 * DAY).poll() == []

    def test_the_start_of_an_ordinary_meeting_is_a_change(self, account: Account) -> None:
        number = account.meeting()
        account.watch("meeting_details_changed", meeting_id=number)
        account.do("update_meeting", meeting_id=number, start_time="2026-12-24T10:00:00Z")
        assert account.poll()[0].payload["changed_fields"] == ["start_time"]

    def test_a_cancelled_occurrence_fires(self, account: Account) -> None:
        number = account.meeting(type=8, start_time="2026-12-01T10:00:00Z", recurrence={**DAILY, "end_times": 3})
        account.watch("meeting_details_changed", meeting_id=number)
        account.do("delete_meeting", meeting_id=number, occurrence_id=_occurrence("2026-12-02T10:00:00Z"))
        (event,) = account.poll()
        assert (event.event_type, event.payload["changed_fields"]) == ("meeting_updated", ["occurrences"])
        assert [(c["old"], c["new"]) for c in event.changes] == [("available", "deleted")]

    def test_an_occurrence_that_was_moved_fires(self, account: Account) -> None:
        number = account.webinar(type=9, start_time="2026-12-01T10:00:00Z", recurrence={**DAILY, "end_times": 3})
        account.watch("webinar_details_changed", webinar_id=str(number))
        account.do("update_webinar", webinar_id=number, occurrence_id=_occurrence("2026-12-02T10:00:00Z"), duration=90)
        (event,) = account.poll()
        assert list(event.payload["changes_detected"].values()) == [{"old": 60, "new": 90}]

    def test_the_window_of_upcoming_meetings_slides_over_old_ones(self, account: Account) -> None:
        account.meeting(topic="Far", start_time="2027-06-15T10:00:00Z")
        account.after(2 * LATE.total_seconds()).watch("new_meeting_created", user_id=USER, meeting_type="upcoming")
        account.after(60 * DAY)
        assert account.poll() == []

    def test_a_meeting_handed_over_is_not_a_new_one(self, account: Account) -> None:
        account.do("create_meeting", user_id=OTHER, topic="Theirs", id=123456789)
        account.after(2 * LATE.total_seconds()).watch("new_meeting_created", user_id=USER)
        account.do("transfer_meeting", meeting_id=123456789, user_id=USER)
        assert account.poll() == []
        account.meeting(topic="Ours")
        assert topics(account) == ["Ours"]

    def test_the_month_rolls_over(self, account: Account) -> None:
        account.watch("daily_usage_report_changed")
        account.do("bump_report", meetings=1)
        assert account.types() == ["report_updated"]
        account.do("clock", set="2026-12-02T10:00:00Z")
        account.running.clock.advance(11 * DAY)
        account.do("bump_report", date="2026-12-01", meetings=4)
        assert account.poll() == []
        assert account.requests("/report/daily")[-1]["query"] == "year=2026&month=12"
        account.do("bump_report", date="2026-12-01", meetings=1)
        assert [event.payload["changed_dates"] for event in account.poll()] == [["2026-12-01"]]

    def test_days_to_come_are_listed_with_zeros_or_not(self, account: Account) -> None:
        account.watch("daily_usage_report_changed")
        for listed in (True, False, True):
            account.do("switch", report_future_days=listed)
            assert account.poll() == []
        assert account.after(DAY).poll() == []
        account.do("bump_report", participants=3)
        assert [event.payload["changed_dates"] for event in account.poll()] == [["2026-11-22"]]

    def test_a_report_without_days_is_a_hiccup(self, account: Account) -> None:
        account.watch("daily_usage_report_changed")
        account.do("faults", match="report/daily", kind="empty_200", form="list", times=2)
        for _ in range(4):
            assert account.poll() == []

    def test_without_dates_zoom_lists_the_recordings_of_today_only(self, account: Account) -> None:
        number = account.meeting()
        account.watch("new_cloud_recording", user_id=USER)
        session = account.do("end_meeting", meeting_id=number, recording=True)
        assert account.after(3 * DAY).poll() == []
        account.do("complete_recording", uuid=session["uuid"])
        assert sessions(account) == [session["uuid"]]
        asked = account.requests(f"/users/{USER.replace('@', '%40')}/recordings") or account.requests("/recordings")
        assert "from=2026-10-" in asked[-1]["query"]

    def test_a_window_of_more_than_a_month_is_cut_without_a_word(self, account: Account) -> None:
        number = account.meeting()
        account.watch("new_cloud_recording", user_id=USER)
        missed = account.do("end_meeting", meeting_id=number, recording="completed")["uuid"]
        account.after(80 * DAY)
        assert sessions(account) == [missed]
        spans = [entry["query"] for entry in account.requests("/recordings")[1:]]
        assert len(spans) >= 3

    @pytest.mark.parametrize("inclusive", [True, False])
    def test_the_last_day_of_a_window_counts_or_not(self, account: Account, inclusive: bool) -> None:
        account.do("switch", recordings_to_inclusive=inclusive)
        number = account.meeting()
        account.watch("new_cloud_recording", user_id=USER)
        for _ in range(3):
            made = account.do("end_meeting", meeting_id=number, recording="completed")["uuid"]
            assert sessions(account) == [made]
            account.after(7 * HOUR)


class TestLifeCycle:
    def test_a_recording_is_listed_while_it_is_made(self, account: Account) -> None:
        number = account.meeting()
        account.watch("new_cloud_recording", user_id=USER)
        account.do("start_meeting", meeting_id=number)
        account.do("start_recording", meeting_id=number)
        assert account.poll() == []
        session = account.do("end_meeting", meeting_id=number)
        assert account.poll() == []
        account.do("complete_recording", meeting_id=number)
        assert sessions(account) == [session["uuid"]]
        account.do("add_recording_file", meeting_id=number, file_type="TRANSCRIPT")
        assert account.poll() == []

    def test_files_without_a_status_come_before_the_others(self, account: Account) -> None:
        number = account.meeting()
        account.watch("new_cloud_recording", user_id=USER)
        account.do("end_meeting", meeting_id=number)
        account.do("add_recording_file", meeting_id=number, file_type="TIMELINE")
        assert account.poll() == []
        account.do("add_recording_file", meeting_id=number, file_type="MP4")
        assert account.types() == ["new_recording"]

    def test_the_transcript_comes_later_than_the_video(self, account: Account) -> None:
        number = account.meeting()
        account.watch("meeting_recording_changed", meeting_id=str(number))
        account.do("end_meeting", meeting_id=number, recording="completed")
        assert account.types() == ["recording_added", "recording_processing_completed"]
        account.do("complete_recording", meeting_id=number, transcript="processing")
        assert account.types() == ["recording_added"]
        account.do("complete_recording", meeting_id=number)
        assert account.types() == ["recording_processing_completed"]

    def test_participants_have_audio_files_of_their_own(self, account: Account) -> None:
        number = account.meeting()
        account.do("end_meeting", meeting_id=number, recording="completed")
        account.watch("meeting_recording_changed", meeting_id=str(number))
        made = account.do("add_participant_audio", meeting_id=number, status="processing")
        (event,) = account.poll()
        detected = event.payload["changes_detected"]
        assert [file["id"] for file in detected["new_participant_audio_files"]] == [made["file_id"]]
        assert (event.event_type, detected["new_files"]) == ("recording_added", [])
        account.do("complete_recording", meeting_id=number)
        (event,) = account.poll()
        changed = event.payload["changes_detected"]["status_changes"]
        assert changed == [{"id": made["file_id"], "old": "processing", "new": "completed"}]
        assert event.event_type == "recording_processing_completed"

    def test_a_removed_file_is_an_update(self, account: Account) -> None:
        number = account.meeting()
        session = account.do("end_meeting", meeting_id=number, recording="completed")
        gone = account.do("add_recording_file", uuid=session["uuid"], file_type="CHAT")["file_id"]
        account.watch("meeting_recording_changed", meeting_id=str(number))
        account.do("remove_recording_file", uuid=session["uuid"], file_id=gone)
        (event,) = account.poll()
        assert event.event_type == "recording_updated"
        assert [file["id"] for file in event.payload["changes_detected"]["removed_files"]] == [gone]

    def test_a_recording_taken_out_of_the_trash_is_the_same(self, account: Account) -> None:
        number = account.meeting()
        session = account.do("end_meeting", meeting_id=number, recording="completed")
        one = {"meeting_id": session["uuid"]}
        account.watch_all(meeting_recording_changed=(one, ""), new_cloud_recording=({"user_id": USER}, ""))
        account.do("remove_recording", uuid=session["uuid"])
        assert account.poll() == []
        account.sandbox.world.sessions[session["uuid"]].recording.trashed = False  # type: ignore[union-attr]
        assert account.poll() == []

    @pytest.mark.parametrize("by", ["number", "uuid"])
    def test_a_recording_that_is_gone_as_a_whole_is_an_update_without_files(self, account: Account, by: str) -> None:
        number = account.meeting()
        session = account.do("end_meeting", meeting_id=number, recording="completed")
        account.do("add_participant_audio", meeting_id=number)
        account.watch("meeting_recording_changed", meeting_id=str(number) if by == "number" else session["uuid"])
        ids = set()
        for _ in range(2):
            account.do("remove_recording", uuid=session["uuid"])
            assert [account.poll(), account.poll()] == [[], []]
            (event,) = account.poll()
            assert (event.event_type, event.key) == ("recording_updated", session["uuid"])
            detected = {kind: len(found) for kind, found in event.payload["changes_detected"].items() if found}
            assert detected == {"removed_files": 2, "removed_participant_audio_files": 1}
            now = event.payload["meeting_recording"]
            assert (now["uuid"], now["recording_files"], now["participant_audio_files"]) == (session["uuid"], [], [])
            assert [account.poll() for _ in range(5)] == [[]] * 5
            ids.add(event.id)
            account.do("recover_recording", uuid=session["uuid"])
            assert account.types() == ["recording_added", "recording_processing_completed"]
        assert len(ids) == 2

    def test_the_last_file_of_several_removed_one_by_one_is_told_as_well(self, account: Account) -> None:
        number = account.meeting()
        session = account.do("end_meeting", meeting_id=number, recording="completed")
        account.watch("meeting_recording_changed", meeting_id=str(number))
        files = [file.data["id"] for file in account.sandbox.world.sessions[session["uuid"]].recording.files]  # type: ignore[union-attr]
        gone = []
        for file in files:
            account.do("remove_recording_file", uuid=session["uuid"], file_id=file, trash=True)
            events = [event for _ in range(3) for event in account.poll()]
            assert [event.event_type for event in events] == ["recording_updated"]
            gone += [file["id"] for file in events[0].payload["changes_detected"]["removed_files"]]
        assert gone == files

    @pytest.mark.parametrize("times", [1, 2])
    def test_no_recording_once_or_twice_is_a_hiccup(self, account: Account, times: int) -> None:
        number = account.meeting()
        account.do("end_meeting", meeting_id=number, recording="completed")
        account.watch("meeting_recording_changed", meeting_id=str(number))
        for _ in range(3):
            account.do("faults", match="GET /v2/meetings/.*/recordings", times=times, **NO_RECORDING)
            assert [account.poll() for _ in range(times + 1)] == [[]] * (times + 1)

    def test_a_recording_that_is_there_by_its_uuid_is_not_gone(self, account: Account) -> None:
        number = account.meeting()
        account.do("end_meeting", meeting_id=number, recording="completed")
        account.watch("meeting_recording_changed", meeting_id=str(number))
        account.after(DAY).do("end_meeting", meeting_id=number)  # the latest session has none
        account.do("faults", match=f"GET /v2/meetings/{number}/recordings", **NO_RECORDING)
        assert [account.poll() for _ in range(25)] == [[]] * 25
        by_uuid = [one for one in account.requests("/recordings") if str(number) not in one["path"]]
        assert len(by_uuid) == 1
        account.do("clear_faults")
        assert account.poll() == []

    def test_that_there_is_none_so_far_is_no_change(self, account: Account) -> None:
        number = account.meeting()
        account.watch("meeting_recording_changed", meeting_id=str(number))
        assert [account.poll() for _ in range(5)] == [[]] * 5
        account.do("end_meeting", meeting_id=number)
        assert [account.poll() for _ in range(5)] == [[]] * 5

    def test_recordings_of_earlier_sessions_go_away_unnoticed(self, account: Account) -> None:
        number = account.meeting()
        first = account.do("end_meeting", meeting_id=number, recording="completed")["uuid"]
        account.watch("meeting_recording_changed", meeting_id=str(number))
        second = account.after(DAY).do("end_meeting", meeting_id=number, recording="completed")["uuid"]
        assert account.types() == ["recording_added", "recording_processing_completed"]
        account.do("remove_recording", uuid=first, trash=False)
        assert [account.poll() for _ in range(5)] == [[]] * 5
        account.do("remove_recording", uuid=second)
        events = [event for _ in range(9) for event in account.poll()]
        assert [(event.event_type, event.key) for event in events] == [("recording_updated", second)]

    def test_where_zoom_goes_back_to_the_session_before_each_is_told_in_its_turn(self, account: Account) -> None:
        number = account.meeting()
        first = account.do("end_meeting", meeting_id=number, recording="completed")["uuid"]
        account.watch("meeting_recording_changed", meeting_id=str(number))
        second = account.after(DAY).do("end_meeting", meeting_id=number, recording="completed")["uuid"]
        account.poll()
        for uuid in (second, first):
            account.do("remove_recording", uuid=uuid)
            events = [event for _ in range(9) for event in account.poll()]
            assert [(event.event_type, event.key) for event in events] == [("recording_updated", uuid)]

    def test_a_session_that_zoom_goes_back_to_is_not_added(self, account: Account) -> None:
        number = account.meeting()
        account.do("end_meeting", meeting_id=number, recording="completed")
        second = account.after(DAY).do("end_meeting", meeting_id=number, recording="completed")["uuid"]
        account.watch("meeting_recording_changed", meeting_id=str(number))
        account.do("remove_recording", uuid=second)
        events = [event for _ in range(6) for event in account.poll()]
        assert [(event.event_type, event.key) for event in events] == [("recording_updated", second)]

    def test_where_it_cannot_be_found_out_nothing_is_gone(self, account: Account) -> None:
        number = account.meeting()
        session = account.do("end_meeting", meeting_id=number, recording="completed")
        account.watch("meeting_recording_changed", meeting_id=str(number))
        account.do("remove_recording", uuid=session["uuid"])
        account.poll()
        account.poll()
        account.do("faults", match="GET /v2/meetings/.*/recordings", after=1, times=1, kind="status", status=503)
        assert "503" in account.failing()
        assert account.types() == ["recording_updated"]

    def test_before_the_end_there_are_no_past_meetings(self, account: Account) -> None:
        number, webinar = account.meeting(), account.webinar()
        one = {"meeting_id": str(number)}
        account.watch_all(
            new_meeting_participant=(one, ""),
            meeting_summary_updated=(one, ""),
            meeting_recording_changed=(one, ""),
            new_webinar_participant=({"webinar_id": str(webinar)}, ""),
        )
        account.do("start_meeting", meeting_id=number)
        account.do("join", meeting_id=number, name="Early")
        assert account.poll() == []
        account.do("end_meeting", meeting_id=number, recording="completed", summary="s")
        account.do("end_webinar", webinar_id=webinar, participants=GUESTS[:1])
        assert sorted(set(account.types())) == [
            "created", "new_participant", "recording_added", "recording_processing_completed",
        ]  # fmt: skip

    def test_a_meeting_that_reappears_is_compared_with_what_it_was(self, account: Account) -> None:
        number = account.meeting()
        account.watch("meeting_details_changed", meeting_id=number)
        account.do("faults", match="GET /v2/meetings", kind="status", status=404, code=3001, times=1)
        assert "check the id" in account.failing()
        account.after(2 * HOUR)
        assert account.poll() == []
        account.do("faults", match="GET /v2/meetings", kind="status", status=404, code=3001, times=1)
        assert account.failing()
        account.do("update_meeting", meeting_id=number, topic="Meanwhile")
        account.after(2 * HOUR)
        assert account.types() == ["meeting_updated"]

    def test_a_meeting_that_comes_back_into_the_list_is_not_new(self, account: Account) -> None:
        account.watch("new_meeting_created", user_id=USER)
        account.meeting(topic="There")
        assert topics(account) == ["There"]
        account.do("faults", match="users/.*/meetings", kind="empty_200", form="list", times=1)
        assert [account.poll(), account.poll()] == [[], []]

    def test_older_sessions_keep_their_summaries_while_the_newest_has_none(self, account: Account) -> None:
        number = account.meeting()
        first = account.do("end_meeting", meeting_id=number, summary="s")
        account.watch("meeting_summary_updated", meeting_id=str(number))
        account.after(DAY).do("end_meeting", meeting_id=number)
        account.do("edit_summary", uuid=first["uuid"], content="t")
        assert [event.key for event in account.poll()] == [first["uuid"]]

    def test_a_webinar_deleted_before_its_details_were_read_is_still_new(self, account: Account) -> None:
        account.watch("new_webinar_created", user_id=USER)
        account.webinar(topic="Brief")
        account.do("faults", match="GET /v2/webinars", kind="status", status=404, code=3001, times=1)
        (event,) = account.poll()
        assert (event.payload["topic"], event.payload["settings"]) == ("Brief", {})


class TestErrors:
    @pytest.mark.parametrize(
        ("kind", "parameters"),
        [
            ("new_meeting_created", {"user_id": USER}),
            ("new_cloud_recording", {"user_id": USER}),
            ("new_webinar_created", {"user_id": USER}),
            ("new_meeting_participant", {"meeting_id": "85512340003"}),
            ("new_webinar_participant", {"webinar_id": "91122233345"}),
            ("meeting_summary_updated", {"meeting_id": "85512340003"}),
            ("meeting_recording_changed", {"meeting_id": "85512340003"}),
            ("meeting_details_changed", {"meeting_id": 85512340001}),
            ("webinar_details_changed", {"webinar_id": "91122233344"}),
            ("user_information_changed", {"user_id": USER}),
            ("daily_usage_report_changed", {}),
        ],
    )
    def test_an_error_may_come_as_http_200(self, account: Account, kind: str, parameters: dict[str, Any]) -> None:
        account.watch(kind, **parameters)
        for fault in ({"kind": "error_200"}, {"kind": "empty_200"}, {"kind": "html_200"}, {"kind": "cut_body"}):
            account.do("faults", match="GET /v2/", times=1, **fault)
            assert account.failing()
            account.after(2 * HOUR)
            assert account.poll() == []

    def test_a_page_token_dies_while_the_list_is_read(self, account: Account) -> None:
        account.watch("new_meeting_created", user_id=USER, page_size=1)
        account.do("faults", match="users/.*/meetings", kind="dead_page_token", times=1)
        account.meeting(topic="New")
        assert topics(account) == ["New"]

    def test_a_list_shifts_while_the_baseline_is_read(self, account: Account) -> None:
        account.do("faults", match="users/.*/recordings", kind="page_shift", shift=1, times=1)
        number = account.meeting()
        for _ in range(3):
            account.do("end_meeting", meeting_id=number, recording="completed")
        account.watch("new_cloud_recording", user_id=USER, page_size=1)
        for _ in range(3):
            assert account.poll() == []

    def test_webinars_come_with_tokens_and_with_page_counts(self, account: Account) -> None:
        account.watch("new_webinar_created", user_id=USER, page_size=1)
        before = len(account.requests("/webinars"))
        account.poll()
        assert len(account.requests("/webinars")) - before == 2

    def test_page_tokens_go_round_in_circles(self, account: Account) -> None:
        account.watch("new_meeting_created", user_id=USER, page_size=1)
        account.do("faults", match="users/.*/meetings", kind="cycle_page_tokens", times=None)
        assert "repeats a page" in account.failing()

    def test_the_plan_may_not_have_webinars(self, account: Account) -> None:
        account.watch("new_webinar_created", user_id=USER)
        account.do("switch", webinar_plan=False)
        assert "plan" in account.failing()


def _occurrence(start: str) -> str:
    return str(int(from_text(start).timestamp() * 1000))
