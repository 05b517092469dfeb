"""Endpoints that make, change and remove users, and of what belongs to one."""

from __future__ import annotations

from changewire.sandbox.api.call import Call, Reply
from changewire.sandbox.errors import JSON, ApiError, no_user, validation

_WAYS = {"create": "pending", "autoCreate": "active", "custCreate": "active", "ssoCreate": "active"}
_STATUSES = {"activate": "active", "deactivate": "inactive"}
_TYPES = (1, 2, 4, 99)
_SHORTEST_PASSWORD = 8
_PERMISSIONS = ["User:Read", "User:Edit", "Group:Read", "Group:Edit", "Role:Read", "Report:Read", "Setting:Edit"]


def create_user(call: Call) -> Reply:
    """POST /users: an invited user is pending, the other ways make active ones."""
    info = call.body["user_info"]
    if not isinstance(info, dict):
        raise validation("user_info")
    status = _WAYS.get(str(call.body["action"]))
    wrong = [] if status else ["action"]
    wrong += [] if "@" in str(info["email"]) else ["user_info.email"]
    wrong += [] if info["type"] in _TYPES else ["user_info.type"]
    if wrong:
        raise validation(*wrong)
    if call.world.find_user(str(info["email"])):
        raise _taken(str(info["email"]))
    fields = {key: value for key, value in info.items() if key not in ("email", "id", "password", "feature")}
    made = call.world.create_user(info["email"], **fields, status=status)
    user = call.world.users[made["user_id"]]
    return call.done({key: user[key] for key in ("id", "email", "first_name", "last_name", "type")})


def delete_user(call: Call) -> Reply:
    """DELETE /users/{userId}: ``disassociate`` or ``delete``, perhaps handing meetings over."""
    user = call.user()
    call.choice("action", "disassociate", "delete")
    _refuse_owner(call, user, 1117, "You can not disassociate an Admin user.")
    heir = call.user(call.query["transfer_email"]) if call.query.get("transfer_email") else None
    if heir is not None and heir["id"] == user["id"]:
        raise validation("transfer_email")
    if heir is not None:
        wanted = [kind for kind in ("meeting", "webinar") if call.flag(f"transfer_{kind}")]
        for event in call.world.events.values():
            if event.kind in wanted and event.data["host_id"] == user["id"]:
                event.data.update(host_id=heir["id"], host_email=heir["email"])
    for event in call.world.events.values():
        event.deleted = event.deleted or event.data["host_id"] == user["id"]
    call.world.delete_user(user["id"])
    return call.done()


def change_status(call: Call) -> Reply:
    """PUT /users/{userId}/status: ``activate`` or ``deactivate``."""
    user = call.user()
    status = _STATUSES.get(str(call.body["action"]))
    if status is None:
        raise validation("action")
    _refuse_owner(call, user, 200, "Zoom Room and Admin users' status cannot be activated or deactivated.")
    call.world.set_user_status(user["id"], status)
    return call.done()


def change_email(call: Call) -> Reply:
    """PUT /users/{userId}/email."""
    user, email = call.user(), str(call.body["email"])
    if "@" not in email:
        raise validation("email")
    other = call.world.find_user(email)
    if other is not None and other["id"] != user["id"]:
        raise _taken(email)
    call.world.update_user(user["id"], email=email)
    return call.done()


def change_password(call: Call) -> Reply:
    """PUT /users/{userId}/password; it is not kept."""
    user, password = call.user(), str(call.body["password"])
    if len(password) < _SHORTEST_PASSWORD:
        raise ApiError(400, 1124, f"Have at least {_SHORTEST_PASSWORD} characters")
    if not any(each.isdigit() for each in password):
        raise ApiError(400, 1126, "Have at least 1 number (1, 2, 3...)")
    call.world.record("user_password_changed", user_id=user["id"])
    return call.done()


def email_in_use(call: Call) -> Reply:
    """GET /users/email."""
    return 200, {"existed_email": call.world.find_user(call.query["email"]) is not None}


def vanity_name_in_use(call: Call) -> Reply:
    """GET /users/vanity_name."""
    name = call.query["vanity_name"]
    return 200, {"existed": any(user.get("vanity_url", "").endswith(name) for user in call.world.users.values())}


def summary(call: Call) -> Reply:
    """GET /users/summary: users by status and licence."""
    people = list(call.world.users.values())
    by_status = {
        f"{name}_users": sum(u["status"] == name for u in people) for name in ("active", "inactive", "pending")
    }
    return 200, {"total_users": len(people), "licensed_users": sum(u["type"] == 2 for u in people), **by_status}


def token(call: Call) -> Reply:
    """GET /users/{userId}/token and /users/me/zak."""
    user = call.user(None if "userId" in call.args else "me")
    return 200, {"token": f"eyJ0eXAiOiJKV1QifQ.{user['id']}.{call.world.ids.nonce(40)}"}


def permissions(call: Call) -> Reply:
    """GET /users/{userId}/permissions."""
    return 200, {"permissions": [] if call.user()["role_id"] == "2" else _PERMISSIONS}


def assistants(call: Call) -> Reply:
    """GET /users/{userId}/assistants: who may schedule for the user."""
    return 200, {"assistants": list(call.world.shelf(_assistants(call)).values())}


def add_assistants(call: Call) -> Reply:
    """POST /users/{userId}/assistants."""
    place, users = _assistants(call), call.people("assistants")
    for user in users:
        if user["id"] not in call.world.shelf(place):
            call.world.put(place, {"id": user["id"], "email": user["email"]})
    return call.done({"ids": ",".join(user["id"] for user in users), "add_at": call.world.stamp()})


def remove_assistants(call: Call) -> Reply:
    """DELETE /users/{userId}/assistants, or one of them."""
    place = _assistants(call)
    one = call.user(call.word("assistantId"))["id"] if "assistantId" in call.args else None
    if one is not None and one not in call.world.shelf(place):
        raise no_user(one)
    for assistant_id in [each for each in call.world.shelf(place) if one in (None, each)]:
        call.world.drop(place, assistant_id)
    return call.done()


def schedulers(call: Call) -> Reply:
    """GET /users/{userId}/schedulers: for whom the user may schedule."""
    user_id = call.user()["id"]
    people = (u for u in call.world.users.values() if user_id in call.world.shelf(f"/users/{u['id']}/assistants"))
    return 200, {"schedulers": [{"id": one["id"], "email": one["email"]} for one in people]}


def remove_schedulers(call: Call) -> Reply:
    """DELETE /users/{userId}/schedulers, or one of them."""
    user_id = call.user()["id"]
    wanted = call.user(call.word("schedulerId"))["id"] if "schedulerId" in call.args else None
    for other in call.world.users:
        if wanted in (None, other) and user_id in call.world.shelf(f"/users/{other}/assistants"):
            call.world.drop(f"/users/{other}/assistants", user_id)
    return call.done()


def _assistants(call: Call) -> str:
    return f"/users/{call.user()['id']}/assistants"


def _taken(email: str) -> ApiError:
    return ApiError(409, 1005, f"Email '{email}' has already been used.")


def _refuse_owner(call: Call, user: JSON, code: int, text: str) -> None:
    if user["id"] == call.world.owner_id:
        raise ApiError(400, code, text)


HANDLERS = {
    "POST /users": create_user,
    "DELETE /users/{userId}": delete_user,
    "PUT /users/{userId}/status": change_status,
    "PUT /users/{userId}/email": change_email,
    "PUT /users/{userId}/password": change_password,
    "GET /users/email": email_in_use,
    "GET /users/vanity_name": vanity_name_in_use,
    "GET /users/summary": summary,
    "GET /users/{userId}/token": token,
    "GET /users/me/zak": token,
    "GET /users/{userId}/permissions": permissions,
    "GET /users/{userId}/assistants": assistants,
    "POST /users/{userId}/assistants": add_assistants,
    "DELETE /users/{userId}/assistants": remove_assistants,
    "DELETE /users/{userId}/assistants/{assistantId}": remove_assistants,
    "GET /users/{userId}/schedulers": schedulers,
    "DELETE /users/{userId}/schedulers": remove_schedulers,
    "DELETE /users/{userId}/schedulers/{schedulerId}": remove_schedulers,
}
