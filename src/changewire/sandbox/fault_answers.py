"""What a fault does to an answer."""

from __future__ import annotations

import json

from changewire.sandbox.errors import JSON, ApiError, dead_page_token
from changewire.sandbox.faults import Fault
from changewire.sandbox.limits import RateLimiter
from changewire.sandbox.wire import Request, Response, json_response


def answer_early(fault: Fault, limiter: RateLimiter, label: str) -> Response | None:
    """Return the answer of a fault that needs no true answer, None for the others."""
    params = fault.params
    label = str(params.get("label") or label)
    if fault.kind == "status":
        return _status(params)
    if fault.kind == "reset":
        return Response(0, ending="reset")
    if fault.kind == "empty_200" and params["form"] != "list":
        return Response(200, b"" if params["form"] == "nothing" else b"{}")
    if fault.kind == "error_200":
        return json_response(200, {"code": params["code"], "message": params["message"]})
    if fault.kind == "html_200":
        return Response(200, str(params["body"]).encode(), "text/html;charset=UTF-8")
    if fault.kind == "huge_body":
        return Response(200, b'{"padding":"' + b"x" * int(params["size"]) + b'"}')
    if fault.kind == "dead_page_token":
        return _error(dead_page_token())
    if fault.kind == "rate_second":
        return _error(limiter.second_error(label))
    if fault.kind == "rate_day":
        return _error(limiter.daily_error(label, wait_s=params["retry_after_s"]))
    return None


def spoil(fault: Fault, request: Request, response: Response) -> Response:
    """Damage a true answer as the fault says."""
    if fault.kind == "cut_body":
        response.ending, response.keep = "cut", float(fault.params["keep"])
    elif fault.kind == "bad_json":
        # An unescaped quote inside a string, as some real error texts have.
        response.body = response.body[:-1] + b',"message":"no "scope" here"' + response.body[-1:]
    elif fault.kind in ("repeat_page_token", "cycle_page_tokens", "empty_200"):
        answer = json.loads(response.body) if response.status == 200 and response.body else None
        if isinstance(answer, dict):
            _change(fault, request, answer)
            return json_response(response.status, answer, response.headers)
    return response


def _change(fault: Fault, request: Request, answer: JSON) -> None:
    if fault.kind == "empty_200":
        answer.update({key: [] for key, value in answer.items() if isinstance(value, list)})
        answer.update({key: 0 for key in ("total_records", "page_count") if key in answer})
        answer.update({key: "" for key in ("next_page_token",) if key in answer})
    elif "next_page_token" in answer:
        sent = request.query.get("next_page_token", "")
        answer["next_page_token"] = fault.next_token(answer["next_page_token"], sent)


def _status(params: JSON) -> Response:
    status = int(params["status"])
    headers = {str(k): str(v) for k, v in params["headers"].items()}
    if isinstance(params["body"], str):
        return Response(status, params["body"].encode(), "text/html;charset=UTF-8", headers)
    code = status if params["code"] is None else params["code"]
    body = {"code": code, "message": params["message"]} if params["body"] is None else params["body"]
    return json_response(status, body, headers)


def _error(error: ApiError) -> Response:
    return json_response(error.status, error.body(), error.headers)
