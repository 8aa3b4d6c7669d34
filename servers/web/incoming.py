"""A request's body as it is received: in memory while it is small, then in a file."""

from __future__ import annotations

import tempfile
import time

from servers.storage import storing

IN_MEMORY = 131_072
"""Bytes."""
SLICE_S, BYTES_PER_S = 30.0, 4_096
"""In each such time a body has to come on at least at such a rate."""


class Incoming:
    def __init__(self) -> None:
        self.file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  # `close` closes it
        self.size = 0
        self._marked, self._marked_at = 0, time.monotonic()

    def keep(self, data: bytes) -> None:
        """Raises StorageFailed."""
        with storing("the request's body"):
            self.file.write(data)
        self.size += len(data)

    def too_slow(self, now: float) -> bool:
        if now - self._marked_at <= SLICE_S:
            return False
        came = self.size - self._marked
        self._marked, self._marked_at = self.size, now
        return came < SLICE_S * BYTES_PER_S

    def close(self) -> None:
        self.file.close()
