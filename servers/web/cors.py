"""Which web pages may call: the configured origins, and no others."""

from __future__ import annotations

from collections.abc import Collection

from flask import Flask, Response, request

ANY = "*"
HEADERS = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": (
        "X-API-Key, Authorization, xi-api-key, Content-Type, X-Request-ID, Idempotency-Key"
    ),
    "Access-Control-Max-Age": "600",
}


def install(app: Flask, origins: Collection[str]) -> None:
    """Answers preflights, which carry no key, and names the allowed origin in every reply."""

    def answer_preflight() -> Response | None:
        if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
            return None
        return Response(status=204, headers=HEADERS if _allowed() else {})

    def name_origin(response: Response) -> Response:
        if origins:
            response.vary.add("Origin")
        if origin := _allowed():
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = "X-Request-ID, Retry-After"
        return response

    def _allowed() -> str | None:
        origin = request.headers.get("Origin")
        return origin if origin in origins or ANY in origins else None

    app.before_request(answer_preflight)
    app.after_request(name_origin)
