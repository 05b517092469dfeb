"""Which answers are errors, and which kind of failure each of them is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from changewire.connectors.definition import Connector, ErrorBody
from changewire.connectors.rate_counts import next_midnight
from changewire.connectors.remote_numbers import LONGEST_RATE_WAIT, LONGEST_WAIT, Wait, retry_after
from changewire.connectors.transport.messages import Request
from changewire.errors import ApiError, FailureClass
from changewire.secret import mask, masked_excerpt
from changewire.values import Json, loads_answer, scalar_text

LONGEST_ERROR = 65536  # bytes; no error answer is longer, so longer ones are not searched
_LONGEST_SPELLED = 4096  # characters; at the end of what was read of a longer answer may be the first half of a secret
LONGEST_BODY = 2000  # characters of an error answer that are kept as evidence
LONGEST_MESSAGE = 500  # characters of the API's own words that are shown
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
        self,
        connector: Connector,
        connection: str,
        path: str,
        retry_at: datetime | None,
        body: bytes | None = None,
        capped: str | None = None,
    ) -> ApiError:
        """The error in words: who answered what, and what to do. ``body``: the answer, of which the beginning stays.

        ``capped``: the wait that the API asked for and that is shortened, in words; None: it is not.
        """
        code = f", code {self.code}" if self.code else ""
        said = self.message or "no explanation"
        text = f"{connector.title} ({connection}) answered {self.status}{code} to {mask(path)}: {said}"
        if self.advice:
            text = f"{text.rstrip('.')}: {self.advice}"
        if capped:
            text = f"{text}; {mask(capped)}"
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
    text = mask(body[:LONGEST_ERROR].decode(errors="replace"))
    whole = len(body) <= LONGEST_ERROR
    return (text if whole else text[:-_LONGEST_SPELLED])[:LONGEST_BODY]


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
    message = masked_excerpt(said, LONGEST_MESSAGE)  # rules look at what was really said: a secret may be a common word
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
) -> Wait | None:
    """Return the earliest time to retry, or None if neither the response nor the connector defines one.

    ``span`` is the length in seconds of the label's short limit, waited when a rate error says nothing. ``offset``:
    what the wall clock shows, by which an API names dates, less ``now``.
    """
    rate = failure.failure is FailureClass.RATE
    most = LONGEST_RATE_WAIT if rate else LONGEST_WAIT
    asked = retry_after(headers.get("Retry-After"), now, most, offset=offset, date=headers.get("Date"))
    if asked is not None or not rate:
        return asked
    daily = failure.reason in {"daily", "user_daily"} or headers.get("X-RateLimit-Type", "").lower() == "daily-limit"
    return Wait(next_midnight(now + offset) - offset if daily else now + timedelta(seconds=span))
