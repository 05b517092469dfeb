"""Whether a noticed change is nothing but what the workflow itself wrote. Pure functions.

The rule is: never hide a change of somebody else. A change is an echo only where the address says that exactly this
item was written to, and every path that changed holds exactly the value that was written last. A write counts once, and
not for longer than a source may take to show it. While a write is under way nobody can tell, nor where its answer was
lost and it is tried again: then the change is looked at again in the next poll.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import unquote, urlsplit

from changewire.clock import from_text
from changewire.errors import ChangewireError, PollError
from changewire.state.records import WriteRecord
from changewire.triggers.asking import build_request, names_in_path
from changewire.triggers.binding import Reader
from changewire.triggers.comparing import plain_form, plain_text, sent_value
from changewire.triggers.expressions import Change
from changewire.triggers.noticed import Noticed, Watch, item_key
from changewire.values import Json, dumps

LAG = timedelta(minutes=5)
"""How long after a write a source may still show what was before."""
_USERS = "users"  # what comes behind it in a path has several names: an id, an address, "me"
Address = tuple[str | None, ...]
"""The parts of a path; None stands for any part, such as another name of the same user."""
ECHO, PAST = "echo", "past"
"""What becomes of a write: its change was seen and told to nobody; or what was seen instead was an event."""


@dataclass
class Verdict:
    """What a noticed change is."""

    echo: bool = False
    unclear: bool = False  # a write under way may be behind it
    settled: list[WriteRecord] = field(default_factory=list)  # writes that do not count any more


def still_counts(write: WriteRecord, last_ok: datetime | None, interval: timedelta, polls: int) -> bool:
    """Whether a write may still come back. ``last_ok``: when the last good poll began; ``polls``: how many a change
    takes to count.
    """
    if last_ok is None:
        return True
    if write.acknowledged_at is None:  # nothing is an echo of it, and what may be one does not wait for long
        return last_ok < write.sent_at + LAG
    return last_ok < write.acknowledged_at + max(LAG, polls * interval)


def judge(
    noticed: Noticed, watch: Watch, reader: Reader, writes: Iterable[WriteRecord], began: datetime, ended: datetime
) -> Verdict:
    """What a change is that a poll noticed which ``began`` and ``ended`` then; ``writes`` are in their order."""
    addresses, single = _addresses(noticed, reader, began), not reader.kind.items
    concerned = [write for write in writes if write.sent_at <= ended and _concerns(write, noticed, addresses, single)]
    if not concerned or noticed.backfill:
        return Verdict()
    if noticed.kind in ("created", "deleted"):
        acknowledged = [write for write in concerned if write.acknowledged_at is not None]
        return Verdict(bool(acknowledged), not acknowledged, acknowledged)
    return _judge_changes(noticed, watch, concerned, began)


def _judge_changes(noticed: Noticed, watch: Watch, writes: Sequence[WriteRecord], began: datetime) -> Verdict:
    scope = {**noticed.scope, "item": noticed.item}
    behind: list[WriteRecord] = []
    touched: dict[int, WriteRecord] = {}
    ours = True
    for change in noticed.changes:
        told = [(write, sent_value(write.body, watch.rules, scope, change.tokens)) for write in writes]
        of_path = [(write, found[0]) for write, found in told if found]
        touched |= {id(write): write for write, _ in of_path if write.acknowledged_at is not None}
        match = _match(change, of_path, began)
        ours = ours and match is not None
        behind += [] if match is None else [match]
    if not ours or not noticed.changes:
        return Verdict(settled=[write for write in touched.values() if _before(write, began)])
    if any(write.acknowledged_at is None for write in behind):
        return Verdict(unclear=True)
    last = max(map(writes.index, behind))  # what was written later shows in a later answer
    settled = [write for place, write in enumerate(writes) if place <= last or _before(write, began)]
    return Verdict(echo=True, settled=[write for write in settled if id(write) in touched])


def _match(change: Change, written: Sequence[tuple[WriteRecord, Json]], began: datetime) -> WriteRecord | None:
    """The write that a change comes of; None: none that counts. What a later write had overwritten before the poll
    began does not."""
    for place, (write, value) in enumerate(written, 1):
        later = (one for one, _ in written[place:])
        if _same(value, change.new) and not any(_before(one, began) for one in later):
            return write
    return None


def _before(write: WriteRecord, moment: datetime) -> bool:
    return write.acknowledged_at is not None and write.acknowledged_at <= moment


def _same(one: Json, other: Json) -> bool:
    if dumps(plain_form(one)) == dumps(plain_form(other)):
        return True
    if not isinstance(one, str) or not isinstance(other, str):
        return False
    try:
        return "T" in one and "T" in other and one[-1] == other[-1] == "Z" and from_text(one) == from_text(other)
    except ValueError:
        return False


def _addresses(noticed: Noticed, reader: Reader, now: datetime) -> list[Address]:
    """Return the addresses of the list or item that was read; empty if its path cannot be built.

    The list ``/users/{userId}/meetings`` is also ``/meetings``, without its owner, and the same for another name of the
    user. Other parts must be equal: ``/groups/2/members`` is another list than ``/groups/1/members``.
    """
    spec = reader.kind.request
    if spec is None:
        return []
    try:
        path = build_request(spec, reader, noticed.scope or reader.scope(now)).path
    except ChangewireError:
        return []
    at: Address = parts(path)
    if "://" in path:  # writes are stored with the part of their address below that of the connection
        return [at[start:] for start in range(len(at))]
    template = [part for part in spec.path.split("/") if part]
    if not names_in_path(spec.path) or len(template) != len(at) or not reader.kind.items:
        return [at]
    found: list[Address] = [()]
    for place, part in enumerate(at):
        if not names_in_path(template[place]):
            found = [(*address, part) for address in found]
            continue
        named = None if template[place - 1 : place] == [_USERS] else part
        found = [one for address in found for one in ((*address, named), address[:-1])]
    return found


def parts(path: str) -> tuple[str, ...]:
    """The parts of a path or an address, decoded; an id that is encoded twice as well."""
    return tuple(unquote(unquote(part)) for part in urlsplit(path).path.split("/") if part)


def _concerns(write: WriteRecord, noticed: Noticed, addresses: Iterable[Address], single: bool) -> bool:
    """Whether the address of a write says that it is about this item, or makes items of this collection.

    ``single``: what is read is the one item, and no list.
    """
    written = parts(write.path)
    if not written:
        return False
    in_list = _is_one_of(written[:-1], addresses) and written[-1] in _ids(noticed)
    is_item = _is_one_of(written, addresses) if single else in_list
    if noticed.kind == "created":
        made = write.method == "POST" and _is_one_of(written, addresses)
        return (write.method == "PUT" and is_item) or (
            made and (write.key == noticed.key or write.acknowledged_at is None)
        )
    return is_item and (write.method == "DELETE") is (noticed.kind == "deleted")


def _is_one_of(written: Sequence[str], addresses: Iterable[Address]) -> bool:
    return any(
        len(written) == len(address) and all(part in (None, own) for own, part in zip(written, address, strict=True))
        for address in addresses
    )


def _ids(noticed: Noticed) -> set[str]:
    item = noticed.item if isinstance(noticed.item, dict) else {}
    values = [item.get("id"), item.get("uuid")]
    own = noticed.key.replace("%3A", ":").replace("%25", "%")
    return {own, *(plain_text(value) for value in values if isinstance(value, str | int | float) and value != "")}


def made_key(answer: Json, watch: Watch, reader: Reader, now: datetime) -> str | None:
    """The key that the item has which an answer tells was made; None: it does not tell."""
    inner = [value for value in answer.values() if isinstance(value, dict)] if isinstance(answer, dict) else []
    wrapped = inner if isinstance(answer, dict) and len(answer) == 1 else []
    for data in (answer, *wrapped):
        try:
            return item_key(data, watch.kind, reader.scope(now)) if isinstance(data, dict) else None
        except PollError:
            continue
    return None
