"""Endpoints of groups, roles and contacts, where users belong to what."""

from __future__ import annotations

from changewire.sandbox.api import crud
from changewire.sandbox.api.call import Call, Reply
from changewire.sandbox.errors import JSON, ApiError, no_user, validation
from changewire.sandbox.world.directory import MEMBER_ROLE, OWNER_ROLE

_MOST_AT_ONCE = 50
_MEMBER = ("id", "email", "first_name", "last_name", "type")


def groups(call: Call) -> Reply:
    """GET /groups."""
    for group_id, group in call.world.shelf("/groups").items():
        group["total_members"] = len(call.world.members(group_id))
    return crud.answer(call)


def delete_group(call: Call) -> Reply:
    """DELETE /groups/{groupId}."""
    reply = groups(call)
    for user in call.world.members(call.args["groupId"]):
        user["group_ids"] = [one for one in user["group_ids"] if one != call.args["groupId"]]
    return reply


def group_members(call: Call) -> Reply:
    """GET /groups/{groupId}/members."""
    group_id = _group(call)
    people = call.world.members(group_id)
    return crud.listing(call, [{**_person(user), "primary_group": user["group_ids"][0] == group_id} for user in people])


def add_group_members(call: Call) -> Reply:
    """POST /groups/{groupId}/members."""
    group_id, people = _group(call), call.people("members", _MOST_AT_ONCE)
    for user in people:
        call.world.add_group_member(group_id, user["id"])
    return call.done({"ids": _ids(people), "added_at": call.world.stamp()})


def remove_group_member(call: Call) -> Reply:
    """DELETE /groups/{groupId}/members/{memberId}."""
    group_id, user = _group_member(call)
    call.world.remove_group_member(group_id, user["id"])
    return call.done()


def change_group_member(call: Call) -> Reply:
    """PATCH /groups/{groupId}/members/{memberId}: ``move`` to another group, or ``set_primary``."""
    group_id, user = _group_member(call)
    if call.body["action"] not in ("move", "set_primary"):
        raise validation("action")
    if call.body["action"] == "set_primary":
        rest = [one for one in user["group_ids"] if one != group_id]
        user["group_ids"] = [group_id, *rest]
        return call.done()
    target = call.body.get("target_group_id")
    if not target:
        raise ApiError(400, 300, "The target_group_id can not be empty.")
    if target not in call.world.shelf("/groups"):
        raise call.world.collection("/groups").no(target)
    call.world.remove_group_member(group_id, user["id"])
    call.world.add_group_member(target, user["id"])
    return call.done()


def add_group_admins(call: Call) -> Reply:
    """POST /groups/{groupId}/admins."""
    group_id, people = _group(call), call.people("admins", _MOST_AT_ONCE)
    for user in people:
        if user["id"] not in call.world.shelf(f"/groups/{group_id}/admins"):
            fields = {"id": user["id"], "email": user["email"], "name": user["display_name"]}
            call.world.put(f"/groups/{group_id}/admins", fields)
    return call.done({"ids": _ids(people), "added_at": call.world.stamp()})


def remove_group_admin(call: Call) -> Reply:
    """DELETE /groups/{groupId}/admins/{userId}."""
    place = f"/groups/{_group(call)}/admins"
    user_id = call.user()["id"]
    if user_id not in call.world.shelf(place):
        raise ApiError(400, 4138, f"That user is not an administrator for the group: '{call.args['groupId']}'.")
    call.world.drop(place, user_id)
    return call.done()


def roles(call: Call) -> Reply:
    """GET /roles and /roles/{roleId}."""
    for role_id, role in call.world.shelf("/roles").items():
        role["total_members"] = len(call.world.holders(role_id))
    http, answer = crud.answer(call)
    if "roles" in (answer or {}):
        return http, {**(answer or {}), "total_records": len(call.world.shelf("/roles"))}
    return http, answer


def role_members(call: Call) -> Reply:
    """GET /roles/{roleId}/members."""
    people = call.world.holders(_role(call))
    return crud.listing(call, [{**_person(user), "department": user["dept"]} for user in people])


def add_role_members(call: Call) -> Reply:
    """POST /roles/{roleId}/members."""
    role_id, people = _role(call, assigned=True), call.people("members", _MOST_AT_ONCE)
    for user in people:
        call.world.set_role(user["id"], role_id)
    return call.done({"ids": _ids(people), "add_at": call.world.stamp()})


def remove_role_member(call: Call) -> Reply:
    """DELETE /roles/{roleId}/members/{memberId}."""
    role_id = _role(call, assigned=True)
    user = call.user(call.args["memberId"])
    if user["role_id"] != role_id:
        raise no_user(call.args["memberId"])
    call.world.set_role(user["id"], MEMBER_ROLE)
    return call.done()


def search_contacts(call: Call) -> Reply:
    """GET /contacts: people of the account whose name or address has the search key."""
    key = call.query["search_key"].lower()
    rows = []
    for user in call.world.users.values():
        if key in f"{user['display_name']} {user['email']}".lower():
            extra = {"presence_status": "Available"} if call.flag("query_presence_status") else {}
            numbers = {"phone_number": user["phone_number"], "phone_numbers": user["phone_numbers"]}
            rows.append({**_person(user), "dept": user["dept"], "job_title": user["job_title"], "contact_type": 1,
                         "im_group_id": "", "location": user["location"], **numbers, **extra})  # fmt: skip
    return crud.listing(call, rows)


def my_contacts(call: Call) -> Reply:
    """GET /chat/users/me/contacts, of the company or external ones."""
    return crud.listing(call, list(_contacts(call, call.choice("type", "company", "external")).values()))


def my_contact(call: Call) -> Reply:
    """GET /chat/users/me/contacts/{identifier}, by id or e-mail address."""
    wanted = call.word("identifier")
    everyone = {**_contacts(call, "company"), **_contacts(call, "external")}
    found = next((row for row in everyone.values() if wanted in (row["id"], row["email"])), None)
    if found is None:
        raise no_user(wanted)
    presence = {"presence_status": "Available"} if call.flag("query_presence_status") else {}
    return 200, {**found, **presence}


def _contacts(call: Call, kind: str) -> dict[str, JSON]:
    if kind == "external":
        return call.world.shelf("/chat/users/me/contacts")
    people = (user for user in call.world.users.values() if user["id"] != call.world.owner_id)
    return {user["id"]: {key: user[key] for key in _MEMBER[:4]} for user in people}


def _person(user: JSON) -> JSON:
    return {key: user[key] for key in _MEMBER}


def _ids(people: list[JSON]) -> str:
    return ",".join(user["id"] for user in people)


def _group(call: Call) -> str:
    call.need_paid()
    group_id = call.word("groupId")
    if group_id not in call.world.shelf("/groups"):
        raise call.world.collection("/groups").no(group_id)
    return group_id


def _group_member(call: Call) -> tuple[str, JSON]:
    group_id = _group(call)
    user = call.world.find_user(call.word("memberId"))
    if user is None or group_id not in user["group_ids"]:
        raise ApiError(404, 4131, "Group member does not exist.")
    return group_id, user


def _role(call: Call, assigned: bool = False) -> str:
    """Return the role of the path; ``assigned`` refuses those that cannot be given or taken."""
    role_id = call.word("roleId")
    if role_id not in call.world.shelf("/roles"):
        raise call.world.collection("/roles").no(role_id)
    if assigned and role_id in (OWNER_ROLE, MEMBER_ROLE):
        raise ApiError(400, 300, "RoleId required. Can't delete or add members for Normal/Owner roles.")
    return role_id


HANDLERS = {
    "GET /groups": groups,
    "GET /groups/{groupId}": groups,
    "DELETE /groups/{groupId}": delete_group,
    "GET /groups/{groupId}/members": group_members,
    "POST /groups/{groupId}/members": add_group_members,
    "PATCH /groups/{groupId}/members/{memberId}": change_group_member,
    "DELETE /groups/{groupId}/members/{memberId}": remove_group_member,
    "POST /groups/{groupId}/admins": add_group_admins,
    "DELETE /groups/{groupId}/admins/{userId}": remove_group_admin,
    "GET /roles": roles,
    "GET /roles/{roleId}": roles,
    "GET /roles/{roleId}/members": role_members,
    "POST /roles/{roleId}/members": add_role_members,
    "DELETE /roles/{roleId}/members/{memberId}": remove_role_member,
    "GET /contacts": search_contacts,
    "GET /chat/users/me/contacts": my_contacts,
    "GET /chat/users/me/contacts/{identifier}": my_contact,
}
