"""What a request has to have to be let in, and what each reply tells the browser.

A browser sends cookies, and reaches loopback, for whatever page it shows. So the host has to be the proxy's
own (an attacker's name may lead to 127.0.0.1), and who changes something or has work done has to be a page of
the proxy's own origin, with the token that it was given. Who is no browser sends none of this: without a
cookie, an Origin and a Sec-Fetch-Site there is nobody whose browser could be misled.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Request, Response, g, request

from servers.errors import ForeignOrigin, ForgedRequest, NotFound, SkylarkError, WrongHost
from servers.proxy.exposure import is_public
from servers.proxy.visitors import CSRF_HEADER, Visitors
from servers.settings import Proxy, settings
from servers.web import cors
from servers.web.auth import ADMITS
from servers.web.keys import is_loopback
from servers.web.openapi import JSON, style_source

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
ANYWHERE = frozenset({"/health", "/ready"})
"""Paths that are answered by whatever name: a load balancer asks by the address."""
OPERATORS = frozenset({"/metrics"})
"""Paths that are nobody's beyond this machine."""
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "Via")
"""What a server in front adds: with none that is known of, those behind it would pass for this machine's."""
TOKENLESS = frozenset({"/api/tts-generate", "/api/generate_batch"})
"""Clients from before the page call these as they are: with JSON, which no foreign page can send unasked."""
EMBEDDED = frozenset({"/page/status.js", "/page/link.js"})
"""What pages of other origins may show."""
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": (
        f"Accept, Content-Type, Idempotency-Key, Last-Event-ID, X-Request-ID, {CSRF_HEADER}"
    ),
    "Access-Control-Max-Age": "600",
}
EXPOSED = "X-Request-ID, Retry-After, X-Model, X-Voice, X-Sample-Rate, X-Job-Id, X-Finish-Reason"
CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        f"style-src 'self' {style_source()}",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "worker-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
REPLIES = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
}


def install(app: Flask, visitors: Visitors) -> None:
    guard = Guard(settings().proxy, visitors)

    def admits(environ: dict[str, Any]) -> bool:
        try:
            guard.check_host(Request(environ))
            guard.check_change(Request(environ))
        except SkylarkError:
            return False
        return True

    def check() -> None:
        guard.check_change(request)
        g.visitor = visitors.of(request)
        g.owner = g.visitor.application_id  # for the log

    app.before_request(lambda: guard.check_host(request))
    cors.install(app, guard.proxy.origins, headers=PREFLIGHT, exposed=EXPOSED, with_cookies=True)
    app.before_request(check)
    app.after_request(protect)
    app.extensions[ADMITS] = admits


class Guard:
    """It looks at the head of a request alone. Raises WrongHost, NotFound, ForeignOrigin or ForgedRequest."""

    def __init__(self, proxy: Proxy, visitors: Visitors) -> None:
        self.proxy, self._visitors = proxy, visitors
        self._is_public = is_public(proxy)

    def check_host(self, request: Request) -> None:
        if request.path in ANYWHERE:
            return
        if not is_own_host(request.headers.get("Host", ""), self.proxy):
            raise WrongHost(
                "the page is not served by this name: its address is that of proxy.public_url, or this "
                "machine's own, http://127.0.0.1"
            )
        if not (self._is_public or self.proxy.trusted_proxies) and any(map(request.headers.get, FORWARDED)):
            raise WrongHost(
                "a server in front passes this on, and behind it may be anybody: say in proxy.public_url at "
                "which address, and in proxy.trusted_proxies how many such servers there are"
            )
        if self._is_public and request.path in OPERATORS:
            raise NotFound(f"there is no {request.path}")

    def check_change(self, request: Request) -> None:
        """Lets pass what changes nothing."""
        if request.method not in SAFE:
            self._check_origin(request)
            self._check_token(request)

    def _check_origin(self, request: Request) -> None:
        """By Origin, or where there is none by Sec-Fetch-Site; who is no browser has neither."""
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        allowed = {origin_of(request, self.proxy), self.proxy.public_url, *self.proxy.origins}
        if origin not in allowed if origin is not None else site not in (None, "same-origin"):
            raise ForeignOrigin(
                "a page of another origin may not do this: open the page of the proxy itself, or name the "
                "other one in proxy.origins"
            )

    def _check_token(self, request: Request) -> None:
        """Whose request needs none:

        1. who has the token of their cookie; 2. JSON to what takes it from older clients; 3. no browser.
        """
        visitor = self._visitors.of(request)
        has_token = self._visitors.is_token(visitor, request.headers.get(CSRF_HEADER, ""))
        if visitor.has_cookie and has_token:  # 1
            return
        if request.path in TOKENLESS and request.mimetype == JSON:  # 2
            return
        if not self._is_browser(request):  # 3
            return
        raise ForgedRequest(
            f"this needs the token of GET /api/visitor, as {CSRF_HEADER}, with its cookie: reload the page"
        )

    def _is_browser(self, request: Request) -> bool:
        return self._visitors.cookie in request.cookies or any(
            name in request.headers for name in ("Origin", "Sec-Fetch-Site")
        )


def protect(response: Response) -> Response:
    for name, value in REPLIES.items():
        response.headers.setdefault(name, value)
    if request.path in EMBEDDED:
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if not response.cache_control:
        response.cache_control.no_store = True
    return response


def own_origin() -> str:
    """That at which the current request reached the proxy."""
    return origin_of(request, settings().proxy)


def origin_of(request: Request, proxy: Proxy) -> str:
    host = request.headers.get("Host", "").lower()
    public = proxy.public_url
    return (
        public if public is not None and _name(host) == _name(public.partition("//")[2]) else f"http://{host}"
    )


def is_own_host(host: str, proxy: Proxy) -> bool:
    name = _name(host)
    public = proxy.public_url.partition("//")[2] if proxy.public_url is not None else ""
    return name != "" and (is_loopback(name) or name in (_name(public), proxy.host))


def _name(host: str) -> str:
    """Without the port; empty for what is no host."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
