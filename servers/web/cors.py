"""Which web pages may call: the configured origins, and no others."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from flask import Flask, Response, request

ANY = "*"
HEADERS = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": (
        "X-API-Key, Authorization, xi-api-key, Content-Type, X-Request-ID, Idempotency-Key"
    ),
    "Access-Control-Max-Age": "600",
}


EXPOSED = "X-Request-ID, Retry-After"


def install(
    app: Flask,
    origins: Collection[str],
    *,
    headers: Mapping[str, str] = HEADERS,
    exposed: str = EXPOSED,
    with_cookies: bool = False,
) -> None:
    """Answers preflights, which carry no key, and names the allowed origin in every reply.

    `headers` are a preflight's, and `exposed` those of a reply that a page may read. `with_cookies` goes with
    origins that are named, and not with ANY.
    """

    def answer_preflight() -> Response | None:
        if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
            return None
        return Response(status=204, headers=headers if _allowed() else {})

    def name_origin(response: Response) -> Response:
        if origins:
            response.vary.add("Origin")
        if origin := _allowed():
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = exposed
            if with_cookies:
                response.headers["Access-Control-Allow-Credentials"] = "true"
        return response

    def _allowed() -> str | None:
        origin = request.headers.get("Origin")
        return origin if origin in origins or ANY in origins else None

    app.before_request(answer_preflight)
    app.after_request(name_origin)
