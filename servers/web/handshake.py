"""A WebSocket's handshake (RFC 6455 4.2), as the reply of a view."""

from __future__ import annotations

import base64
import binascii
import logging
import time
from hashlib import sha1
from urllib.parse import urlsplit

from flask import Response, request

from servers.errors import Forbidden, MalformedRequest, UpgradeRequired
from servers.settings import settings
from servers.web.cors import ANY
from servers.web.outgoing import ClientGone
from servers.web.request_ids import request_id
from servers.web.websocket import DEFECT, NORMAL, MustClose, Talk, WebSocket
from servers.web.wsgi import SWITCHING, UPGRADE

VERSION = "13"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
logger = logging.getLogger(__name__)


def websocket(talk: Talk) -> Response:
    """The reply that makes the current request a WebSocket, and then has `talk` speak over it.

    Raises UpgradeRequired where it asks for none, MalformedRequest, Forbidden for a page of another origin,
    and QueueFull where there are too many.
    """
    upgrade = request.environ.get(UPGRADE)
    if upgrade is None:
        raise UpgradeRequired(f"{request.path} speaks WebSocket: ask for the upgrade")
    accept = _accept()
    _check_origin()
    upgrade(_Logged(talk, request_id(), request.root_path + request.path))
    fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept}
    response = Response(status=SWITCHING, headers=fields)
    del response.headers["Content-Type"]
    return response


def _accept() -> str:
    """What proves that the handshake was understood."""
    if request.headers.get("Sec-WebSocket-Version") != VERSION:
        raise UpgradeRequired(f"Sec-WebSocket-Version has to be {VERSION}")
    key = request.headers.get("Sec-WebSocket-Key", "")
    try:
        nonce = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        nonce = b""
    if len(nonce) != 16:
        raise MalformedRequest("Sec-WebSocket-Key has to be 16 bytes in base64")
    return base64.b64encode(sha1((key + GUID).encode()).digest()).decode()


def _check_origin() -> None:
    """Browsers let every page open a WebSocket to anywhere, and say only whose page it is."""
    origin = request.headers.get("Origin")
    allowed = settings().web.cors_origins
    if origin is None or origin in allowed or ANY in allowed or urlsplit(origin).netloc == request.host:
        return
    raise Forbidden(f"web.cors_origins does not name {origin[:200]!r}")


class _Logged:
    """A talk, with a line in the log at its end: no text, no key."""

    def __init__(self, talk: Talk, request_id: str, path: str) -> None:
        self._talk, self._line = talk, {"action": "websocket", "request_id": request_id, "path": path}

    def __call__(self, websocket: WebSocket) -> None:
        started_at = time.monotonic()
        code = NORMAL
        try:
            self._talk(websocket)
        except ClientGone:
            pass
        except MustClose as error:
            code = error.code
        except Exception as error:  # a defect of the talk, whatever it is
            code = DEFECT
            logger.error("a talk broke off", exc_info=error, extra=self._line | {"action": "error"})
        try:
            websocket.close(code)
        except ClientGone:
            pass
        finally:
            duration_ms = round((time.monotonic() - started_at) * 1000, 1)
            line = self._line | {"close_code": websocket.close_code, "duration_ms": duration_ms}
            logger.info("websocket", extra=line)
