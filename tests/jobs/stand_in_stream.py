"""A server on a Unix socket that plays prepared answers to POST /jobs/stream. Declared as a stand-in."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from servers.errors import SkylarkError

Answer = Sequence[bytes | None] | SkylarkError
"""Lines or halves of lines, None for a silence until the test is over; or a refusal."""


@dataclass
class StandInStream:
    """`answers` are played one after the other, one for each request."""

    answers: list[Answer]
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    ends_properly: bool = True
    """Whether the last bytes are followed by the end of the body, or by nothing: it was killed."""
    over: threading.Event = field(default_factory=threading.Event)


class Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


@contextmanager
def served(script: StandInStream, folder: Path) -> Iterator[Path]:
    """The socket that it answers on."""
    path = folder / "s"
    with Server(str(path), _handler(script)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield path
        finally:
            script.over.set()
            server.shutdown()
            thread.join()


def _handler(script: StandInStream) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            script.headers.append(dict(self.headers.items()) | {"path": self.path})
            script.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            answer = script.answers.pop(0)
            if isinstance(answer, SkylarkError):
                self._refuse(answer)
            else:
                self._play(answer)

        def _refuse(self, error: SkylarkError) -> None:
            body = json.dumps({"error": error.to_dict()}).encode()
            self.send_response(error.http_status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _play(self, lines: Sequence[bytes | None]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/x-ndjson")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for line in lines:
                if line is None:
                    script.over.wait()
                    return
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            if script.ends_properly:
                self.wfile.write(b"0\r\n\r\n")
            self.close_connection = not script.ends_properly

        def address_string(self) -> str:
            return "a client of a Unix socket has no address"

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
