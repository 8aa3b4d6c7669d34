"""Prometheus metrics at /metrics: how many requests and how long, by endpoint and status.

With several worker processes set PROMETHEUS_MULTIPROC_DIR, one folder for each server: prometheus_client
then keeps the counts in files there, and each worker answers for all.
"""

from __future__ import annotations

from flask import Blueprint, Flask, Request, Response, request
from prometheus_client import CollectorRegistry
from prometheus_flask_exporter import PrometheusMetrics

from servers.web.openapi import operation

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def install(app: Flask) -> None:
    """Counts the app's requests in a registry of its own, so that a process may hold many apps."""
    app.before_request(_bound_labels)
    exporter = PrometheusMetrics(
        app,
        path=None,
        group_by=endpoint,
        defaults_prefix="skylark",
        default_labels={"server": app.name},
        buckets=BUCKETS_S,
        registry=CollectorRegistry(),
    )
    bp = Blueprint("metrics", __name__)

    @bp.get("/metrics")
    @operation("For Prometheus", replies=("text/plain",))
    def metrics() -> Response:
        request.prom_do_not_track = True  # type: ignore[attr-defined]  # the exporter's mark
        text, content_type = exporter.generate_metrics(request.headers.get("Accept"))
        return Response(text, content_type=content_type)

    app.register_blueprint(bp)


def endpoint(request: Request) -> str:
    """The view's name; never the raw path, which a client could vary without end."""
    return request.endpoint or "unmatched"


def _bound_labels() -> None:
    if request.method not in METHODS:  # a client could invent these without end, too
        request.prom_do_not_track = True  # type: ignore[attr-defined]
