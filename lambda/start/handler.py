"""The function itself: asked over the ALB, invoked by others, and called each minute to go on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from appliance import environment, exchange, price_api
from appliance.appliance import Appliance
from appliance.clients import clients
from appliance.costs import Costs, Kept
from appliance.environment import Environment
from appliance.faults import LATER, Failed, Unreadable, advice, code
from appliance.keys import Keys
from appliance.table import Changed
from start.face import ask_over_http, invoke
from start.operations import Operations

FAULTS = (ClientError, BotoCoreError, Unreadable, Changed)
RETRY_S = 5.0


@dataclass
class Warm:
    """What is kept for as long as the function is warm: the keys, by their parameter, and what it costs."""

    keys: dict[str, Keys] = field(default_factory=dict)
    costs: Kept = field(default_factory=Kept)


WARM = Warm()


def handler(event: Any, context: Any) -> dict[str, Any]:
    """What AWS calls."""
    left_ms = context.get_remaining_time_in_millis if context else lambda: float("inf")
    return run(environment.read(os.environ), clients(os.environ), time.time, left_ms, event, WARM)


def run(
    settings: Environment,
    client: Callable[[str], Any],
    clock: Callable[[], float],
    left_ms: Callable[[], float],
    event: Any,
    warm: Warm,
    sleep: Callable[[float], object] = time.sleep,
    connect: price_api.Client = price_api.connect,
) -> dict[str, Any]:
    """The answer. Raises Failed with what a person has to do, where nobody waits for an answer over HTTP."""
    appliance = Appliance(settings, client)
    costs = Costs(appliance, connect, warm.costs)
    operations = Operations(appliance, costs, clock, left_ms, sleep)
    line: dict[str, Any] = {"appliance": settings.appliance}
    try:
        if exchange.is_request(event):
            keys = warm.keys.setdefault(settings.keys_parameter, Keys(settings.keys_parameter, clock))
            return _over_http(event, operations, keys, client, line)
        return _invoked(event, operations, line)
    finally:
        print(json.dumps(line), flush=True)


def _over_http(
    event: Mapping[str, Any],
    operations: Operations,
    keys: Keys,
    client: Callable[[str], Any],
    line: dict[str, Any],
) -> dict[str, Any]:
    request = exchange.read(event)
    line |= {"request_id": request.id, "method": request.method, "path": request.path}
    try:
        line["by"] = owner = keys.owner(client("ssm"), request)
        answer = ask_over_http(request, owner, operations)
    except exchange.Refused as refused:
        answer = exchange.refusal(request.id, refused)
    except FAULTS as fault:
        line["fault"] = f"{code(fault)}: {fault}"
        answer = exchange.refusal(request.id, _unavailable(fault))
    line["status"] = answer["statusCode"]
    return answer


def _unavailable(fault: Exception) -> exchange.Unavailable:
    if isinstance(fault, Unreadable):
        return exchange.Unavailable(str(fault))
    if isinstance(fault, Changed) or code(fault) in LATER:
        return exchange.Unavailable("too much is asked of AWS at once: try again", retry_after_s=RETRY_S)
    return exchange.Unavailable(f"AWS does not do it ({code(fault)}): {advice(fault)}")


def _invoked(event: Any, operations: Operations, line: dict[str, Any]) -> dict[str, Any]:
    """What passes by itself is left to the next tick; of a start that was asked for, the caller is told."""
    try:
        answer = invoke(event, operations, line)
    except exchange.Refused as refused:
        error = {"code": refused.code, "message": refused.message, "param": refused.param}
        answer = {"error": error, "status": refused.status}
    except FAULTS as fault:
        line["fault"] = f"{code(fault)}: {fault}"
        passes = isinstance(fault, Changed) or code(fault) in LATER
        if not passes or line.get("do") != "tick":
            raise Failed(f"{advice(fault)} ({fault})") from fault
        answer = {"fault": line["fault"]}
    line |= {name: answer[name] for name in ("state", "did", "error") if name in answer}
    return answer
