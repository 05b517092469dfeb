"""Plain records and settings: whatever the account keeps in lists, by the path of the list."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from changewire.sandbox.errors import JSON, ApiError, ControlError
from changewire.sandbox.world.base import WorldBase, action
from changewire.sandbox.world.settings import DEFAULTS
from changewire.sandbox.world.templates import merge


@dataclass(frozen=True)
class Collection:
    """What is special about the records of one list.

    ``path`` is the list's, with ``{}`` for variable parts; ``noun`` names changes in the history,
    ``key`` the field that identifies a record, ``items`` the list's key where the table errs.
    ``defaults`` returns the fields of a new record, ``must`` are those that the API wants on top of
    the table's. ``missing`` and ``taken`` are the refusals (status, code, text) of an unknown
    record and of a second one with the same ``unique`` field. ``hidden`` names the fields that a
    list leaves out, ``when`` the one that its ``from`` and ``to`` are about. ``paid`` refuses the
    free plan, ``strict`` ids that nobody made.
    """

    path: str
    noun: str = "record"
    key: str = "id"
    items: str = ""
    defaults: Callable[[WorldBase], JSON] | None = None
    missing: tuple[int, int, str] = (404, 404, "Resource does not exist: {id}.")
    must: tuple[str, ...] = ()
    unique: str = ""
    taken: tuple[int, int, str] = (409, 409, "{value} is already in use.")
    hidden: tuple[str, ...] = ()
    when: str = ""
    paid: bool = False
    strict: bool = True

    def no(self, record_id: str) -> ApiError:
        """Return the refusal of an unknown record."""
        status, code, text = self.missing
        return ApiError(status, code, text.format(id=record_id))


class RecordActions(WorldBase):
    """Actions on plain records, each list known by its path."""

    collections: dict[str, Collection]

    @action
    def add_record(self, path: str, **fields: Any) -> JSON:
        """Add a record to a list, as ``/rooms``; its default fields are replaced by ``fields``."""
        return self.put(path, fields)

    @action
    def change_record(self, path: str, **fields: Any) -> JSON:
        """Change a record or settings, as ``/rooms/ID``; objects are merged."""
        place, _, record_id = path.rpartition("/")
        if record_id in self.records.get(place, {}):
            return self.change(place, record_id, fields)
        return self.set_document(path, fields)

    @action
    def remove_record(self, path: str) -> JSON:
        """Remove a record, as ``/rooms/ID``."""
        place, _, record_id = path.rpartition("/")
        return self.drop(place, record_id)

    def shelf(self, path: str) -> dict[str, JSON]:
        """Return the records of a list by their ids, oldest first, to be read."""
        return self.records.get(path, {})

    def collection(self, path: str) -> Collection:
        """Return what is known of the list at a path."""
        return self.collections.get(path) or next(
            (known for known in self.collections.values() if _fits(known.path, path)), Collection(path, strict=False)
        )

    def find(self, path: str, record_id: str) -> JSON | None:
        """Return a record, None if there is none.

        A list of which nothing special is known has a record for every id until that one is removed.
        """
        kind = self.collection(path)
        if record_id in self.shelf(path) or kind.strict or f"{path}/{record_id}" in self.gone:
            return self.shelf(path).get(record_id)
        return {kind.key: record_id}

    def put(self, path: str, fields: JSON) -> JSON:
        """Make a record and keep it; a second one with the same unique field raises ControlError (409)."""
        kind = self.collection(path)
        self._need_unused(path, fields, "")
        record: JSON = {} if kind.defaults is None else kind.defaults(self)
        merge(record, copy.deepcopy(fields))
        record = {kind.key: record.get(kind.key) or self.ids.word(), **record}
        self.records.setdefault(path, {})[str(record[kind.key])] = record
        self.gone.discard(f"{path}/{record[kind.key]}")
        self.record(f"{kind.noun}_created", path=path, id=record[kind.key])
        return record

    def change(self, path: str, record_id: str, fields: JSON) -> JSON:
        """Lay ``fields`` over a record; an unknown one raises ControlError (404), one that would be double (409)."""
        kind, record = self.collection(path), self._need(path, record_id)
        self._need_unused(path, fields, record_id)
        names = sorted(name for name, value in fields.items() if record.get(name) != value)
        merge(record, {name: value for name, value in fields.items() if name != kind.key})
        self.record(f"{kind.noun}_updated", path=path, id=record[kind.key], fields=names)
        return record

    def hold(self, path: str, record_id: str) -> JSON | None:
        """Return a record as :meth:`find` does, and keep it from now on."""
        record = self.find(path, record_id)
        return None if record is None else self.records.setdefault(path, {}).setdefault(record_id, record)

    def drop(self, path: str, record_id: str) -> JSON:
        """Remove a record; an unknown one raises ControlError (404)."""
        record = self._need(path, record_id)
        del self.shelf(path)[record_id]
        self.gone.add(f"{path}/{record_id}")
        self.record(f"{self.collection(path).noun}_deleted", path=path, id=record_id)
        return record

    def document(self, path: str) -> JSON:
        """Return the settings kept at a path, at first the usual ones."""
        if path not in self.documents:
            usual: JSON = next((value for known, value in DEFAULTS.items() if _fits(known, path)), {})
            self.documents[path] = copy.deepcopy(usual)
        return self.documents[path]

    def set_document(self, path: str, fields: JSON) -> JSON:
        """Lay ``fields`` over the settings at a path."""
        merge(self.document(path), fields)
        self.record("settings_updated", path=path, fields=sorted(fields))
        return self.document(path)

    def _need_unused(self, path: str, fields: JSON, record_id: str) -> None:
        kind = self.collection(path)
        value = fields.get(kind.unique)
        others = (row for other, row in self.shelf(path).items() if other != record_id)
        if value is not None and any(row.get(kind.unique) == value for row in others):
            raise ControlError(f"{kind.noun} {value!r} is in use", status=409)

    def _need(self, path: str, record_id: str) -> JSON:
        known = self.records.get(path, {})
        if record_id not in known:
            raise ControlError(f"nothing is kept at {path}/{record_id}", status=404, known=list(known))
        return known[record_id]


def _fits(template: str, path: str) -> bool:
    wanted, parts = template.split("/"), path.split("/")
    return len(wanted) == len(parts) and all(w in ("{}", p) for w, p in zip(wanted, parts, strict=True))
