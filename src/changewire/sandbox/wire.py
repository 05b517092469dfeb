"""Requests and answers as the sandbox's parts pass them on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Request:
    """A received request: ``target`` is the raw path with its query, header names are lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The raw path without the query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; of repeated ones the last counts."""
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def authorization(self) -> str:
        """The Authorization header, empty if there is none."""
        return self.headers.get("authorization", "")


@dataclass
class Response:
    """An answer; ``ending`` "cut" sends only ``keep`` of the body, "reset" nothing at all."""

    status: int
    body: bytes = b""
    content_type: str = "application/json;charset=UTF-8"
    headers: dict[str, str] = field(default_factory=dict)
    ending: str = "whole"
    keep: float = 0.5


def json_response(status: int, answer: Any, headers: dict[str, str] | None = None) -> Response:
    """Return an answer with a JSON body, or without a body if ``answer`` is None."""
    body = b"" if answer is None else json.dumps(answer, separators=(",", ":")).encode()
    return Response(status, body, headers=headers or {})
