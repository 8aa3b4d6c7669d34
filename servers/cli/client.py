"""The tts and whisperx servers over HTTP, from a client's side."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servers.cli import here
from servers.cli.config import ClientConfig
from servers.cli.failures import Unreachable
from servers.errors import DeadlineExceeded, SkylarkError

if TYPE_CHECKING:  # a command's help does not wait for it
    import requests

LINES = "application/x-ndjson"
Seen = Callable[[float | None], object]
CHUNK_BYTES = 65_536
CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 1_860.0
"""A little over the servers' own limits.request_timeout_s, so that theirs is the one that is seen."""
ATTEMPTS = 6
LONGEST_PAUSE_S = 30.0
BUSY = (429, 503)
OWN_MACHINE = ("localhost", "127.0.0.1", "::1")
DIRECTLY = {f"{scheme}://{host}": "" for scheme in ("http", "https") for host in OWN_MACHINE}
"""How requests is told that no proxy which the environment names is for the own machine."""


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
        import requests

        self.tts = config.server_url
        self.whisperx = config.whisper_url
        self._pause = pause
        self._http = requests.Session()
        self._http.proxies = dict(DIRECTLY)
        self._http.auth = _as_it_is
        self._http.headers.update(headers or {})
        if config.api_key:
            self._http.headers["X-API-Key"] = config.api_key.encode()

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

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
                yield from enumerate(_reply(response)["results"])

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
        return _reply(self._request("GET", url, timeout=(timeout_s, timeout_s)))

    def _send_recording(self, path: str, audio: Path, seen: Seen, **fields: str | None) -> dict[str, Any]:
        url, recording = f"{self.whisperx}/{path}", {"file": (audio.name, audio.read_bytes())}
        with self._streamed(url, files=recording, data=_given(fields)) as response:
            return _last(response, seen) if _in_lines(response) else _reply(response)

    @contextmanager
    def _streamed(self, url: str, **options: Any) -> Iterator[requests.Response]:
        """The reply before it is read: in lines, if the server can."""
        accept = {"Accept": f"{LINES}, application/json"}
        with (
            self._answered("POST", url, headers=accept, stream=True, **options) as response,
            _transport_errors(url),
        ):
            yield response

    def _call(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        return _reply(self._answered(method, url, **options))

    def _answered(self, method: str, url: str, **options: Any) -> requests.Response:
        """Asks again while the server is busy and says when it will not be, ATTEMPTS times at most."""
        for _ in range(ATTEMPTS - 1):
            response = self._request(method, url, **options)
            pause_s = _retry_after_s(response)
            if pause_s is None:
                return response
            response.close()
            self._pause(pause_s)
        return self._request(method, url, **options)

    def _request(
        self,
        method: str,
        url: str,
        *,
        timeout: tuple[float, float] = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
        **options: Any,
    ) -> requests.Response:
        """Follows no redirect: the key is for this server only."""
        with _transport_errors(url):
            return self._http.request(method, url, timeout=timeout, allow_redirects=False, **options)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """In place of what requests would take from ~/.netrc: the key is the only credential."""
    return request


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _retry_after_s(response: requests.Response) -> float | None:
    """Seconds until it is worth asking again; None where the server does not say."""
    header = response.headers.get("Retry-After", "")
    if response.status_code not in BUSY or not header.isdigit():
        return None
    return min(float(header), LONGEST_PAUSE_S)


def _reply(response: requests.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = None
    if response.status_code == 200 and isinstance(body, dict):
        return body
    raise _typed(response, body)


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


def _typed(response: requests.Response, body: Any) -> SkylarkError:
    """The server's own error, or one that says that something else answered there."""
    try:
        return SkylarkError.from_dict(body["error"])
    except (TypeError, KeyError):
        return SkylarkError(
            f"{response.url} answered {response.status_code} {response.reason}, "
            "and not as a Skylark server does"
        )


@contextmanager
def _transport_errors(url: str) -> Iterator[None]:
    import requests
    from requests.exceptions import InvalidSchema, InvalidURL
    from urllib3.exceptions import LocationParseError

    try:
        yield
    except (InvalidSchema, InvalidURL, LocationParseError) as error:
        raise Unreachable(f"{url} is not a URL: {error}") from None
    except requests.RequestException as error:
        cause = _root(error)
        if isinstance(cause, TimeoutError) and not isinstance(error, requests.ConnectTimeout):
            raise DeadlineExceeded(f"{url} did not answer in time") from None
        reason = getattr(cause, "strerror", None) or str(cause).strip() or type(cause).__name__
        raise Unreachable(f"{url} cannot be reached: {reason}{here.hint('--server')}") from None


def _root(error: BaseException) -> BaseException:
    """What happened first: requests and urllib3 each wrap it in a sentence about their own objects."""
    while error.__context__ is not None:
        error = error.__context__
    return error
