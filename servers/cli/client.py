"""The tts and whisperx servers over HTTP, from a client's side."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servers.cli.transport import Transport, reply, transport_errors
from servers.errors import SkylarkError
from servers.server_config import ClientConfig

if TYPE_CHECKING:  # a command's help does not wait for it
    import requests

LINES = "application/x-ndjson"
Seen = Callable[[float | None], object]
CHUNK_BYTES = 65_536


class Servers:
    """Both servers. Close it after use, or use it in a with statement."""

    def __init__(
        self,
        config: ClientConfig,
        *,
        headers: Mapping[str, str] | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`headers` go with each request: what tells a load balancer where to."""
        self.tts = config.server_url
        self.whisperx = config.whisper_url
        self._transport = Transport(config.api_key, headers=headers, pause=pause)

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def speak(self, texts: Sequence[str], **options: Any) -> dict[str, Any]:
        """/generate_batch's reply; options that are None are left out, so that the server's default holds."""
        return self._call("POST", f"{self.tts}/generate_batch", json=_given(options) | {"texts": list(texts)})

    def speak_each(
        self, texts: Sequence[str], **options: Any
    ) -> Generator[tuple[int, dict[str, Any]], None, None]:
        """The same results with their places, each once its text is spoken. Closing it cancels the rest.

        Raises Unreachable, or SkylarkError, where the answer is broken off.
        """
        url, body = f"{self.tts}/generate_batch", _given(options) | {"texts": list(texts)}
        with self._streamed(url, json=body) as response:
            if _in_lines(response):
                yield from _results(response)
            else:
                yield from enumerate(reply(response)["results"])

    def transcribe(
        self, audio: Path, *, language: str | None = None, seen: Seen = lambda _: None
    ) -> dict[str, Any]:
        """`seen` is shown meanwhile the fraction that is done, None where that is not known."""
        return self._send_recording("transcribe", audio, seen, language=language)

    def align(
        self, audio: Path, text: str, *, language: str | None = None, seen: Seen = lambda _: None
    ) -> dict[str, Any]:
        """`seen` as `transcribe` has it."""
        return self._send_recording("align", audio, seen, text=text, language=language)

    def get(self, url: str, *, timeout_s: float = 10.0) -> dict[str, Any]:
        """One attempt: for /health and /ready, whose 503 is an answer."""
        return reply(self._transport.request("GET", url, timeout=(timeout_s, timeout_s)))

    def _send_recording(self, path: str, audio: Path, seen: Seen, **fields: str | None) -> dict[str, Any]:
        url, recording = f"{self.whisperx}/{path}", {"file": (audio.name, audio.read_bytes())}
        with self._streamed(url, files=recording, data=_given(fields)) as response:
            return _last(response, seen) if _in_lines(response) else reply(response)

    @contextmanager
    def _streamed(self, url: str, **options: Any) -> Iterator[requests.Response]:
        """The reply before it is read: in lines, if the server can."""
        accept = {"Accept": f"{LINES}, application/json"}
        with (
            self._transport.answered("POST", url, headers=accept, stream=True, **options) as response,
            transport_errors(url),
        ):
            yield response

    def _call(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        return reply(self._transport.answered(method, url, **options))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _in_lines(response: requests.Response) -> bool:
    return response.headers.get("Content-Type", "").startswith(LINES)


def _results(response: requests.Response) -> Iterator[tuple[int, dict[str, Any]]]:
    """Of each line its index and the rest, until the one that says that it is done."""
    for line in _lines(response):
        told: dict[str, Any] = json.loads(line)
        if "done" in told:
            return
        yield told.pop("index"), told
    raise SkylarkError(f"{response.url} broke off its answer: ask again")


def _lines(response: requests.Response) -> Iterator[bytes]:
    """Whole lines, as they come: requests' own iter_lines takes a time that is quadratic in their length."""
    held: list[bytes] = []
    for piece in response.iter_content(CHUNK_BYTES):
        first, *rest = piece.split(b"\n")
        held.append(first)
        for start in rest:
            yield b"".join(held)
            held = [start]


def _last(response: requests.Response, seen: Seen) -> dict[str, Any]:
    """The result, which is the last line; those before it are shown."""
    for line in _lines(response):
        told = json.loads(line)
        if "error" in told:
            raise SkylarkError.from_dict(told["error"])
        if "result" in told:
            result: dict[str, Any] = told["result"]
            return result
        seen(told["progress"])
    raise SkylarkError(f"{response.url} broke off its answer: ask again")
