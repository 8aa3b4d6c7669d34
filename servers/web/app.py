"""The Flask app that every server starts from.

What holds for every request, in the order in which it is met: a request id, the metrics, a preflight's
answer, the key, the body's limit, the view, the typed error, the CORS headers, the log line.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

from flask import Blueprint, Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from servers.settings import settings
from servers.web import auth, cors, errors, log, metrics, openapi, replies, request_ids

MEGABYTE = 1_000_000
TERMINATE, STOP_NOTICE_S = "skylark.on_terminate", "skylark.stop_notice_s"


def create_app(
    name: str,
    blueprints: Sequence[Blueprint],
    *,
    prefix: str | None = None,
    internal: bool = False,
    access: Callable[[Flask], None] | None = None,
) -> Flask:
    """The app, with the blueprints' routes at /… and with `prefix` also at /<prefix>/….

    An internal server is called by the others over a Unix socket, where it needs no key; they log the
    requests, and it does so only at DEBUG. `access` installs who is let in, and whose pages may call: None is
    whoever has an API key. It has to set the extension auth.ADMITS.
    """
    app = Flask(name, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = int(settings().limits.max_body_mb * MEGABYTE)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # a redirect would turn a POST into a GET
    app.extensions[TERMINATE] = []
    replies.install(app)
    request_ids.install(app)
    log.install(app, logging.DEBUG if internal else logging.INFO)
    metrics.install(app)
    (access or partial(_by_key, internal=internal))(app)
    app.extensions[openapi.KEYLESS] = access is not None
    errors.install(app)
    for blueprint in (openapi.bp, *blueprints):
        app.register_blueprint(blueprint)
    if prefix:
        # An ALB routes by path and forwards the path whole.
        mounted = DispatcherMiddleware(app.wsgi_app, {f"/{prefix}": app.wsgi_app})
        app.wsgi_app = mounted  # type: ignore[method-assign]  # Flask's documented seam
    return app


def _by_key(app: Flask, *, internal: bool) -> None:
    cors.install(app, settings().web.cors_origins)
    auth.install(app, settings(), trust_unix_socket=internal)


def on_terminate(app: Flask, callback: Callable[[], object]) -> None:
    """Calls back once, when the worker is first told to end; its requests then have the graceful timeout.

    The callback runs in a signal handler, so it must be quick and take no lock: it sets an event.
    """
    app.extensions[TERMINATE].append(callback)


def stop_notice_s(app: Flask) -> float:
    """How long it goes on to take requests once it was told to end."""
    return float(app.extensions.get(STOP_NOTICE_S, 0))


def terminate(app: Flask) -> None:
    """Calls what `on_terminate` was given. For gunicorn's hooks; does nothing the second time."""
    callbacks = app.extensions[TERMINATE]
    app.extensions[TERMINATE] = []
    for callback in callbacks:
        callback()
