"""Errors in the forms that the Zoom API gives them."""

from __future__ import annotations

from typing import Any

JSON = dict[str, Any]


class ApiError(Exception):
    """An answer ``{"code", "message"}`` with an HTTP status.

    ``errors`` is the list of field errors of a failed validation, None when there is none.
    """

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        errors: list[dict[str, str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors
        self.headers = headers or {}

    def body(self) -> JSON:
        """Return the JSON object to send."""
        body: JSON = {"code": self.code, "message": self.message}
        if self.errors is not None:
            body["errors"] = self.errors
        return body


class ControlError(Exception):
    """A control call that cannot be done; ``detail`` is what the caller is told."""

    def __init__(self, message: str, status: int = 400, **detail: Any) -> None:
        super().__init__(message)
        self.status = status
        self.detail: JSON = {"error": message, **detail}


def validation(*fields: str, text: str = "Invalid field.") -> ApiError:
    """Return the 400/300 error naming ``fields``."""
    return ApiError(400, 300, "Validation Failed.", [{"field": f, "message": text} for f in fields])


def no_user(user_id: str) -> ApiError:
    """Return the answer for an unknown user."""
    return ApiError(404, 1001, f"User does not exist: {user_id}.")


def no_meeting(ref: object) -> ApiError:
    """Return the answer for a meeting that is deleted, expired or unknown."""
    return ApiError(404, 3001, f"Meeting does not exist: {ref}.")


def no_webinar(ref: object) -> ApiError:
    """Return the answer for a webinar that is deleted, expired or unknown."""
    return ApiError(404, 3001, f"Webinar does not exist: {ref}.")


def no_recording() -> ApiError:
    """Return the answer for a session without a recording (yet)."""
    return ApiError(404, 3301, "There is no recording for this meeting.")


def dead_page_token() -> ApiError:
    """Return the answer for a page token that is unknown, expired or of another query."""
    return ApiError(400, 300, "The next page token is invalid or expired.")


def unknown_path() -> ApiError:
    """Return the answer for a path the API does not have."""
    return ApiError(404, 2300, "This API endpoint is not recognized.")


def wrong_method(method: str) -> ApiError:
    """Return the answer for a path that the API has, but not for this method."""
    return ApiError(405, 405, f"Request method '{method}' is not supported.")
