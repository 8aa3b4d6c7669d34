"""The page's own files, and that the proxy itself runs."""

from __future__ import annotations

import gzip
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from flask import Blueprint, Response, request

from servers.errors import NotFound
from servers.web.openapi import operation

PAGE = Path(__file__).with_name("page")
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
"""What the machine's own table says of them differs from one to the next."""
bp = Blueprint("files", __name__)


@bp.get("/")
@operation("The page", replies=("text/html",))
def index() -> Response:
    return _file("index.html")


@bp.get("/page/<name>")
@operation("A file of the page", replies=("text/css", "text/javascript", "image/svg+xml"), errors=(NotFound,))
def file(name: str) -> Response:
    return _file(name)


@bp.get("/health")
@operation("That the proxy runs")
def health() -> dict[str, str]:
    return {"status": "ok"}


@bp.get("/ready")
@operation("That the page is served; the servers behind it may be off")
def ready() -> dict[str, bool]:
    return {"ready": True}


def _file(name: str) -> Response:
    """Revalidated each time, so that no part of a page is older than another. Raises NotFound."""
    files = {path.name: path for path in PAGE.iterdir() if path.suffix in TYPES}
    if name not in files:
        raise NotFound(f"the page has no file {name}")
    content = files[name].read_bytes()
    packed = _packed(content) if request.accept_encodings["gzip"] else None
    response = Response(packed or content, content_type=TYPES[files[name].suffix])
    if packed:
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    response.set_etag(sha256(packed or content).hexdigest()[:32])
    response.cache_control.no_cache = True
    response.make_conditional(request)
    return response


@lru_cache(maxsize=128)
def _packed(content: bytes) -> bytes:
    """A third of it; the same bytes each time, for they have an ETag."""
    return gzip.compress(content, mtime=0)
