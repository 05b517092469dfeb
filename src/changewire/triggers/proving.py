"""Whether an item that is missing from its list is gone, where a type asks for evidence.

A list loses entries for many reasons: a meeting was handed over, a user was switched off, a window moved on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from changewire.errors import ApiError
from changewire.triggers.definition import Evidence
from changewire.triggers.missing import BRAKE_PATIENCE
from changewire.triggers.noticed import Notice, Noticed, Watch
from changewire.triggers.polling import means
from changewire.values import Json

MOST = 50  # requests for evidence in one poll; the other items wait for the next
GIVE_UP = 500  # polls after which an item of which nothing is ever said is forgotten

Ask = Callable[[Evidence, Json], Json]
"""Sends the request for one item. Raises ApiError."""


def proven(result: Notice, watch: Watch, ask: Ask) -> Notice:
    """``result`` with only those deletions that are true. Raises ApiError where that cannot be found out."""
    evidence = watch.kind.evidence
    if evidence is None:
        return result
    kept, asked = [], 0
    for noticed in result.noticed:
        if noticed.missing is None:
            kept.append(noticed)
            continue
        asked += 1
        found = _weigh(noticed, watch, evidence, ask, result) if asked <= MOST else None
        if asked > MOST:
            result.hold("unproven", noticed.key)
        if found is None:
            result.verdicts["fired"] -= 1
        else:
            kept.append(found)
    return replace(result, noticed=kept)


def _weigh(noticed: Noticed, watch: Watch, evidence: Evidence, ask: Ask, result: Notice) -> Noticed | None:
    """The deletion, with the answer that proves it as its detail; None where it is not proven."""
    assert noticed.missing is not None
    record, absences = noticed.missing, watch.kind.absences
    try:
        answer = ask(evidence, noticed.item)
    except ApiError as error:
        if evidence.errors:
            if means(error, evidence.errors):
                return noticed
            raise
        if error.failure not in ("gone", "not_yet"):
            raise
        if record.absences < GIVE_UP:
            result.quiet.append(replace(record, absences=record.absences + 1))
        elif noticed.record is not None:
            result.quiet.append(noticed.record)
        result.hold("unproven", noticed.key)
        return None
    if not evidence.errors:
        return replace(noticed, detail=answer)
    result.quiet.append(replace(record, absences=-absences * BRAKE_PATIENCE))  # it is elsewhere: ask again much later
    result.hold("elsewhere", noticed.key)
    return None
