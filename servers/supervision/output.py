"""What the processes of a container write, as one stream: a JSON object a line, with the process's name."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import BinaryIO

LONGEST = 1_000_000
"""Bytes of a line; what is longer is several."""


class Output:
    """Whole lines of every process, in the order in which they are complete."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._begun: dict[str, bytes] = {}

    def write(self, name: str, data: bytes) -> None:
        """`data` may begin and end anywhere in a line."""
        *lines, rest = (self._begun.pop(name, b"") + data).split(b"\n")
        if len(rest) > LONGEST:
            lines, rest = [*lines, rest], b""
        if rest:
            self._begun[name] = rest
        self._put(name, lines)

    def end(self, name: str) -> None:
        """What it has begun and will not end."""
        self._put(name, [self._begun.pop(name, b"")])

    def _put(self, name: str, lines: list[bytes]) -> None:
        whole = b"".join(as_json(name, line) for line in lines if line.strip())
        if whole:
            with suppress(OSError):  # nobody reads any more, and there is no other place to say so
                self._stream.write(whole)
                self._stream.flush()


def as_json(name: str, line: bytes) -> bytes:
    """The line with the process's name in front; one that is no object of JSON (a library's) as a message."""
    if line.startswith(b'{"') and _is_json(line):
        return b'{"process": %s, %s\n' % (json.dumps(name).encode(), line[1:])
    plain = {
        "process": name,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": "WARNING",
        "message": line.decode(errors="replace"),
    }
    return json.dumps(plain).encode() + b"\n"


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
