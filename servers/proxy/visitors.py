"""Who asks: a visitor, known by a signed cookie; one without it by the address.

The token against forged requests is made of the visitor's id with the same secret: it is kept nowhere.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from hashlib import sha256

from flask import Flask, Request, Response, current_app, g
from itsdangerous import BadSignature, Signer, TimestampSigner

from servers.atomic import create_atomically
from servers.proxy.addresses import client_address
from servers.settings import Proxy, Settings, SettingsError

EXTENSION = "skylark.visitors"
CSRF_HEADER = "X-CSRF-Token"
COOKIE, SECURE_COOKIE = "skylark_visitor", "__Host-skylark_visitor"
KEPT_S = 180 * 86_400
"""How long a cookie is taken; each visit gives a new one."""
SECRET_FILE = "proxy.secret"
SHORTEST_SECRET = 16
PUBLIC_ID = 12
"""Characters of it."""


@dataclass(frozen=True)
class Visitor:
    """`address` is not theirs as it is, but what stands for it in what is kept."""

    id: str
    address: str
    has_cookie: bool

    @property
    def public_id(self) -> str:
        """Says nothing of the id."""
        return sha256(self.id.encode()).hexdigest()[:PUBLIC_ID]

    @property
    def application_id(self) -> str:
        """What the jobs of the visitor are marked with."""
        return f"page-{self.public_id}"


class Visitors:
    def __init__(self, secret: str, proxy: Proxy) -> None:
        self._trusted_proxies = proxy.trusted_proxies
        self._signer = TimestampSigner(secret, salt="skylark.visitor", digest_method=sha256)
        self._tokens = Signer(secret, salt="skylark.csrf", digest_method=sha256)
        self._addresses = Signer(secret, salt="skylark.address", digest_method=sha256)
        self._elsewhere = bool(proxy.origins)
        self._secure = self._elsewhere or (proxy.public_url or "").startswith("https:")
        self.cookie = SECURE_COOKIE if self._secure else COOKIE

    def of(self, request: Request) -> Visitor:
        """A cookie that is not as it was given is none."""
        forwarded = request.headers.get("X-Forwarded-For", "")
        place = client_address(request.remote_addr or "", forwarded, self._trusted_proxies)
        address = self._addresses.get_signature(place).decode()
        try:
            known = self._signer.unsign(request.cookies.get(self.cookie, ""), max_age=KEPT_S).decode()
        except (BadSignature, UnicodeError):
            return Visitor(f"address/{address}", address, has_cookie=False)
        return Visitor(known, address, has_cookie=True)

    def welcomed(self, visitor: Visitor) -> Visitor:
        """The same where there is a cookie; else a new one, who is to be given it."""
        if visitor.has_cookie:
            return visitor
        return Visitor(secrets.token_urlsafe(24), visitor.address, has_cookie=True)

    def give_cookie(self, visitor: Visitor, response: Response) -> None:
        response.set_cookie(
            self.cookie,
            self._signer.sign(visitor.id).decode(),
            max_age=KEPT_S,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="None" if self._elsewhere else "Strict",
        )

    def token(self, visitor: Visitor) -> str:
        return self._tokens.get_signature(visitor.id).decode()

    def is_token(self, visitor: Visitor, presented: str) -> bool:
        """Takes as long whatever is presented."""
        return self._tokens.verify_signature(visitor.id, presented)


def install(app: Flask, settings: Settings) -> None:
    """Raises SettingsError."""
    app.extensions[EXTENSION] = Visitors(the_secret(settings), settings.proxy)


def of_app(app: Flask) -> Visitors:
    found: Visitors = app.extensions[EXTENSION]
    return found


def visitors() -> Visitors:
    """The current app's."""
    return of_app(current_app)


def visitor() -> Visitor:
    """Who sent the current request."""
    found: Visitor = g.visitor
    return found


def the_secret(settings: Settings) -> str:
    """The settings', or the one in the data_dir, which is made the first time. Raises SettingsError."""
    if settings.proxy.secret is not None:
        return _checked(settings.proxy.secret.get_secret_value(), "proxy.secret")
    file = settings.data_dir / SECRET_FILE
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            create_atomically(file, secrets.token_hex(32).encode(), mode=0o600)
        return _checked(file.read_text(encoding="utf-8").strip(), str(file))
    except OSError as error:
        message = f"{file}: {error.strerror}: set proxy.secret, or let data_dir be writable"
        raise SettingsError(message) from None


def _checked(secret: str, name: str) -> str:
    if len(secret) < SHORTEST_SECRET:
        raise SettingsError(f"{name}: it has to have {SHORTEST_SECRET} characters or more")
    return secret
