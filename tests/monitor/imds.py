"""EC2's service of instance metadata on loopback, version 2: without a token it says nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN_PATH, NOTICE_PATH = "/latest/api/token", "/latest/meta-data/spot/instance-action"
INSTANCE_ID_PATH = "/latest/meta-data/instance-id"
INSTANCE_TYPE_PATH = "/latest/meta-data/instance-type"


class Imds:
    """`notice` is whether the instance is to be taken away; another `token` makes the old one expire."""

    def __init__(self) -> None:
        self.notice = False
        self.instance_id: str | None = None
        self.instance_type: str | None = None
        self.token = "token-1"
        self.fails_with: int | None = None
        self.asked: list[str] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        imds = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                lasts = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
                if self.path != TOKEN_PATH or not lasts.isdecimal():
                    self._reply(400)
                else:
                    self._reply(200, imds.token)

            def do_GET(self) -> None:
                if self.headers.get("X-aws-ec2-metadata-token") != imds.token:
                    self._reply(401)
                elif self.path == NOTICE_PATH and imds.notice:
                    self._reply(200, json.dumps({"action": "terminate", "time": "2026-01-01T00:00:00Z"}))
                elif self.path == INSTANCE_ID_PATH and imds.instance_id:
                    self._reply(200, imds.instance_id)
                elif self.path == INSTANCE_TYPE_PATH and imds.instance_type:
                    self._reply(200, imds.instance_type)
                else:
                    self._reply(404)

            def _reply(self, status: int, text: str = "") -> None:
                status = imds.fails_with or status
                imds.asked.append(f"{self.command} {status}")
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextmanager
def running_imds() -> Iterator[Imds]:
    imds = Imds()
    try:
        yield imds
    finally:
        imds.close()
