"""A registry of Python packages on loopback: a simple index with wheels, which pip and uv ask."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Registry:
    """`add` puts a package into it; `asked` has the names of wheels that were sent; `break_after` the bytes
    of one wheel after which each connection is closed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.asked: list[str] = []
        self.break_after: int | None = None
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), partial(_handler(self), directory=str(folder)))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def environment(self) -> dict[str, str]:
        """What a user of it sets; nothing of the machine's own configuration of pip or uv is read."""
        index = f"http://127.0.0.1:{self._http.server_port}/simple/"
        return {
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_INDEX_URL": index,
            "PIP_RETRIES": "0",
            "UV_DEFAULT_INDEX": index,
            "UV_HTTP_RETRIES": "0",
            "UV_NO_CONFIG": "1",
        }

    def add(self, name: str, files: dict[str, bytes], version: str = "1.0.0") -> None:
        folder = self._folder / "simple" / name
        folder.mkdir(parents=True, exist_ok=True)
        wheel = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        wheel.write_bytes(wheel_of(name, version, files))
        (folder / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def wheel_of(name: str, version: str, files: dict[str, bytes]) -> bytes:
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    everything = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{path},sha256={_digest(content)},{len(content)}" for path, content in everything.items()]
    everything[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as wheel:
        for path, content in everything.items():
            wheel.writestr(path, content)
    return packed.getvalue()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _handler(registry: Registry) -> type[SimpleHTTPRequestHandler]:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def copyfile(self, source: object, outputfile: object) -> None:
            content = source.read()  # type: ignore[attr-defined]
            if self.path.endswith(".whl"):
                registry.asked.append(self.path.rpartition("/")[2])
                if registry.break_after is not None:
                    content, self.close_connection = content[: registry.break_after], True
            outputfile.write(content)  # type: ignore[attr-defined]

    return Handler
