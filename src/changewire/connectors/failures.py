"""Which answers are errors, and which kind of failure each of them is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from changewire.connectors.definition import Connector, ErrorBody
from changewire.connectors.rate_counts import next_midnight
from changewire.connectors.transport.messages import Request
from changewire.errors import ApiError, FailureClass
from changewire.secret import mask
from changewire.values import Json, loads_answer, scalar_text

LONGEST_ERROR = 65536  # bytes; no error answer is longer, so longer ones are not searched
LONGEST_BODY = 2000  # characters of an error answer that are kept as evidence
LONGEST_MESSAGE = 500  # characters of the API's own words that are shown
LONGEST_WAIT = timedelta(days=3650)  # whatever an API says
_BY_STATUS = {
    401: (FailureClass.CREDENTIAL, "check the connection's credentials"),
    402: (FailureClass.PLAN, "the account needs a plan that includes this"),
    403: (FailureClass.SCOPE, "these credentials may not do this: ask for the permission"),
    404: (FailureClass.GONE, "check the address and the ids in it"),
    304: (FailureClass.TRANSIENT, None),  # nobody asked whether it changed: a cache on the way errs
    408: (FailureClass.TRANSIENT, None),
    410: (FailureClass.GONE, None),
    425: (FailureClass.TRANSIENT, None),
    429: (FailureClass.RATE, None),
}


@dataclass(frozen=True)
class Failure:
    """An answer that is an error, understood."""

    failure: FailureClass
    status: int
    code: str | None
    message: str  # the API's own words, without secrets; "" when it said nothing that can be read
    reason: str | None
    advice: str | None

    @property
    def passing(self) -> bool:
        """True for a rate error that is over soon, so that waiting is all there is to do."""
        return self.failure is FailureClass.RATE and self.reason not in {"daily", "user_daily"}

    def error(
        self, connector: Connector, connection: str, path: str, retry_at: datetime | None, body: bytes | None = None
    ) -> ApiError:
        """The error in words: who answered what, and what to do. ``body``: the answer, of which the beginning stays."""
        code = f", code {self.code}" if self.code else ""
        said = self.message or "no explanation"
        text = f"{connector.title} ({connection}) answered {self.status}{code} to {mask(path)}: {said}"
        if self.advice:
            text = f"{text.rstrip('.')}: {self.advice}"
        return ApiError(
            text,
            self.failure,
            status=self.status,
            code=self.code,
            retry_at=retry_at,
            reason=self.reason,
            body=_beginning(body),
        )


def _beginning(body: bytes | None) -> str | None:
    """What is kept of an error answer. Masked before it is cut, so that no half of a secret is left."""
    if not body:
        return None
    return mask(body[:LONGEST_ERROR].decode(errors="replace"))[:LONGEST_BODY]


def judge(connector: Connector, request: Request, status: int, body: bytes) -> Failure | None:
    """What is wrong with an answer; None for a good one."""
    accepted = status in request.ok_statuses if request.ok_statuses else 200 <= status < 300
    if accepted and not (connector.error_body.dressed_as_ok and _may_be_error(connector.error_body, body)):
        return None
    code, message = read_error(connector.error_body, body)
    if accepted and (code is None or not message or code in connector.ok_codes):
        return None
    return _classify(connector, request, status, code, message)


def _may_be_error(fields: ErrorBody, body: bytes) -> bool:
    """A cheap look that spares decoding good answers: are there the field names of an error?"""
    if len(body) > LONGEST_ERROR:
        return False
    return all(any(f'"{name}"'.encode() in body for name in names) for names in (fields.code, fields.message))


def _classify(connector: Connector, request: Request, status: int, code: str | None, said: str) -> Failure:
    message = mask(said)[:LONGEST_MESSAGE]  # the rules look at what was really said: a secret may be a common word
    for rule in connector.failures:
        if rule.fits(request.method, request.path, status, code, said):
            return Failure(rule.failure, status, code, message, rule.reason, rule.advice)
    if status in _BY_STATUS:
        failure, advice = _BY_STATUS[status]
        return Failure(failure, status, code, message, "token" if status == 401 else None, advice)
    failure = FailureClass.TRANSIENT if status >= 500 else FailureClass.BAD_INPUT
    return Failure(failure, status, code, message, None, None)


def read_error(fields: ErrorBody, body: bytes) -> tuple[str | None, str]:
    """Code and message of an error body, (None, "") where there are none; also from slightly broken JSON.

    The message is as it was sent, so it may hold a secret.
    """
    if len(body) > LONGEST_ERROR:
        return None, ""
    try:
        data = loads_answer(body)
    except ValueError:
        return _from_text(fields, body.decode("utf-8", "replace"))
    if isinstance(data, dict) and isinstance(data.get("error"), dict):
        data = {**data, **data["error"]}
        data["error"] = data.get("code")
    if not isinstance(data, dict):
        return None, ""
    code = _first(data, fields.code)
    message = " ".join(part for part in (_first(data, fields.message), _details(data.get("errors"))) if part)
    return code, message


def _first(data: Mapping[str, Json], names: tuple[str, ...]) -> str | None:
    """The first field that is there as text; lists and objects say nothing that can be shown."""
    return next((text for name in names if (text := scalar_text(data.get(name))) is not None), None)


def _details(errors: Json) -> str:
    """Which fields an API did not like, as "page_size: Invalid field."."""
    if not isinstance(errors, list):
        return ""
    known = [one for one in errors[:5] if isinstance(one, dict) and scalar_text(one.get("message"))]
    said = [(scalar_text(one.get("field")), scalar_text(one["message"])) for one in known]
    return "; ".join(f"{name}: {message}" if name else f"{message}" for name, message in said)


def _from_text(fields: ErrorBody, text: str) -> tuple[str | None, str]:
    if not text.lstrip().startswith("{"):
        return None, ""
    code = re.search(rf'"(?:{"|".join(fields.code)})"\s*:\s*"?(\w+)', text)
    message = re.search(rf'"(?:{"|".join(fields.message)})"\s*:\s*"(.*)"', text, re.DOTALL)
    return (code[1] if code else None), message[1] if message else ""


def retry_at(
    failure: Failure, headers: Mapping[str, str], now: datetime, span: float, offset: timedelta = timedelta(0)
) -> datetime | None:
    """When the same may be asked again; None when nobody said and no rule does.

    ``span`` is the length in seconds of the label's short limit, waited when a rate error says nothing. ``offset``:
    what the wall clock shows, by which an API names dates, less ``now``.
    """
    told = parse_retry_after(headers.get("Retry-After"), now, offset, headers.get("Date"))
    if told is not None or failure.failure is not FailureClass.RATE:
        return told
    daily = failure.reason in {"daily", "user_daily"} or headers.get("X-RateLimit-Type", "").lower() == "daily-limit"
    return next_midnight(now + offset) - offset if daily else now + timedelta(seconds=span)


def parse_retry_after(
    text: str | None, now: datetime, offset: timedelta = timedelta(0), date: str | None = None
) -> datetime | None:
    """Return the moment that a Retry-After header means: seconds, an HTTP date, or an ISO instant. None: unreadable.

    ``date`` is the Date header. An instant that is past, or more than a day ahead, is measured from it: the wall clock
    here may be wrong.
    """
    text = (text or "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return now + timedelta(seconds=float(text))
    instant, sent_at = _parse_instant(text), _parse_instant(date or "")
    if instant is None:
        return None
    if sent_at is None or now <= instant - offset <= now + timedelta(days=1):
        sent_at = now + offset
    return now + min(instant - sent_at, LONGEST_WAIT)


def _parse_instant(text: str) -> datetime | None:
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(text)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None
