"""Bytes from an address, from where an earlier pull stopped: file:, s3: and http(s)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import requests

from servers.errors import MissingExtra, PullFailed, SourceUnreachable

TIMEOUT_S = 30.0
BLOCK = 1 << 16
"""Bytes; of one that breaks off nothing is kept."""
RANGE_PAST_END = 416


@dataclass(frozen=True)
class Reply:
    """The content from `start` on, which is what was asked for, or 0 where that cannot be had."""

    start: int
    blocks: Iterable[bytes]


Read = Callable[[str, int], AbstractContextManager[Reply]]
"""The file at an address from a byte on. Raises SourceUnreachable where nobody answers, else PullFailed."""


def reader(address: str) -> Read:
    """By the address's scheme. Raises MissingExtra where a library is not installed."""
    match urlsplit(address).scheme:
        case "file":
            return _from_file
        case "s3":
            return _from_s3()
        case _:
            return from_http


def append(read: Read, address: str, path: Path) -> None:
    """Puts what `path` lacks behind what is there, or all of it anew."""
    have = path.stat().st_size if path.exists() else 0
    with read(address, have) as reply, path.open("ab" if reply.start else "wb") as file:
        for block in reply.blocks:
            file.write(block)


@contextmanager
def from_http(address: str, start: int) -> Iterator[Reply]:
    """A server that knows nothing of ranges sends all of it anew."""
    asked = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        with requests.get(address, headers=asked, stream=True, timeout=TIMEOUT_S) as reply:
            if reply.status_code == RANGE_PAST_END:
                yield Reply(start, ())  # all of it is there already
                return
            reply.raise_for_status()
            resumes = reply.status_code == requests.codes.partial_content
            yield Reply(start if resumes else 0, reply.iter_content(BLOCK))
    except (requests.ConnectionError, requests.Timeout) as error:
        raise SourceUnreachable(f"{address} cannot be reached ({type(error).__name__})") from None
    except requests.RequestException as error:
        raise PullFailed(f"{address}: {error}: pull again, and it goes on") from None


@contextmanager
def _from_file(address: str, start: int) -> Iterator[Reply]:
    path = Path(url2pathname(urlsplit(address).path))
    try:
        file = path.open("rb")
    except OSError as error:
        raise SourceUnreachable(f"{path} cannot be read: {error.strerror}") from None
    with file:
        file.seek(start)
        yield Reply(start, iter(lambda: file.read(BLOCK), b""))


def _from_s3() -> Read:
    """boto3 finds out itself who asks, and in which region, as the AWS command line does."""
    if find_spec("boto3") is None:
        raise MissingExtra("s3: needs the package boto3, not installed here: .venv/bin/uv pip install boto3")
    client = import_module("boto3").client("s3")
    failures = import_module("botocore.exceptions")

    @contextmanager
    def read(address: str, start: int) -> Iterator[Reply]:
        place = urlsplit(address)
        asked: dict[str, Any] = {"Bucket": place.netloc, "Key": unquote(place.path.lstrip("/"))}
        try:
            reply = client.get_object(**asked | ({"Range": f"bytes={start}-"} if start else {}))
            with closing(reply["Body"]) as body:
                yield Reply(start if "ContentRange" in reply else 0, body.iter_chunks(BLOCK))
        except failures.ClientError as error:
            if error.response["ResponseMetadata"].get("HTTPStatusCode") != RANGE_PAST_END:
                raise PullFailed(f"{address}: {error}") from None
            yield Reply(start, ())
        except failures.BotoCoreError as error:
            raise SourceUnreachable(f"{address} cannot be reached: {error}") from None

    return read
