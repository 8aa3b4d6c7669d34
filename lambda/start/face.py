"""What is asked, over the ALB or by an invocation, and which operation that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from appliance.exchange import InvalidRequest, MethodNotAllowed, NotFound, Request, answer, json_object
from appliance.starts import State
from start import requests
from start.operations import Operations

Given = Mapping[str, Any]
Answer = tuple[int, dict[str, Any]]


def _status(operations: Operations, _by: str, given: Given) -> Answer:
    requests.only(given, ())
    return 200, operations.status()


def _start(operations: Operations, by: str, given: Given) -> Answer:
    requests.only(given, ("why", "hold_s"))
    told = operations.start(by, requests.why(given, "start"), requests.hold_s(given))
    return (200 if told["state"] == State.READY else 202), told


def _stop(operations: Operations, by: str, given: Given) -> Answer:
    requests.only(given, ("why", "force"))
    return 202, operations.stop(by, requests.why(given, f"{by} has stopped it"), requests.force(given))


def _hold(operations: Operations, by: str, given: Given) -> Answer:
    requests.only(given, ("why", "for_s"))
    return 200, operations.hold(by, requests.why(given), requests.for_s(given))


def _ledger(operations: Operations, _by: str, given: Given) -> Answer:
    requests.only(given, ("days",))
    return 200, operations.ledger(requests.days(given))


Operation = Callable[[Operations, str, Given], Answer]
PATHS: dict[str, tuple[str, Operation]] = {
    "/machine": ("GET", _status),
    "/machine/start": ("POST", _start),
    "/machine/stop": ("POST", _stop),
    "/machine/hold": ("POST", _hold),
    "/machine/ledger": ("GET", _ledger),
}
INVOKED = {"status": _status, "start": _start, "stop": _stop, "hold": _hold, "ledger": _ledger}
LOOKS = ("status", "ledger")
"""Whoever only looks need not say who it is."""


def ask_over_http(request: Request, owner: str, operations: Operations) -> dict[str, Any]:
    """The answer, as the ALB takes it. Raises Refused."""
    if request.path not in PATHS:
        raise NotFound(f"there is no {request.path}, but {', '.join(PATHS)}")
    method, operation = PATHS[request.path]
    if request.method != method:
        raise MethodNotAllowed(
            f"{request.path} does not take {request.method}, but {method}", headers={"Allow": method}
        )
    given = request.query if method == "GET" else json_object(request)
    status, told = operation(operations, owner, given)
    return answer(request.id, status, told)


def invoke(event: Any, operations: Operations, line: dict[str, Any]) -> dict[str, Any]:
    """What is answered where somebody invokes the function: the body alone. `line` is what the log says."""
    given = dict(event) if isinstance(event, Mapping) else {}
    line["do"] = do = given.pop("do", None)
    if do == "tick":
        found = operations.tick()
        return {"state": found.start.state, "did": found.did}
    if not isinstance(do, str) or do not in INVOKED:
        raise InvalidRequest(f"do is tick, {', '.join(INVOKED)}: {str(do)[:100]!r}", param="do")
    line["by"] = by = "" if do in LOOKS else requests.by(given)
    given.pop("by", None)
    return INVOKED[do](operations, by, given)[1]
