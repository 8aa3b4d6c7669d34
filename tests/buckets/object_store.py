"""An object store on loopback: moto's server in a process of its own, and before it a proxy that can fail."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3

from servers.settings import ROOT, S3
from tests.acceptance.processes import eventually, free_port

BUCKET = "speech"
ACCESS_KEY, SECRET_KEY = "AKIATHESTORESKEY0000", "the store's secret, which nobody is told"
START_S = 60.0


@dataclass(frozen=True)
class Fault:
    """An answer of the store's own; with no status it hangs up, or is silent until the test's end, or takes
    the body slowly and is no fault.
    """

    status: int = 0
    code: str = ""
    silent: bool = False
    bytes_a_s: int = 0

    def body(self) -> bytes:
        secrets = f"<AWSAccessKeyId>{ACCESS_KEY}</AWSAccessKeyId><Message>{SECRET_KEY}</Message>"
        return f"<Error><Code>{self.code}</Code>{secrets}</Error>".encode()


BLOCK_BYTES = 65_536
SILENT, HANGS_UP = Fault(silent=True), Fault()


@dataclass(frozen=True)
class Asked:
    """`what` is put, begin, part, complete, abort or get."""

    what: str
    key: str
    headers: dict[str, str] = field(repr=False)


def _what(method: str, query: dict[str, list[str]]) -> str:
    if method == "PUT":
        return "part" if "partNumber" in query else "put"
    if method == "POST":
        return "begin" if "uploads" in query else "complete"
    return {"DELETE": "abort"}.get(method, "get")


class ObjectStore:
    """`faults[what]` are the answers to the next requests of that kind; the others go to moto."""

    def __init__(self, port: int) -> None:
        self.asked: list[Asked] = []
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.ended = threading.Event()
        self._moto = port
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BLOCK_BYTES)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def options(self, **more: Any) -> S3:
        """The settings of a server that uses it."""
        keys = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
        return S3(**{"bucket": BUCKET, "endpoint_url": self.url, "attempts": 3, **keys, **more})

    def variables(self) -> dict[str, str]:
        """The same for a server's environment."""
        return {
            "E2E_BUCKET": BUCKET,
            "E2E_ENDPOINT_URL": self.url,
            "E2E_ACCESS_KEY": ACCESS_KEY,
            "E2E_SECRET_KEY": SECRET_KEY,
        }

    @cached_property
    def client(self) -> Any:
        """Of moto itself, past the proxy."""
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self._moto}",
            region_name="us-east-1",
            aws_access_key_id="tester",
            aws_secret_access_key="tester",
        )

    def objects(self) -> dict[str, bytes]:
        found = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        keys = [each["Key"] for each in found]
        return {key: self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}

    def unfinished(self) -> list[str]:
        """The keys of uploads that were begun and neither completed nor aborted."""
        uploads = self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return [each["Key"] for each in uploads]

    def whats(self) -> list[str]:
        return [each.what for each in self.asked]

    def close(self) -> None:
        self.ended.set()
        self.client.close()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                target = urlsplit(self.path)
                what = _what(self.command, parse_qs(target.query, keep_blank_values=True))
                store.asked.append(Asked(what, target.path.partition(f"/{BUCKET}/")[2], dict(self.headers)))
                fault = store.faults[what].pop(0) if store.faults[what] else None
                body = self._body(fault.bytes_a_s if fault else 0)
                if len(body) < int(self.headers.get("Content-Length", 0)):
                    self.close_connection = True  # it was given up
                elif fault is None or fault.bytes_a_s:
                    self._pass_on(body)
                else:
                    self._fail(fault)

            do_GET = do_POST = do_DELETE = do_HEAD = do_PUT  # noqa: N815

            def _body(self, bytes_a_s: int) -> bytes:
                length, body = int(self.headers.get("Content-Length", 0)), b""
                while bytes_a_s and len(body) < length:
                    piece = self.rfile.read(min(BLOCK_BYTES, length - len(body)))
                    if not piece:
                        break
                    body += piece
                    store.ended.wait(BLOCK_BYTES / bytes_a_s)
                return body or self.rfile.read(length)

            def _fail(self, fault: Fault) -> None:
                if fault.silent:
                    store.ended.wait()
                if not fault.status:
                    self.close_connection = True
                    return
                self._reply(fault.status, {"Content-Type": "application/xml"}, fault.body())

            def _pass_on(self, body: bytes) -> None:
                with closing(HTTPConnection("127.0.0.1", store._moto, timeout=60)) as moto:
                    moto.request(self.command, self.path, body, dict(self.headers))
                    answer = moto.getresponse()
                    content = answer.read()
                kept = {
                    name: value
                    for name, value in answer.getheaders()
                    if name.lower()
                    not in ("content-length", "connection", "transfer-encoding", "date", "server")
                }
                self._reply(answer.status, kept, content)

            def _reply(self, status: int, headers: dict[str, str], content: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextmanager
def moto_server() -> Iterator[int]:
    """The port of a store without buckets."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: _answers(port), "moto answers", START_S)
        yield port
    finally:
        server.kill()
        server.wait()


@contextmanager
def object_store(port: int) -> Iterator[ObjectStore]:
    """With an empty bucket, at moto's port."""
    store = ObjectStore(port)
    try:
        _ask(port, "POST", "/moto-api/reset")
        store.client.create_bucket(Bucket=BUCKET)
        yield store
    finally:
        store.close()


def _answers(port: int) -> bool:
    try:
        return _ask(port, "GET", "/moto-api/data.json") == 200
    except ConnectionError:
        return False


def _ask(port: int, method: str, path: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path)
        return connection.getresponse().status
    finally:
        connection.close()
