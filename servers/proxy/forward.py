"""One request passed on, and its reply passed back as it comes.

When the browser goes away the connection to the upstream is closed at once, so that the door there cancels
the job.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field

from flask import Response, g, request

from servers.errors import InvalidRequest, JobCancelled, JobExpired, NothingRecognised, UpstreamFailed
from servers.jobs.request import IDEMPOTENCY_KEY, LONGEST_KEY
from servers.proxy.allowance import Charge, Use, allowances
from servers.proxy.calls import Answer, Body, Call
from servers.proxy.streams import streams
from servers.proxy.upstream import Upstream
from servers.proxy.visitors import PUBLIC_ID, Visitor, visitor
from servers.settings import settings
from servers.web.disconnect import on_leave
from servers.web.openapi import JSON
from servers.web.request_ids import HEADER as REQUEST_ID
from servers.web.request_ids import request_id

LONGEST_NAME = LONGEST_KEY - PUBLIC_ID - len("/")
MARGIN_S = 60.0
"""So much later than the servers themselves would have given up."""
PASSED_ON = ("Accept", "Last-Event-ID")
PASSED_BACK = (
    "Content-Type",
    "Content-Length",
    "X-Model",
    "X-Voice",
    "X-Sample-Rate",
    "X-Job-Id",
    "X-Finish-Reason",
    "X-Cache",
    "Retry-After",
)
NOT_DONE = frozenset({400, 403, 404, 405, 408, 409, 410, 413, 415, 422, 429, 502, 503, 507})
"""Statuses of work that was not begun, but for these codes of errors:"""
BEGUN = frozenset({JobCancelled.code, JobExpired.code, NothingRecognised.code})


@dataclass(frozen=True)
class Errand:
    """What is to be asked in the visitor's place. `kinds` are how the type of a good reply begins."""

    upstream: Upstream
    path: str
    kinds: Collection[str]
    body: Body
    content_type: str
    length: int
    use: Use = field(default_factory=Use)


def forward(errand: Errand) -> Response:
    """Its reply, whatever it is: an upstream's error in its own shape.

    Raises TooManyStreams, AllowanceUsed, UpstreamFailed and its kinds, and DeadlineExceeded.
    """
    who, name = visitor(), named_request(visitor())
    with ExitStack() as until_sent:
        until_sent.callback(streams().enter(who))
        charge = allowances().take(who, errand.use, name and f"{errand.path} {name}")
        call = until_sent.enter_context(errand.upstream.call())
        on_leave()(call.abort)
        try:
            _send(errand, call, name)
        except UpstreamFailed:
            if call.aborted:  # who leaves has had it worked on
                allowances().settle(who, charge)
            else:
                allowances().give_back(charge)
            raise
        if call.status >= 400:
            return _refused(call, who, charge)
        allowances().settle(who, charge)
        response = Response(call.chunks(), call.status, _headers(call, errand.kinds))
        response.call_on_close(until_sent.pop_all().close)
        return response


def named_request(who: Visitor) -> str | None:
    """The Idempotency-Key as it goes on: no visitor can name another one's request. Raises InvalidRequest."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not 1 <= len(key) <= LONGEST_NAME:
        message = f"{IDEMPOTENCY_KEY} has to have from 1 to {LONGEST_NAME} characters"
        raise InvalidRequest(message, param=IDEMPOTENCY_KEY)
    return None if key is None else f"{who.public_id}/{key}"


def passed_on(answer: Answer) -> Response:
    """An upstream's error in its own shape. Raises UpstreamFailed for what is no error of Skylark's."""
    if answer.error is None:
        raise answer.not_ours()
    g.error_code = answer.error["code"]
    response = Response(answer.content, answer.status, content_type=JSON)
    if (wait := answer.headers.get("retry-after")) is not None:
        response.headers["Retry-After"] = wait
    return response


def patience_s() -> float:
    return settings().limits.request_timeout_s + MARGIN_S


def _send(errand: Errand, call: Call, name: str | None) -> None:
    headers = {each: request.headers[each] for each in PASSED_ON if each in request.headers}
    headers |= {
        "Content-Type": errand.content_type,
        "Content-Length": str(errand.length),
        REQUEST_ID: request_id(),
    }
    if name is not None:
        headers[IDEMPOTENCY_KEY] = name
    path, body = errand.path, errand.body
    errand.upstream.send(call, "POST", path, headers=headers, body=body, timeout_s=patience_s())


def _refused(call: Call, who: Visitor, charge: Charge) -> Response:
    answer = call.answer(patience_s())
    if call.status in NOT_DONE and (answer.error or {}).get("code") not in BEGUN:
        allowances().give_back(charge)
    else:
        allowances().settle(who, charge)
    return passed_on(answer)


def _headers(call: Call, kinds: Collection[str]) -> dict[str, str]:
    """Those of the reply that matter to the page. Raises UpstreamFailed where it is not what was asked for:
    another server's page, say.
    """
    kind = call.headers.get("content-type", "")
    if not any(kind.startswith(each) for each in kinds):
        told = kind.partition(";")[0] or "what has no type"
        raise UpstreamFailed(f"{call.whose} answered {told}, and not as a Skylark server does")
    found = {name: call.headers[name.lower()] for name in PASSED_BACK if name.lower() in call.headers}
    return found | {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
