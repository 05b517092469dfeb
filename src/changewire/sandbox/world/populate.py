"""The default world: a small account with something of everything."""

from __future__ import annotations

from datetime import timedelta

from changewire.sandbox.clock import iso
from changewire.sandbox.world.world import World

OWNER_EMAIL = "dana.host@example.com"
OWNER_ID = "q7QmZkX3TYaW0c5n2LfUxg"
GROUP_ID = "RSMaSp8sTEGK0_oamiA2_w"


def populate(world: World) -> None:
    """Fill an empty world with users, meetings, a webinar, past sessions and a report."""
    with world.acting("default"):
        world.create_user(
            OWNER_EMAIL, id=OWNER_ID, first_name="Dana", last_name="Host", display_name="Dana Host",
            dept="Sales", job_title="Account lead", company="Example GmbH", location="Berlin",
            group_ids=[GROUP_ID], login_types=[1, 100], phone_country="DE",
            phone_number="+49 301234567", phone_numbers=[
                {"code": "+49", "country": "DE", "label": "Mobile", "number": "301234567", "verified": False}
            ],
        )  # fmt: skip
        world.create_user("ari.member+zoom@example.com", first_name="Ari", last_name="Member")
        _schedule(world)
        _past_call(world)
        _past_webinar(world)
        for back in range(1, 8):
            day = iso(world.now() - timedelta(days=back))[:10]
            world.bump_report(day, 0, 9 - back, 40 - back, 500 - 10 * back)
        _administration(world)


def _schedule(world: World) -> None:
    soon = world.now() + timedelta(days=2)
    world.create_meeting(OWNER_EMAIL, id=85512340001, topic="Quarterly planning", start_time=iso(soon), duration=45)
    world.create_meeting(
        OWNER_EMAIL, id=85512340002, topic="Weekly standup", type=8, duration=45,
        agenda="Round of updates", start_time=iso(soon + timedelta(days=1)),
        recurrence={"type": 2, "repeat_interval": 1, "end_times": 12},
        settings={"auto_recording": "cloud"},
    )  # fmt: skip
    world.create_webinar(
        OWNER_EMAIL, id=91122233344, topic="Product launch", duration=60,
        agenda="What is new and how to get it", start_time=iso(world.now() + timedelta(days=12)),
    )  # fmt: skip


def _administration(world: World) -> None:
    for role_id, name in (("0", "Owner"), ("1", "Admin"), ("2", "Member")):
        world.create_role(name, id=role_id)
    world.create_group("Sales", id=GROUP_ID)
    world.add_device("Conference bar", device_id="sandbox-device-1", room_name="Elbe")


def _past_call(world: World) -> None:
    world.create_meeting(OWNER_EMAIL, id=85512340003, topic="Customer call", start_time=world.stamp())
    people = [
        {"id": OWNER_EMAIL, "processed": True},
        {"name": "Guest phone", "processed": True},
        {"name": "Guest phone", "processed": True},
    ]
    session = world.end_meeting(
        85512340003, people, "completed", "## Key takeaways\n- Rollout in two phases", duration=59
    )
    world.add_recording_file(uuid=session["uuid"], file_type="TRANSCRIPT")
    world.backdate_session(session["uuid"], 1)


def _past_webinar(world: World) -> None:
    world.create_webinar(OWNER_EMAIL, id=91122233345, topic="Product preview", start_time=world.stamp())
    people = [
        {"id": OWNER_EMAIL, "processed": True},
        {"name": "Ari Guest", "user_email": "ari@example.org", "registrant_id": "mGq1w5ZlRX2s8nEo3vYcDA",
         "processed": True},
    ]  # fmt: skip
    world.end_webinar(91122233345, people, duration=60)
