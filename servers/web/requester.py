"""What a Flask door adds to servers/jobs/requests.py: who asks, which is what Flask knows of them."""

from __future__ import annotations

from flask import Flask, current_app, request

from servers.jobs.request import IDEMPOTENCY_KEY, Requester
from servers.jobs.requests import Requests
from servers.web.app import on_terminate
from servers.web.auth import current_owner
from servers.web.disconnect import connection

EXTENSION = "skylark.requests"


def install(app: Flask, requests: Requests) -> None:
    app.extensions[EXTENSION] = requests
    on_terminate(app, requests.stop)


def requests() -> Requests:
    """The current app's."""
    current: Requests = current_app.extensions[EXTENSION]
    return current


def requester() -> Requester:
    """Whoever sent the current request. Raises InvalidRequest for an Idempotency-Key that cannot be one."""
    return Requester(current_owner(), connection(), request.headers.get(IDEMPOTENCY_KEY))
