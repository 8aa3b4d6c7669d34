"""The reply to a request of several jobs, each result written once its job has ended.

{"results": […], …}, or to a client that accepts lines {"index": 0, …} for each result and {"done": true, …}.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Any

from flask import Response

from servers.errors import SkylarkError
from servers.jobs.request import Done, Request
from servers.jobs.to_bucket import Uploaded
from servers.web.lines import LINES, accepts_lines, lines_reply
from servers.web.openapi import JSON
from servers.web.replies import dumps

Outcome = Done | Uploaded | SkylarkError
BATCH_REPLIES = (JSON, LINES)
"""The content types of such a reply."""
Outcomes = Generator[Outcome, None, None]
Write = Callable[[int, Outcome], Iterable[bytes]]
"""The JSON object of the result in that place, in pieces; it has at least one field."""
WHOLE = 4_194_304
"""Bytes: the result of a single job is sent as a whole up to here, with a Content-Length."""
PIECE = 262_144
"""Bytes that are sent at once, where there are so many."""


def batch_reply(
    request: Request, write: Write, rest: dict[str, Any], outcomes: Outcomes | None = None
) -> Response:
    """Takes the request over, to its end. `rest` are the fields beside the results; `outcomes` is what comes
    of its jobs where that is not the request's own.

    A job that fails has its error in its place, and where the request is ended early each job that has not
    ended has the reason for that. Raises the first error if all fail.
    """
    ended = request.outcomes() if outcomes is None else outcomes
    if accepts_lines():
        lines = _lines(request, ended, write, rest)
        return lines_reply(_all(next(lines), lines), lines.close)
    parts = _parts(request, ended, write, rest)
    start = _start(parts, WHOLE if len(request.job_ids) == 1 else 1)
    return Response(start if start.endswith(b"\n") else _all(start, parts), mimetype="application/json")


def _start(parts: Iterator[bytes], size: int) -> bytes:
    """At least so much of them, or all."""
    start = bytearray()
    for part in parts:
        start += part
        if len(start) >= size:
            break
    return bytes(start)


def _all(start: bytes, parts: Generator[bytes, None, None]) -> Iterator[bytes]:
    with closing(parts):
        yield start
        yield from parts


def _parts(
    request: Request, outcomes: Outcomes, write: Write, rest: dict[str, Any]
) -> Generator[bytes, None, None]:
    with request, closing(outcomes):
        before = b'{"results":['
        for index, outcome in _placed(request, outcomes):
            yield from _pieces(before, _written(write, index, outcome))
            before = b","
        yield b"]" + (b"," + dumps(rest)[1:] if rest else b"}") + b"\n"


def _lines(
    request: Request, outcomes: Outcomes, write: Write, rest: dict[str, Any]
) -> Generator[bytes, None, None]:
    with request, closing(outcomes):
        for index, outcome in _placed(request, outcomes):
            yield from _pieces(b"", _line(index, _written(write, index, outcome)))
        yield dumps({"done": True} | rest | {"job_ids": request.job_ids}) + b"\n"


def _line(index: int, written: Iterator[bytes]) -> Iterator[bytes]:
    """The same object with its place in it."""
    yield b'{"index":%d,' % index
    yield next(written).removeprefix(b"{")
    yield from written
    yield b"\n"


def _placed(request: Request, outcomes: Outcomes) -> Iterator[tuple[int, Outcome]]:
    return _after_a_success(_to_the_end(outcomes, len(request.job_ids)))


def _written(write: Write, index: int, outcome: Outcome) -> Iterator[bytes]:
    """What cannot be written from its beginning on has the reason for that in its place."""
    parts = iter(write(index, outcome))
    try:
        first = next(parts)
    except SkylarkError as error:
        yield from write(index, error)
        return
    yield first
    yield from parts


def _after_a_success(outcomes: Iterable[tuple[int, Outcome]]) -> Iterator[tuple[int, Outcome]]:
    """The same, once one has succeeded. Raises the first error if none does."""
    failed: list[tuple[int, Outcome]] = []
    succeeded = False
    for index, outcome in outcomes:
        succeeded = succeeded or not isinstance(outcome, SkylarkError)
        if not succeeded:
            failed.append((index, outcome))
            continue
        yield from failed
        failed.clear()
        yield index, outcome
    for _, error in failed[:1]:
        assert isinstance(error, SkylarkError)
        raise error


def _to_the_end(outcomes: Iterable[Outcome], count: int) -> Iterator[tuple[int, Outcome]]:
    """With their places; where they break off, the rest fails with the reason."""
    index = -1
    try:
        for index, outcome in enumerate(outcomes):
            yield index, outcome
    except SkylarkError as error:
        for rest in range(index + 1, count):
            yield rest, error


def _pieces(before: bytes, parts: Iterable[bytes]) -> Iterator[bytes]:
    """Fewer and larger ones."""
    piece = bytearray(before)
    for part in parts:
        piece += part
        if len(piece) >= PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)
