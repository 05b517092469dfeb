"""Settings that turn the sandbox's disputed or optional behaviours on and off."""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass, fields
from typing import Any

from changewire.sandbox.errors import ControlError

CHOICES: dict[str, tuple[object, ...]] = {
    "plan": ("free", "pro", "business"),
    "me": ("owner", "error"),
    "token_error_status": (401, 400),
    "paid_error_form": (400, 200),
    "rate_headers": ("full", "category"),
    "double_encoding": ("reject", "accept"),
    "page_token_binding": ("strict", "loose"),
    "download_denied": ("json", "html"),
    "download_ranges": ("strong", "weak", "none"),
    "download_redirect": ("none", "same_host", "other_host"),
    "one_person_meetings": ("shown", "hidden"),
    "scope_parameter": ("ignore", "honour"),
}
_OPTIONAL = ("recording_delay_s", "transcript_delay_s")


@dataclass
class Switches:
    """All switches with their defaults; times are seconds of sandbox time.

    ``plan`` picks rate limits and paid features. ``me`` says whether ``/users/me`` is the owner.
    ``new_token_kills_old``: a sign-in ends earlier tokens. ``token_lifetime_s``: life of a token.
    ``token_error_status``: HTTP status of code 124. ``paid_error_form``: HTTP status of "paid only".
    ``webinar_plan``: whether webinars may be used. ``enforce_limits``: answer 429 over the limits.
    ``rate_headers``: all rate headers, or the category alone. ``shuffle_lists``: random list order.
    ``new_urls``: play and download links differ on each call. ``awkward_uuids``: some UUIDs have
    ``/`` in front or ``//`` inside. ``double_encoding``: whether a UUID that needs no second
    encoding may have one. ``page_token_binding``: whether the query must be repeated with a token.
    ``page_token_life_s``: life of a page token. ``download_denied``: refusal as 401 JSON or as an
    HTTP 200 page. ``download_ranges``: parts of a file under a strong or weak entity tag, or whole
    files only. ``download_names``: suggest a file name. ``download_redirect``: an extra hop,
    perhaps under another host name. ``hop_needs_auth``: whether that hop wants the token again.
    ``one_person_meetings``: whether a session with one participant lists that one.
    ``participants_delay_s``: end of session to the rows' appearance. ``processing_delay_s``: from
    there to durations other than 0.
    ``recording_delay_s``: end of session to completed files, ``transcript_delay_s``: from there
    to the completed transcript; None leaves both to control calls. ``recordings_to_inclusive``:
    whether the ``to`` day belongs to the window. ``report_future_days``: list the whole month.
    ``delete_counts``: deletes count in the 100 changes a day of a host. ``code_life_s``,
    ``refresh_life_s``, ``device_life_s``: life of what a person's sign-in brings.
    ``refresh_grace_s``: how long a refresh token still works after its use. ``device_interval_s``:
    how far apart questions about a device code must be. ``scope_parameter``: whether a sign-in
    may ask for some of the app's scopes.
    """

    plan: str = "business"
    me: str = "owner"
    new_token_kills_old: bool = False
    token_lifetime_s: int = 3599
    token_error_status: int = 401
    paid_error_form: int = 400
    webinar_plan: bool = True
    enforce_limits: bool = True
    rate_headers: str = "full"
    shuffle_lists: bool = False
    new_urls: bool = True
    awkward_uuids: bool = True
    double_encoding: str = "reject"
    page_token_binding: str = "strict"
    page_token_life_s: int = 900
    download_denied: str = "json"
    download_ranges: str = "strong"
    download_names: bool = False
    download_redirect: str = "none"
    hop_needs_auth: bool = False
    one_person_meetings: str = "shown"
    participants_delay_s: int = 0
    processing_delay_s: int = 600
    recording_delay_s: int | None = None
    transcript_delay_s: int | None = None
    recordings_to_inclusive: bool = True
    report_future_days: bool = False
    delete_counts: bool = False
    code_life_s: int = 300
    refresh_life_s: int = 90 * 86400
    refresh_grace_s: int = 0
    device_life_s: int = 900
    device_interval_s: int = 5
    scope_parameter: str = "ignore"

    def set(self, name: str, value: object) -> None:
        """Set one switch; an unknown name or unfit value raises ControlError."""
        known = [field.name for field in fields(self)]
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.3)
            raise ControlError(f"no switch {name!r}", known=known, nearest=near[0] if near else None)
        if not self._fits(name, value):
            wanted = CHOICES.get(name) or type(getattr(Switches(), name)).__name__
            raise ControlError(f"switch {name} cannot be {value!r}", wanted=str(wanted))
        setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        """Return all switches by name."""
        return asdict(self)

    @staticmethod
    def _fits(name: str, value: object) -> bool:
        if name in CHOICES:
            return value in CHOICES[name] and not isinstance(value, bool)
        if name in _OPTIONAL and value is None:
            return True
        default = 0 if name in _OPTIONAL else getattr(Switches(), name)
        if isinstance(default, bool):
            return isinstance(value, bool)
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
