"""The machine of a release, in small: what `skylark-place` does there, with HTTP servers for containers."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import urllib3

GOOD, OLD = "good", "old"
MUTE, SICK, BROKEN = "mute", "sick", "broken"
"""Images: that do not speak, are never ready, and cannot be started."""


class Container:
    """One place's servers: /ready, and /speak."""

    def __init__(self, image: str) -> None:
        self.image = image
        answers = {"/ready": 503 if SICK in image else 200, "/speak": 500 if MUTE in image else 200}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(answers[self.path])
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.005})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def end(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@dataclass
class Host:
    room: int = 2
    """So many places fit on the GPU."""
    places: dict[str, Container] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    _http: urllib3.PoolManager = field(default_factory=urllib3.PoolManager)

    def do(self, command: str) -> str:
        """What it says where it fails, else nothing."""
        self.told.append(command)
        program, place, what = command.split()
        assert program == "skylark-place"
        running = self.places.get(place)
        if running and what != running.image:
            self.places.pop(place).end()
            running = None
        if what in ("--stop", "--drain") or running:
            return ""
        if BROKEN in what:
            return f"skylark: {what} cannot be started"
        if len(self.places) >= self.room:
            return "skylark: out of memory"
        self.places[place] = Container(what)
        return ""

    def answers(self, place: str, path: str) -> bool:
        container = self.places.get(place)
        return container is not None and self._http.request("GET", container.url + path).status == 200

    def end(self) -> None:
        for place in list(self.places):
            self.places.pop(place).end()
        self._http.clear()
