"""A stand-in for both servers on loopback: it answers at once, or as a test says."""

from __future__ import annotations

import base64
import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .stand_in_machine import Machine

Answer = tuple[int, dict[str, str], dict[str, Any] | str]
WORDS = [
    {"word": "Hello,", "start": 0.0, "end": 0.4, "score": 0.9},
    {"word": "Martha.", "start": 0.4, "end": 1.0, "score": None},
]
TRANSCRIPT = {
    "text": "hello martha",
    "language": "en",
    "duration_s": 1.0,
    "segments": [],
    "words": WORDS,
    "ignored": [],
}


def spoken(text: str) -> bytes:
    """What the stand-in's "audio" of a text is."""
    return b"audio of " + text.encode()


def refusal(status: int, code: str, message: str, param: str | None = None, **headers: str) -> Answer:
    error = {"code": code, "message": message, "param": param, "request_id": "r1"}
    return status, headers, {"error": error}


class StandIn:
    """`requests` are those received, as (path, body, headers); `replies[path]` answers before the default."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes, dict[str, str]]] = []
        self.replies: dict[str, list[Answer]] = defaultdict(list)
        self.unspeakable: set[str] = set()
        self.ignored: list[str] = []
        self.broken_off = False
        self.speaks_lines = True
        """Or it is an older one, which answers in one piece."""
        self.machine: Machine | None = None
        """Its machine, if it can be started and stopped."""
        self.key: str | None = None
        """Without it nothing is answered."""
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return self._http.server_port

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def texts(self) -> list[list[str]]:
        """The texts of each /generate_batch so far."""
        return [json.loads(body)["texts"] for path, body, _ in self.requests if path == "/generate_batch"]

    def answer(self, path: str, body: bytes) -> Answer:
        if self.replies[path]:
            return self.replies[path].pop(0)
        match path:
            case "/generate_batch":
                return 200, {}, self._speak(json.loads(body))
            case "/transcribe" | "/align":
                return 200, {}, TRANSCRIPT | {"ignored": self.ignored}
            case "/ready" | "/tts/ready" | "/whisperx/ready" | "/x/tts/ready" | "/x/whisperx/ready":
                return self._readiness()
            case "/tts/generate_batch" | "/whisperx/transcribe" | "/whisperx/align":
                return self.answer(path.removeprefix("/tts").removeprefix("/whisperx"), body)
            case "/health":
                return 200, {}, {"status": "ok", "model": "m", "model_loaded": True, "device": "cpu",
                                 "queue_depth": 0, "uptime_s": 3.0}  # fmt: skip
        return refusal(404, "not_found", f"there is no {path}")

    def lets_in(self, path: str, key: str | None) -> bool:
        return self.key is None or key == self.key or path.endswith("/ready")

    def _readiness(self) -> Answer:
        if self.machine is None or self.machine.state == "ready":
            return 200, {}, {"status": "ready"}
        return refusal(503, "machine_off", f"the machine is {self.machine.state}", Retry_After="60")

    def _to_machine(self, method: str, target: str, body: bytes) -> Answer:
        path, _, query = target.partition("?")
        assert self.machine is not None
        return self.machine.answer(method, path, query, body)

    def in_lines(self, reply: dict[str, Any]) -> str:
        """What /generate_batch sends of it to who accepts lines; without its end where it is `broken_off`."""
        lines = [{"index": index, **result} for index, result in enumerate(reply["results"])]
        end = [] if self.broken_off else [{"done": True, "model": "m", "job_ids": []}]
        return "".join(f"{json.dumps(line)}\n" for line in [*lines, *end])

    def _speak(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {
            "results": [self._result(text, asked) for text in asked["texts"]],
            "model": "m",
            "job_ids": [],
        }

    def _result(self, text: str, asked: dict[str, Any]) -> dict[str, Any]:
        if text in self.unspeakable:
            return {"text": text, "error": {"code": "backend_failed", "message": "no breath", "param": None}}
        return {
            "text": text,
            "audio": base64.b64encode(spoken(text)).decode(),
            "format": asked.get("format", "wav"),
            "ignored": self.ignored,
            "sample_rate": 22050,
            "duration_s": 1.5,
            "words": WORDS,
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                stand_in.requests.append((self.path, body, dict(self.headers)))
                if not stand_in.lets_in(self.path, self.headers.get("X-API-Key")):
                    status, headers, content = refusal(401, "unauthorized", "no such API key")
                elif stand_in.machine and self.path.startswith("/machine"):
                    status, headers, content = stand_in._to_machine(self.command, self.path, body)
                else:
                    status, headers, content = stand_in.answer(self.path, body)
                accept = self.headers.get("Accept", "")
                if stand_in.speaks_lines and "results" in content and "application/x-ndjson" in accept:
                    assert isinstance(content, dict)
                    headers, content = {"Content-Type": "application/x-ndjson"}, stand_in.in_lines(content)
                data = (content if isinstance(content, str) else json.dumps(content)).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        return Handler
