"""A stand-in for the proxy: it serves the page, and says of the machine what a test wants, odd or not."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

from tests.cli.stand_in_machine import Machine

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'; worker-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
BLANK = b"<!doctype html><html lang=en><title>Blank</title><link rel=icon href=data:,>"
"""For modules that are tried by themselves."""
PATIENCE_S = 0.2
"""So often a stream looks whether the test has ended."""
SERVES = {"ok": True, "backend": "espeak", "model": "espeak-ng", "voice": None}

Reply = tuple[int, Any]


@dataclass
class StandInProxy:
    """`told()` sends a change to whoever listens; `away` answers nobody."""

    url: str = ""
    machine: Machine | None = None
    state: str | None = None
    """In place of the machine's."""
    jobs: list[dict[str, Any]] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    may_start: bool = True
    has_queue: bool = True
    is_public: bool = False
    token: str = "token-1"
    away: bool = False
    pages: dict[str, bytes] = field(default_factory=lambda: {"blank": BLANK})
    asked: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    version: int = 0
    ended: bool = False

    def told(self, **changes: Any) -> None:
        with self.changed:
            for name, value in changes.items():
                setattr(self, name, value)
            self.version += 1
            self.changed.notify_all()

    def status(self) -> dict[str, Any]:
        machine = self.machine.body() if self.machine else None
        state = self.state or (machine or {}).get("state", "ready")
        serves = SERVES if state in ("ready", "busy") else None
        message = (machine or {}).get("fault") or {"message": f"It is {state}."}
        return {
            "state": state, "message": message["message"], "since": time.time() - 90, "machine": machine,
            "tts": serves, "whisperx": serves,
        }  # fmt: skip

    def queue(self) -> dict[str, Any]:
        waiting = sum(job["status"] == "queued" for job in self.jobs)
        return {"jobs": self.jobs, "waiting": waiting, "models": self.models}

    def answer(self, method: str, path: str) -> Reply:
        match method, path.removeprefix("/api/").split("/"):
            case "GET", ["visitor"]:
                return 200, {
                    "csrf": self.token,
                    "may_start": self.may_start,
                    "has_queue": self.has_queue,
                    "public": self.is_public,
                    "limits": {},
                }
            case "GET", ["voices"]:
                return 200, {"voices": [], "models": []}
            case "POST", ["start"]:
                return self._start()
            case "POST", ["echo"]:
                return 200, {"said": "yes"}
            case "DELETE", ["queue", job_id]:
                return self._cancel(job_id)
        return fault(404, "not_found", f"there is no {path}")

    def _start(self) -> Reply:
        if self.machine is None:
            return fault(409, "no_machine", "There is no machine to start.")
        status, _, body = self.machine.answer("POST", "/machine/start", "", b"{}")
        self.told()
        return status, body

    def _cancel(self, job_id: str) -> Reply:
        job = next(job for job in self.jobs if job["id"] == job_id)
        self.told(jobs=[each | ({"status": "cancelled"} if each is job else {}) for each in self.jobs])
        return 200, job


def fault(status: int, code: str, message: str) -> Reply:
    return status, {"error": {"code": code, "message": message, "param": None}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: StandInProxy

    def handle(self) -> None:
        with suppress(ConnectionResetError):  # a page that is closed does not say so
            super().handle()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/api/events" and not self.proxy.away:
            self._events()
        elif path.startswith("/api/"):
            self._api("GET", path)
        else:
            self._file(path.removeprefix("/page/").lstrip("/") or "index.html")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._api("POST", self.path)

    def do_DELETE(self) -> None:
        self._api("DELETE", self.path)

    def _api(self, method: str, path: str) -> None:
        self.proxy.asked.append(f"{method} {path}")
        if self.proxy.away:
            self._reply(502, b"<html>502</html>", "text/html")
            return
        forged = method != "GET" and self.headers.get("X-CSRF-Token") != self.proxy.token
        status, body = fault(403, "forged_request", "no token") if forged else self.proxy.answer(method, path)
        self._reply(status, json.dumps(body).encode(), "application/json")

    def _file(self, name: str) -> None:
        file = files("servers.proxy") / "page" / name
        if name in self.proxy.pages:
            self._reply(200, self.proxy.pages[name], TYPES["html"], policy=None)
        elif file.is_file():
            self._reply(200, file.read_bytes(), f"{TYPES[name.rpartition('.')[2]]}; charset=utf-8")
        else:
            self._reply(404, b"", "text/plain")

    def _events(self) -> None:
        self._begin("text/event-stream")
        seen = -1
        while not self.proxy.ended and not self.proxy.away:
            version = self._version_after(seen)
            queue = [_event("queue", self.proxy.queue())] * self.proxy.has_queue
            if version != seen and not self._sent(_event("status", self.proxy.status()), *queue):
                break
            seen = version

    def _version_after(self, seen: int) -> int:
        """As soon as there is another, or the one that was seen."""
        with self.proxy.changed:
            self.proxy.changed.wait_for(lambda: self.proxy.version != seen, PATIENCE_S)
            return self.proxy.version

    def _sent(self, *parts: bytes) -> bool:
        try:
            self.wfile.write(b"".join(parts))
            self.wfile.flush()
        except OSError:
            return False
        return True

    def _begin(self, content_type: str) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Connection", "close")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()

    def _reply(
        self, status: int, body: bytes, content_type: str, policy: str | None = CONTENT_SECURITY_POLICY
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if policy:
            self.send_header("Content-Security-Policy", policy)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self._sent(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: what a page asks for is in `asked`."""


def _event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def page_with_sign(url: str) -> bytes:
    """Another site's page, which embeds the sign of the proxy at that URL."""
    return f"""<!doctype html><html lang=en><title>Elsewhere</title><link rel=icon href=data:,>
      <script type=module src="{url}/page/status.js"></script>
      <skylark-status src="{url}"></skylark-status>""".encode()


@contextmanager
def standing_in(**settings: Any) -> Iterator[StandInProxy]:
    proxy = StandInProxy(**settings)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"proxy": proxy}))
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.told(ended=True)
        server.shutdown()
        thread.join()
        server.server_close()
