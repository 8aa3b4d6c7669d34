"""HTTP from a client's side: the key is for one server, a busy one is asked again, errors are typed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from servers.cli import here
from servers.cli.failures import MachineOff, Unreachable
from servers.errors import DeadlineExceeded, SkylarkError

if TYPE_CHECKING:  # a command's help does not wait for it
    import requests

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 1_860.0
"""A little over the servers' own limits.request_timeout_s, so that theirs is the one that is seen."""
ATTEMPTS = 6
LONGEST_PAUSE_S = 30.0
BUSY = (429, 503)
OWN_MACHINE = ("localhost", "127.0.0.1", "::1")
DIRECTLY = {f"{scheme}://{host}": "" for scheme in ("http", "https") for host in OWN_MACHINE}
"""How requests is told that no proxy which the environment names is for the own machine."""
OFF = "machine_off"
"""The code of what stands before a machine that is off, and takes in its place what can wait."""


class Transport:
    """One session. Close it after use."""

    def __init__(
        self,
        api_key: str | None,
        *,
        headers: Mapping[str, str] | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`headers` go with each request: what tells a load balancer where to."""
        import requests

        self._pause = pause
        self._http = requests.Session()
        self._http.proxies = dict(DIRECTLY)
        self._http.auth = _as_it_is
        self._http.headers.update(headers or {})
        if api_key:
            self._http.headers["X-API-Key"] = api_key.encode()

    def close(self) -> None:
        self._http.close()

    def answered(self, method: str, url: str, **options: Any) -> requests.Response:
        """Asks again while the server is busy and says when it will not be, ATTEMPTS times at most."""
        for _ in range(ATTEMPTS - 1):
            response = self.request(method, url, **options)
            pause_s = _retry_after_s(response)
            if pause_s is None:
                return response
            response.close()
            self._pause(pause_s)
        return self.request(method, url, **options)

    def request(
        self,
        method: str,
        url: str,
        *,
        timeout: tuple[float, float] = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
        **options: Any,
    ) -> requests.Response:
        """Follows no redirect: the key is for this server only. Raises MachineOff where it is off."""
        with transport_errors(url):
            response = self._http.request(method, url, timeout=timeout, allow_redirects=False, **options)
            _check_on(response)
            return response


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """In place of what requests would take from ~/.netrc: the key is the only credential."""
    return request


def _retry_after_s(response: requests.Response) -> float | None:
    """Seconds until it is worth asking again; None where the server does not say."""
    header = response.headers.get("Retry-After", "")
    if response.status_code not in BUSY or not header.isdigit():
        return None
    return min(float(header), LONGEST_PAUSE_S)


def _check_on(response: requests.Response) -> None:
    """A minute or several are too long to wait without a word: who wants to, says --start-gpu."""
    if response.status_code != 503:
        return
    body = body_of(response)
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict) and error.get("code") == OFF:
        raise MachineOff(f"{error.get('message')}; the same command with --start-gpu waits until it is ready")


def reply(response: requests.Response, statuses: Collection[int] = (200,)) -> dict[str, Any]:
    """The JSON object that it answered. Raises the server's own error where the status is another one."""
    body = body_of(response)
    if response.status_code in statuses and isinstance(body, dict):
        return body
    raise _typed(response, body)


def body_of(response: requests.Response) -> Any:
    """Its JSON; None where it has none."""
    try:
        return response.json()
    except ValueError:
        return None


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
def transport_errors(url: str) -> Iterator[None]:
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
