"""Prometheus metrics at /metrics: how many requests and how long, by endpoint and status, when the last one
was, and how many bodies are being received.

With several worker processes set PROMETHEUS_MULTIPROC_DIR, one folder for each server: prometheus_client
then keeps the counts in files there, and each worker answers for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Blueprint, Flask, Request, Response, request
from prometheus_client import CollectorRegistry, Gauge
from prometheus_flask_exporter import PrometheusMetrics

from servers.web.openapi import operation

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
LOOKS = frozenset({"health", "ready", "metrics", "openapi.json", "docs", "queue", "activity", "models"})
"""The last part of the paths of those who only look how things are: no sign that anybody uses the server."""
NOT_LET_IN = frozenset({401, 403, 404, 405})
RECEIVING = "skylark.receiving"
"""The app's extension with what tells, for each address, how many bodies are being received."""


def install(app: Flask) -> None:
    """Counts the app's requests in a registry of its own, so that a process may hold many apps."""
    app.before_request(_bound_labels)
    registry = CollectorRegistry()
    receiving: list[Callable[[], int]] = []
    app.extensions[RECEIVING] = receiving
    _install_gauges(app, registry, receiving)
    exporter = PrometheusMetrics(
        app,
        path=None,
        group_by=endpoint,
        defaults_prefix="skylark",
        default_labels={"server": app.name},
        buckets=BUCKETS_S,
        registry=registry,
    )
    bp = Blueprint("metrics", __name__)

    @bp.get("/metrics")
    @operation("For Prometheus", replies=("text/plain",))
    def metrics() -> Response:
        request.prom_do_not_track = True  # type: ignore[attr-defined]  # the exporter's mark
        text, content_type = exporter.generate_metrics(request.headers.get("Accept"))
        return Response(text, content_type=content_type)

    app.register_blueprint(bp)


def _install_gauges(app: Flask, registry: CollectorRegistry, receiving: list[Callable[[], int]]) -> None:
    """The time of the last request is missing until there was one: 0 would be 1970."""
    last = Gauge(
        "skylark_last_request_timestamp_seconds",
        "When a request was last replied to that was let in and is no look at how the server is",
        ["server"],
        registry=registry,
        multiprocess_mode="max",
    )
    bodies = Gauge(
        "skylark_receiving_bodies",
        "Requests whose bodies are being received",
        ["server"],
        registry=registry,
        multiprocess_mode="livesum",
    )
    bodies.labels(app.name).set_function(lambda: sum(count() for count in receiving))

    @app.after_request
    def note(response: Response) -> Response:
        if is_use(request.method, request.path, response.status_code):
            last.labels(app.name).set(time.time())
        return response


def is_use(method: str, path: str, status: int) -> bool:
    """Whether a request shows that somebody uses the server: a probe does not, nor who is not let in."""
    looks = method in ("GET", "HEAD") and path.rstrip("/").rpartition("/")[2] in LOOKS
    return not looks and method != "OPTIONS" and status not in NOT_LET_IN


def endpoint(request: Request) -> str:
    """The view's name; never the raw path, which a client could vary without end."""
    return request.endpoint or "unmatched"


def _bound_labels() -> None:
    if request.method not in METHODS:  # a client could invent these without end, too
        request.prom_do_not_track = True  # type: ignore[attr-defined]
