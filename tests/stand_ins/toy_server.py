"""A server of its own, as the real ones start: `python -m tests.stand_ins.toy_server unix:/path host:port …`

Its /wait answers when SIGTERM has been told to the app; its /endless is a stream.
"""

from __future__ import annotations

import sys
import threading

from flask import Blueprint, Flask, Response

from servers.settings import settings
from servers.web.app import STOP_NOTICE_S, on_terminate
from servers.web.app import create_app as create_web_app
from servers.web.serve import serve

bp = Blueprint("toys", __name__)
told = threading.Event()
entered: list[int] = []


@bp.get("/wait")
def wait() -> dict[str, bool]:
    entered.append(1)
    return {"told": told.wait(60)}


@bp.get("/endless")
def endless() -> Response:
    entered.append(1)
    return Response(b"x" * 100_000 for _ in range(1_000_000))


@bp.get("/waiting")
def waiting() -> dict[str, int]:
    return {"waiting": len(entered)}


@bp.get("/health")
def health() -> dict[str, bool]:
    return {"ok": True}


def create_app() -> Flask:
    app = create_web_app("toys", [bp], internal=True)
    app.extensions[STOP_NOTICE_S] = settings().web.stop_notice_s
    on_terminate(app, told.set)
    return app


if __name__ == "__main__":
    first, *also = sys.argv[1:]
    serve(
        "tests.stand_ins.toy_server:create_app()",
        bind=first,
        also=also,
        threads=4,
        stop_notice_s=settings().web.stop_notice_s,
    )
