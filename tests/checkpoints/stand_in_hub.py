"""A hub on loopback, as far as huggingface_hub asks it: a repository's listing, and its files with ranges."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = (".safetensors", ".bin", ".zip")
"""Files whose SHA-256 the hub knows; of the others it has what git has."""


class Hub:
    """`files[repo]` maps names to content. What a test may change, or look at:

    `refuse` a status and an X-Error-Code for every file; `break_after` the bytes of one reply after which
    the connection is closed; `corrupt` names whose content is sent otherwise than it is listed; `ranges`
    the ranges that were asked for; `sent` the names of files that were sent, or begun.
    """

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.refuse: tuple[int, str] | None = None
        self.break_after: int | None = None
        self.corrupt: set[str] = set()
        self.ranges: list[str] = []
        self.sent: list[str] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def listing(self, repo: str) -> dict[str, object]:
        return {"id": repo, "sha": COMMIT, "siblings": [_listed(*one) for one in self.files[repo].items()]}


def _listed(name: str, content: bytes) -> dict[str, object]:
    git_hash = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    listed: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": git_hash}
    if name.endswith(LARGE):
        digest = hashlib.sha256(content).hexdigest()
        listed["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
    return listed


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            api, _, rest = urlsplit(self.path).path.partition("/api/models/")
            if not api and rest:
                self._list(rest)
            else:
                self._file()

        do_HEAD = do_GET  # noqa: N815 - http.server's name

        def _list(self, asked: str) -> None:
            repo, _, revision = asked.partition("/revision/")
            if repo not in hub.files:
                self._answer(401, {"X-Error-Code": "RepoNotFound"})
            elif revision not in ("", "main", COMMIT):
                self._answer(404, {"X-Error-Code": "RevisionNotFound"})
            else:
                self._answer(
                    200, {"Content-Type": "application/json"}, json.dumps(hub.listing(repo)).encode()
                )

        def _file(self) -> None:
            repo, _, name = self.path.strip("/").partition(f"/resolve/{COMMIT}/")
            if hub.refuse:
                self._answer(hub.refuse[0], {"X-Error-Code": hub.refuse[1]})
                return
            content = hub.files[repo][name]
            etag = hashlib.sha256(content).hexdigest() if name.endswith(LARGE) else "small"
            if name in hub.corrupt:
                content = bytes(len(content))
            self._send(name, content, {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"'})

        def _send(self, name: str, content: bytes, headers: dict[str, str]) -> None:
            start = 0
            if asked := self.headers.get("Range"):
                hub.ranges.append(asked)
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            if self.command == "GET":
                hub.sent.append(name)
            self._answer(206 if start else 200, headers, content[start:])

        def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            if hub.break_after is not None and len(body) > hub.break_after:
                body, hub.break_after, self.close_connection = body[: hub.break_after], None, True
            self.wfile.write(body)

    return Handler
