"""How the machine is, at once and as it changes; and its start."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Blueprint, Flask, Response, current_app, jsonify

from servers.errors import (
    EngineUnavailable,
    MayNotStart,
    NoMachine,
    TooManyStreams,
    WrongHost,
)
from servers.proxy.allowance import Use, allowances
from servers.proxy.answers import Queue
from servers.proxy.exposure import is_public, may_start
from servers.proxy.failures import OF_WORK
from servers.proxy.forward import passed_on
from servers.proxy.questions import Looks
from servers.proxy.streams import in_hand, streams
from servers.proxy.upstream import Upstream, upstreams
from servers.proxy.visitors import visitor
from servers.proxy.watch import LOOK_S, Seen, Watch
from servers.settings import Proxy, settings
from servers.web.app import on_terminate
from servers.web.disconnect import connection
from servers.web.openapi import operation

EXTENSION = "skylark.watch"
STREAMED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""What has a reverse proxy in front pass it on as it comes."""
START_S = 35.0
"""A little over the time that the function has which starts it."""
MARGIN_S = 2.0
"""Of a look, for whoever waits for it."""
HOLD_S = 900
"""So long the machine then stays on, though nobody uses it."""
ON = ("starting", "ready")
WHY = "the page"
PERSONAL = ("asked_by", "why", "asked_at", "instance", "holds", "stopped")
"""Of the machine's status: who uses it and for what, which is nothing for the public."""
bp = Blueprint("machine", __name__)


def install(app: Flask, proxy: Proxy) -> None:
    """After upstream.install. The upstreams are asked only while somebody wants to know."""
    with app.app_context():
        watch = Watch(Looks(upstreams(), LOOK_S - MARGIN_S), proxy.status_every_s)
    app.extensions[EXTENSION] = watch
    on_terminate(app, watch.end)


def watch() -> Watch:
    """The current app's."""
    found: Watch = current_app.extensions[EXTENSION]
    return found


@bp.get("/api/status")
@operation("How the machine and the servers are", errors=(WrongHost, EngineUnavailable))
def status() -> Response:
    return jsonify(_status(watch().seen(), public=_public()))


@bp.get("/api/events")
@operation(
    "The same as it changes, and the queue",
    replies=("text/event-stream",),
    errors=(WrongHost, TooManyStreams),
)
def events() -> Response:
    """Server-sent events: `status` as GET /api/status, `queue` as GET /api/queue, each at once and when it
    changes.
    """
    leave = streams().enter(visitor())
    told = _events(watch().listen(connection()), visitor().application_id, public=_public())
    response = Response(told, mimetype="text/event-stream", headers=STREAMED)
    response.call_on_close(leave)
    return response


@bp.post("/api/start")
@operation("Start the machine", errors=(*OF_WORK, EngineUnavailable, MayNotStart, NoMachine))
def start() -> tuple[dict[str, Any] | Response, int]:
    """What it says of itself then, with the stage that it is at; GET /api/events tells the rest."""
    machine = upstreams().machine
    if machine is None:
        raise NoMachine("there is no machine that could be started: the servers run where they are")
    if not may_start(settings().proxy):
        raise MayNotStart("visitors may not start the machine here: ask whoever runs this page")
    with in_hand():
        told = (_on_already() if _public() else None) or _started(machine)
    if isinstance(told, Response):
        return told, told.status_code
    return _for(told, public=_public()), 202


def _on_already() -> Mapping[str, Any] | None:
    """A machine that is on, or starts. Strangers do not ask it again: each time would hold it for longer."""
    status = watch().seen().snapshot.machine
    return status if status is not None and status.get("state") in ON else None


def _started(machine: Upstream) -> dict[str, Any] | Response:
    """Its answer, or its own error. Raises AllowanceUsed; a start that did not come about is given back."""
    charge = allowances().take(visitor(), Use(starts=1))
    body = json.dumps({"why": WHY, "hold_s": HOLD_S}).encode()
    headers = {"Content-Type": "application/json"}
    begun = False
    try:
        answer = machine.request("POST", "/start", headers=headers, body=body, timeout_s=START_S)
        begun = answer.status < 400
        told = answer.json() if begun else passed_on(answer)
    finally:
        if not begun:
            allowances().give_back(charge)
    watch().look_soon()
    return told


def _public() -> bool:
    return is_public(settings().proxy)


def _events(told: Iterator[Seen | None], application_id: str, *, public: bool) -> Iterator[str]:
    """Of a look only what is another than before."""
    last: dict[str, str] = {}
    for seen in told:
        if seen is None:
            yield ": nothing new\n\n"
            continue
        for name, data in _news(seen, application_id, public=public).items():
            if data != last.get(name):
                last[name] = data
                yield f"event: {name}\ndata: {data}\n\n"


def _news(seen: Seen, application_id: str, *, public: bool) -> dict[str, str]:
    """As JSON. No queue where it is not known: an empty one would be an invention."""
    news = {"status": seen.text("status", lambda: json.dumps(_status(seen, public=public)))}
    queue = seen.queue
    if isinstance(queue, Queue):
        whose = application_id if queue.is_of(application_id) else ""  # all who have none see the same
        news["queue"] = seen.text(f"queue/{whose}", lambda: json.dumps(queue.shown(whose)))
    return news


def _status(seen: Seen, *, public: bool) -> dict[str, Any]:
    shown = seen.snapshot.shown()
    machine = shown["machine"]
    return shown | {"machine": None if machine is None else _for(machine, public=public)}


def _for(machine: Mapping[str, Any], *, public: bool) -> dict[str, Any]:
    """The machine's status, for the public without what is personal in it."""
    return {name: value for name, value in machine.items() if not (public and name in PERSONAL)}
