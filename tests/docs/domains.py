"""Which page of the reference tells of a trigger type or an action: by its connector, and for Zoom by its name."""

from __future__ import annotations

import re

DOMAINS = {
    "meetings": "Meetings",
    "webinars": "Webinars",
    "recordings": "Recordings, transcripts, summaries",
    "people": "Users, groups, roles",
    "chat": "Team Chat",
    "phone": "Phone",
    "rooms": "Rooms and devices",
    "account": "Account, reports, logs",
    "http": "Any JSON API",
    "core": "Changewire itself",
}
"""Pages and their titles, in the order of the overviews."""
_WORDS = (
    ("account", r"report|log|account|locked|sign_in|activity|graphql"),
    ("webinars", r"webinar|panelist"),
    ("phone", r"phone|sms|voicemail"),
    ("recordings", r"recording|transcript|summar|archive"),
    ("chat", r"chat|contact"),
    ("rooms", r"room|device"),
    ("meetings", r"meeting|invite_links|rtms"),
    ("people", r"user|group|role"),
)


def domain(name: str) -> str:
    """The page of ``zoom.new_user``: ``people``. Raises LookupError where no word of the name is known."""
    connector, _, rest = name.partition(".")
    if connector in DOMAINS:
        return connector
    for page, words in _WORDS:
        if re.search(words, rest):
            return page
    raise LookupError(f"{name} has no page: tests/docs/domains.py says which words belong where")
