"""Items that cannot be processed are set aside, so that the rest of their poll proceeds. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from changewire.errors import PollError
from changewire.secret import masked_excerpt
from changewire.triggers.comparing import Scope
from changewire.triggers.noticed import Watch, item_key
from changewire.values import Json, digest, dumps, dumps_text

Found = tuple[Json, Scope]
DEPTH, SERIALISED_DEPTH = 100, 254  # levels of nested lists and objects
TOO_DEEP = f"nested deeper than {DEPTH} levels, which no record is"
_EXCERPT = 400  # characters of JSON that are kept of an item


@dataclass(frozen=True)
class SetAside:
    """An item that this reading brought and that could not be processed."""

    key: str | None  # None: it has no key that can be read
    item: Json
    error: Exception
    place: int = 0  # among the items of the reading, from 1; 0: it has a key

    @property
    def identity(self) -> str:
        """The same for the same item in the next poll: its key, else its form and place."""
        return self.key if self.key is not None else f"{self.form}:{self.place}"

    @property
    def name(self) -> str:
        """How the item is named to people."""
        return self.key if self.key is not None else f"number {self.place} of the list"

    @property
    def form(self) -> str:
        """Follows from the names of the fields: records of different kinds have different forms."""
        names = sorted(self.item) if isinstance(self.item, dict) else [type(self.item).__name__]
        return digest(dumps(names), 8)

    @property
    def excerpt(self) -> str:
        """The beginning of the item as JSON, secrets masked; empty if it cannot be written as JSON."""
        try:
            return masked_excerpt(dumps_text(self.item), _EXCERPT)
        except TypeError:
            return ""


def is_storable(data: Json) -> bool:
    """Whether data can be compared and stored: it is JSON of at most `DEPTH` levels.

    Serialising it inside as many lists as the serialiser allows more levels than we do is the fastest way to find out.
    """
    for _ in range(SERIALISED_DEPTH - DEPTH):
        data = [data]
    try:
        dumps(data)
    except TypeError:
        return False
    return True


def separate(answers: Sequence[Sequence[Found]], watch: Watch) -> tuple[list[list[Found]], list[SetAside]]:
    """Return the items of a reading that have a key and can be stored, by answer, and those that do not."""
    kept, aside, place = [], dict[bytes | int, SetAside](), 0
    for answer in answers:
        storable = is_storable(_records(answer))
        good = []
        for item, scope in answer:
            place += 1
            key, error = _examine(item, scope, watch, storable=storable)
            if error is None:
                good.append((item, scope))
            else:  # a list that was read twice, or whose pages shifted, brings it twice
                aside.setdefault(_content(item, place), SetAside(key, item, error, 0 if key is not None else place))
        kept.append(good)
    return kept, list(aside.values())


def _records(answer: Iterable[Found]) -> list[Json]:
    """What an answer consists of: its items, or the records that hold them."""
    return list({id(whole): whole for whole in (scope.get("outer") or item for item, scope in answer)}.values())


def _examine(item: Json, scope: Scope, watch: Watch, *, storable: bool) -> tuple[str | None, Exception | None]:
    try:
        key = item_key(item, watch.kind, scope)
    except Exception as error:  # whatever it is, it must not hold up the other items
        return None, error
    if storable or is_storable(scope.get("outer") or item):
        return key, None
    return key, PollError(f"the item is {TOO_DEEP}")


def _content(item: Json, place: int) -> bytes | int:
    try:
        return dumps(item)
    except TypeError:
        return place


def forms(aside: Iterable[SetAside]) -> Counter[str]:
    """How many items without a key there are of each form."""
    return Counter(each.form for each in aside if each.key is None)


def may_be_remembered(aside: Iterable[SetAside], before: Mapping[str, int]) -> bool:
    """Whether an item without a key may be one that is remembered and seems to be missing.

    ``before``: the items without a key, by form, that were there while none of the remembered ones was missing.
    """
    return any(count > before.get(form, 0) for form, count in forms(aside).items())


def certain_others(aside: Iterable[SetAside], before: Mapping[str, int], *, missing: int) -> dict[str, int]:
    """The items without a key that are certainly none of those remembered, by form, for the next poll.

    ``missing``: how many of the remembered items this reading did not have.
    """
    present = forms(aside)
    return (
        dict(present) if not missing else {form: min(n, present[form]) for form, n in before.items() if present[form]}
    )
