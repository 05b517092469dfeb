"""Whether an item that is missing from its list is gone, where a type asks for evidence.

A list loses entries for many reasons: a meeting was handed over, a user was switched off, a window moved on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from changewire.errors import ApiError
from changewire.triggers.definition import Evidence
from changewire.triggers.follow_ups import FollowUps, Refused
from changewire.triggers.missing import BRAKE_PATIENCE
from changewire.triggers.noticed import Notice, Noticed, Watch
from changewire.triggers.polling import means
from changewire.values import Json

GIVE_UP = 500  # polls after which an item of which nothing is ever said is forgotten

Ask = Callable[[Evidence, Json], Json]
"""Sends the request for one item. Raises ApiError."""


def proven(result: Notice, watch: Watch, ask: Ask, requests: FollowUps) -> Notice:
    """``result`` with only those deletions that are true.

    The items that were requested least often come first, so that none of them has to wait for ever. A request that is
    refused leaves its own item unproven; so does a poll that may send no more ``requests``.
    """
    evidence = watch.kind.evidence
    if evidence is None:
        return result
    found: dict[str, Noticed] = {}
    missing = [noticed for noticed in result.noticed if noticed.missing is not None]
    for noticed in sorted(missing, key=_requested):
        weighed = None
        if requests.stopped:
            result.hold("unproven", noticed.key)
        else:
            weighed = _weigh(noticed, watch, evidence, ask, result, requests)
        if weighed is None:
            result.verdicts["fired"] -= 1
        else:
            found[noticed.key] = weighed
    kept = [found.get(n.key) if n.missing is not None else n for n in result.noticed]
    return replace(result, noticed=[noticed for noticed in kept if noticed is not None])


def _requested(noticed: Noticed) -> int:
    """Grows with each request for evidence that proved nothing."""
    return 0 if noticed.missing is None else noticed.missing.absences


def _weigh(
    noticed: Noticed, watch: Watch, evidence: Evidence, ask: Ask, result: Notice, requests: FollowUps
) -> Noticed | None:
    """The deletion, with the answer that proves it as its detail; None where it is not proven."""
    assert noticed.missing is not None
    record = noticed.missing
    answer = requests.attempt(lambda: _answer(evidence, ask, noticed.item))
    if isinstance(answer, Refused):
        if answer.error is not None and answer.broken:
            result.failed.append((noticed.key, noticed.item, answer.error))
        if answer.error is not None:
            result.quiet.append(replace(record, absences=min(record.absences + 1, GIVE_UP - 1)))
        result.hold("unproven", noticed.key)
        return None
    proof, detail = answer
    if proof:
        return replace(noticed, detail=detail)
    if evidence.errors:
        later = -watch.kind.absences * BRAKE_PATIENCE  # it is elsewhere: ask again much later
        result.quiet.append(replace(record, absences=later))
        result.hold("elsewhere", noticed.key)
        return None
    if record.absences < GIVE_UP:
        result.quiet.append(replace(record, absences=record.absences + 1))
    elif noticed.record is not None:
        result.quiet.append(noticed.record)
    result.hold("unproven", noticed.key)
    return None


def _answer(evidence: Evidence, ask: Ask, item: Json) -> tuple[bool, Json]:
    """Whether the API confirms that an item is gone, and the answer that does. Raises ApiError if it says neither."""
    try:
        answer = ask(evidence, item)
    except ApiError as error:
        if evidence.errors and means(error, evidence.errors):
            return True, None
        if not evidence.errors and error.failure in ("gone", "not_yet"):
            return False, None
        raise
    return not evidence.errors, answer
