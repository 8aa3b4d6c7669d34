"""A folder over HTTP on loopback, with ranges: what a mirror is, and a bucket as far as GetObject goes."""

from __future__ import annotations

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

HELD_S = 60


class Bucket:
    """`break_after` has the bytes of one reply after which it is closed; `ranges` and `asked` have the ranges
    and paths that were asked for; `hold` lets each reply wait after so many bytes of it, until `release`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.break_after: int | None = None
        self.ranges: list[str] = []
        self.asked: list[str] = []
        self.hold_after: int | None = None
        self.released = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def hold(self, after: int = 0) -> None:
        self.hold_after = after

    def release(self) -> None:
        self.hold_after = None
        self.released.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self.release()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _handler(bucket: Bucket) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            path = bucket.folder / unquote(urlsplit(self.path).path).lstrip("/")
            bucket.asked.append(self.path)
            if not path.is_file():
                self._answer(404, b"")
                return
            content, start = path.read_bytes(), 0
            if asked := self.headers.get("Range"):
                bucket.ranges.append(asked)
                start = int(asked.removeprefix("bytes=").rstrip("-"))
            self._answer(206 if start else 200, content[start:], start, len(content))

        def _answer(self, status: int, body: bytes, start: int = 0, whole: int = 0) -> None:
            self.send_response(status)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if bucket.break_after is not None and len(body) > bucket.break_after:
                body, bucket.break_after, self.close_connection = body[: bucket.break_after], None, True
            if (held := bucket.hold_after) is not None:
                self._write(body[:held])
                bucket.released.wait(HELD_S)
                body = body[held:]
            self._write(body)

        def _write(self, content: bytes) -> None:
            with suppress(ConnectionError):  # who asked may have been killed
                self.wfile.write(content)

    return Handler
