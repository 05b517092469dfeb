"""The phone system: calls, voicemails, recordings of calls, text messages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from changewire.sandbox.clock import iso
from changewire.sandbox.errors import JSON, ControlError
from changewire.sandbox.world.base import action
from changewire.sandbox.world.records import RecordActions

USERS, CALLS, VOICEMAILS = "/phone/users", "/phone/call_history", "/phone/voice_mails"
RECORDINGS, SMS = "/phone/recordings", "/phone/sms/sessions"
_DIRECTIONS = ("inbound", "outbound")


class PhoneActions(RecordActions):
    """Actions on the phone system."""

    @action
    def add_phone_user(self, user_id: str, number: str | None = None, **fields: Any) -> JSON:
        """Give a user an extension and a number (None: one made up)."""
        user = self.need_user(user_id)
        own = number or f"+4930{self.ids.digits(7)}"
        return self.put(USERS, {
            "id": user["id"], "email": user["email"], "name": user["display_name"],
            "extension_id": self.ids.word(), "extension_number": 800 + len(self.shelf(USERS)), "status": "activate",
            "phone_user_id": self.ids.word(), "phone_numbers": [{"id": self.ids.word(), "number": own}],
            "calling_plans": [{"type": 100, "name": "Metered"}], "site": {"id": "main", "name": "Main"},
            "department": user["dept"], "cost_center": user["cost_center"], **fields,
        })  # fmt: skip

    @action
    def end_call(
        self,
        user_id: str = "me",
        number: str = "+49301112233",
        name: str = "Caller",
        direction: str = "inbound",
        duration: int = 60,
        result: str = "answered",
        recorded: bool = False,
        **fields: Any,
    ) -> JSON:
        """End a call between a user and a number, ``duration`` seconds long; it may leave a recording."""
        if direction not in _DIRECTIONS:
            raise ControlError(f"no direction {direction!r}", known=list(_DIRECTIONS))
        own, end = self._phone_user(user_id), self.now()
        start = end - timedelta(seconds=duration)
        us, them = ("callee", "caller") if direction == "inbound" else ("caller", "callee")
        call = self.put(CALLS, {
            f"{us}_ext_id": own["extension_id"], f"{us}_name": own["name"], f"{us}_email": own["email"],
            f"{us}_ext_number": str(own["extension_number"]), f"{us}_ext_type": "user",
            f"{us}_did_number": own["phone_numbers"][0]["number"],
            f"{them}_name": name, f"{them}_did_number": number, f"{them}_number_type": "external",
            "direction": direction, "call_result": result, "duration": duration, "start_time": iso(start),
            "answer_time": iso(start) if result == "answered" else "", "end_time": iso(end),
            "recording_status": "recorded" if recorded else "non_recorded", "department": own["department"],
            "cost_center": own["cost_center"], **fields,
        })  # fmt: skip
        if recorded:
            self._keep_recording(call, own)
        return call

    @action
    def leave_voicemail(
        self,
        user_id: str = "me",
        number: str = "+49301112233",
        name: str = "Caller",
        duration: int = 20,
        transcript: str = "",
        **fields: Any,
    ) -> JSON:
        """Leave an unread voicemail for a user."""
        own = self._phone_user(user_id)
        spoken = {"transcription": {"status": 1, "content": transcript}} if transcript else {}
        return self.put(VOICEMAILS, {
            "caller_name": name, "caller_number": number, "caller_number_type": 2, "callee_name": own["name"],
            "callee_number": own["phone_numbers"][0]["number"], "callee_number_type": 1, "duration": duration,
            "owner": _owner(own), **spoken, **fields,
        })  # fmt: skip

    @action
    def send_sms(
        self,
        message: str,
        user_id: str = "me",
        number: str = "+49301112233",
        name: str = "Texter",
        direction: str = "inbound",
        **fields: Any,
    ) -> JSON:
        """Send a text message from a number to a user, or (``outbound``) the other way."""
        if direction not in ("inbound", "outbound"):
            raise ControlError(f"no direction {direction!r}", known=list(_DIRECTIONS))
        own = self._phone_user(user_id)
        ours = {"phone_number": own["phone_numbers"][0]["number"], "display_name": own["name"], "owner": _owner(own)}
        theirs = {"phone_number": number, "display_name": name}
        session = next((row for row in self.shelf(SMS).values() if row["participants"] == [ours, theirs]), None)
        if session is None:
            session = self.put(SMS, {"session_type": "user", "participants": [ours, theirs]})
        session["last_access_time"] = self.stamp()
        sender, receiver = (theirs, ours) if direction == "inbound" else (ours, theirs)
        way = "In" if direction == "inbound" else "Out"
        return self.put(f"{SMS}/{session['session_id']}", {
            "message": message, "direction": way, "sender": sender, "to_members": [receiver],
            "session_id": session["session_id"], **fields,
        })  # fmt: skip

    def _keep_recording(self, call: JSON, own: JSON) -> None:
        sides = {
            f"{side}_{name}": call[f"{side}_{of}"]
            for side in ("caller", "callee")
            for name, of in (("name", "name"), ("number", "did_number"))
        }
        self.put(RECORDINGS, {
            "call_id": call["call_id"], "call_log_id": call["id"], "call_history_id": call["id"], **sides,
            "direction": call["direction"], "duration": call["duration"], "date_time": call["start_time"],
            "end_time": call["end_time"], "owner": _owner(own), "site": own["site"],
        })  # fmt: skip

    def _phone_user(self, reference: str) -> JSON:
        user = self.need_user(reference)
        found = self.shelf(USERS).get(user["id"])
        return self.add_phone_user(user["id"]) if found is None else found


def _owner(user: JSON) -> JSON:
    return {"id": user["id"], "name": user["name"], "type": "user", "extension_number": user["extension_number"]}
