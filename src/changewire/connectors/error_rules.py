"""Errors that come with a good status, found by the rules of the connection."""

from __future__ import annotations

from collections.abc import Sequence

from changewire.config.error_rules import ErrorRule
from changewire.connectors.failures import LONGEST_MESSAGE, Failure
from changewire.connectors.transport.messages import Answer
from changewire.errors import ApiError, FailureClass
from changewire.secret import masked_excerpt
from changewire.templates import TemplateError, condition, render, text_of


def error_by_rules(rules: Sequence[ErrorRule], answer: Answer) -> Failure | None:
    """The failure that the first fitting rule makes of an answer; None: it is as good as it looks.

    What is no JSON is not looked at. A rule that cannot be worked out means that the answer is not what was expected.
    """
    try:
        data = answer.data
    except ApiError:
        return None
    for rule in rules:
        try:
            if condition(rule.when, {"answer": data}):
                said = "" if rule.message is None else text_of(render(rule.message, {"answer": data}))
                return _failure(FailureClass(rule.failure), answer.status, said or f"error_when: {rule.when}")
        except TemplateError as error:
            return _failure(FailureClass.BROKEN, answer.status, f"error_when cannot be worked out: {error}")
    return None


def _failure(kind: FailureClass, status: int, said: str) -> Failure:
    reason = "token" if kind is FailureClass.CREDENTIAL else "error_when"
    return Failure(kind, status, None, masked_excerpt(said, LONGEST_MESSAGE), reason, None)
