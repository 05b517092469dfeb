"""What stands in front of the endpoints: faults, sign-in, scopes, rate limits, the request log."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter, deque
from email.utils import formatdate

from changewire.sandbox.api.call import Call
from changewire.sandbox.api.graphql import CLASSIC, GRANULAR, LABEL, PATH, GraphQL
from changewire.sandbox.api.paging import Pager
from changewire.sandbox.api.routes import Route, find_route, is_known
from changewire.sandbox.api.views import Views
from changewire.sandbox.downloads import Downloads
from changewire.sandbox.errors import JSON, ApiError, unknown_path, validation, wrong_method
from changewire.sandbox.fault_answers import answer_early, spoil
from changewire.sandbox.faults import Fault, FaultBoard
from changewire.sandbox.ids import IdMaker
from changewire.sandbox.limits import RateLimiter
from changewire.sandbox.sign_in.consent import Consent
from changewire.sandbox.sign_in.grants import GrantOffice
from changewire.sandbox.sign_in.oauth import TokenOffice, need_scope
from changewire.sandbox.wire import Request, Response, json_response
from changewire.sandbox.world.world import World

_LOGGED = 5000
_PART_NAME = re.compile(r'Content-Disposition: form-data; name="([^"]+)"', re.IGNORECASE)
Found = tuple[Route, dict[str, str]] | None


class Gateway:
    """Answers every request but those to the control API. ``site`` is the sandbox's own URL."""

    def __init__(self, world: World, seed: int, scopes: list[str]) -> None:
        self.site = ""
        self._world = world
        self._seed = seed
        self._scopes = scopes
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget tokens, pages, faults, counters and the log."""
        world, ids = self._world, IdMaker(self._seed + 1000)
        self.office = TokenOffice(world.clock, world.switches, ids, self._scopes)
        self.grants = GrantOffice(self.office, world.clock, world.switches, ids)
        self.consent = Consent(self.office, self.grants, ids)
        self.limiter = RateLimiter(world.clock, world.switches)
        self.faults = FaultBoard()
        self.log: deque[JSON] = deque(maxlen=_LOGGED)
        self._pager = Pager(world.clock, world.switches, ids)
        self._downloads = Downloads(world, self.office, ids)
        self._counts: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self._in_flight = 0
        self._most_in_flight = 0

    def handle(self, request: Request) -> Response:
        """Answer one request and log it."""
        started = time.perf_counter()
        found = find_route(request.method, request.path[3:]) if request.path.startswith("/v2/") else None
        self._enter(found)
        try:
            response = self._answer(request, found)
        finally:
            with self._lock:
                self._in_flight -= 1
        response.headers["Date"] = formatdate(self._world.clock.time(), usegmt=True)
        response.headers["x-zm-trackingid"] = f"v=2.0;clid=us02;rid=WEB_{self._world.ids.nonce(16)}"
        self._note(request, response, found, time.perf_counter() - started)
        return response

    def stats(self) -> JSON:
        """Return counts by label, endpoint and status since the last reset."""
        with self._lock:
            return {
                "requests": sum(self._statuses.values()),
                "by_label": self.limiter.stats(),
                "by_route": dict(self._counts),
                "by_status": {str(status): n for status, n in sorted(self._statuses.items())},
                "most_in_flight": self._most_in_flight,
                "faults": self.faults.listing(),
            }

    def _answer(self, request: Request, found: Found) -> Response:
        fault = self.faults.pick(f"{request.method} {request.target}")
        if fault is not None:
            if fault.kind == "delay":
                time.sleep(float(fault.params["delay_s"]))
            elif fault.kind == "expire_tokens":
                self.office.expire_all()
            label = found[0].operation.label if found else "Medium"
            early = answer_early(fault, self.limiter, label)
            if early is not None:
                return early
        try:
            response = self._serve(request, found, fault)
        except ApiError as error:
            response = json_response(error.status, error.body(), error.headers)
        except Exception as error:  # a fault of the sandbox must be seen, not look like a hang-up
            response = json_response(500, {"code": 500, "message": f"Sandbox: {error!r}"})
        return response if fault is None else spoil(fault, request, response)

    def _serve(self, request: Request, found: Found, fault: Fault | None) -> Response:
        if request.path.startswith("/oauth"):
            return self.consent.handle(request, self.site)
        if request.path.startswith(("/rec/download/", "/rec/hop/", "/rec/archive/")) and request.method == "GET":
            return self._downloads.get(request, self.site)
        if request.path == PATH:
            return self._ask(request)
        if not request.path.startswith("/v2/"):
            raise unknown_path()
        token = self.office.check(request.authorization)
        if found is None:
            raise wrong_method(request.method) if is_known(request.path[3:]) else unknown_path()
        route, args = found
        headers = self.limiter.admit(route.operation.label)
        try:
            need_scope(token, route.operation.classic, route.operation.granular)
            shift = int(fault.params["shift"]) if fault is not None and fault.kind == "page_shift" else 0
            response = self._run(route, args, request, shift)
        except ApiError as error:
            error.headers = headers | error.headers
            raise
        response.headers = headers | response.headers
        return response

    def _ask(self, request: Request) -> Response:
        token = self.office.check(request.authorization)
        if request.method != "POST":
            raise wrong_method(request.method)
        headers = self.limiter.admit(LABEL)
        try:
            need_scope(token, CLASSIC, GRANULAR)
            body = _body(request)
        except ApiError as error:
            error.headers = headers | error.headers
            raise
        with self._world.acting("api"):
            self._world.settle()
            return json_response(200, GraphQL(self._world, Views(self._world, self.site)).answer(body), headers)

    def _run(self, route: Route, args: dict[str, str], request: Request, shift: int) -> Response:
        world, operation = self._world, route.operation
        body = _body(request) if request.method != "GET" else {}
        if lacking := [name for name in operation.required if not _has(body, name)]:
            raise validation(*lacking)
        if lacking := [name for name in route.asked if not request.query.get(name)]:
            raise validation(*lacking)
        with world.acting("api"):
            world.settle()
            call = Call(
                world, Views(world, self.site), self._pager, self.limiter, operation,
                request.path, args, request.query, body, shift,
            )  # fmt: skip
            call.need_account(args.get("subAccountId", "me"))
            # Written out under the lock: an answer may be made of what another request changes.
            answer = route.handler(call)
            return answer if isinstance(answer, Response) else json_response(*answer)

    def _enter(self, found: Found) -> None:
        if found is not None:
            self.limiter.observe(found[0].operation.label)
        with self._lock:
            self._in_flight += 1
            self._most_in_flight = max(self._most_in_flight, self._in_flight)

    def _note(self, request: Request, response: Response, found: Found, seconds: float) -> None:
        route = f"{request.method} {found[0].operation.path if found else request.path}"
        with self._lock:
            self._counts[route] += 1
            self._statuses[response.status] += 1
            self.log.append({
                "time": self._world.clock.now().isoformat(timespec="milliseconds"),
                "method": request.method, "path": request.path,
                "query": request.target.partition("?")[2], "status": response.status,
                "ending": response.ending, "label": found[0].operation.label if found else None,
                "ms": round(seconds * 1000, 3),
            })  # fmt: skip


def _body(request: Request) -> JSON:
    """Return a JSON body, or the parts of a form with a file by name."""
    kind = request.headers.get("content-type", "")
    if kind.startswith("multipart/"):
        return dict.fromkeys(_PART_NAME.findall(request.body.decode("latin-1")), "")
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError(400, 300, "Request Body should be a valid JSON object.")
    return body


def _has(body: JSON, name: str) -> bool:
    """Whether a body has the field of a dotted name; a list of objects has it if all of them do."""
    first, _, rest = name.partition(".")
    value = body.get(first)
    if value is None or not rest:
        return value is not None
    inner = value if isinstance(value, list) else [value]
    return bool(inner) and all(isinstance(each, dict) and _has(each, rest) for each in inner)
