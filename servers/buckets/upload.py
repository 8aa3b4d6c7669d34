"""One object that is written as a file is, and sent in parts while it grows."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from servers.buckets.bucket import Bucket, Place
from servers.errors import UploadFailed

PART_BYTES = 5 * 1024 * 1024
"""The least that a store takes as a part, but for the last one."""
log = logging.getLogger(__name__)


class Upload:
    """What a codec writes to: it may go back and write over the first part, and over what was not sent yet.

    The first part is sent last, for the header in it says how long the audio is. `write`, `seek` and `tell`
    ask nobody, so that they can be called from a codec; the others raise what Bucket does. There is no object
    before `finish`, and after `abort` nothing is left. At most two parts are in memory.
    """

    def __init__(self, bucket: Bucket, key: str, content_type: str) -> None:
        self.key = key
        self._bucket, self._content_type = bucket, content_type
        self._first, self._rest = bytearray(), bytearray()
        self._at = self._sent = 0
        self._upload_id: str | None = None
        self._tags: list[str] = []
        self.took_s = 0.0
        """How long the store has been sent to."""

    def write(self, data: bytes) -> int:
        """Raises ValueError over what was sent."""
        first = data[: max(0, PART_BYTES - self._at)]
        self._first[self._at : self._at + len(first)] = first
        rest = data[len(first) :]
        if rest:
            start = self._at + len(first) - PART_BYTES - self._sent
            if start < 0:
                raise ValueError("this part of the object was sent")
            self._rest[start : start + len(rest)] = rest
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    @property
    def _size(self) -> int:
        return len(self._first) + self._sent + len(self._rest)

    def send(self) -> None:
        """Sends the parts that are whole."""
        while len(self._rest) >= PART_BYTES:
            self._send_part(bytes(memoryview(self._rest)[:PART_BYTES]))
            del self._rest[:PART_BYTES]
            self._sent += PART_BYTES

    def finish(self) -> Place:
        """Sends what is left; what no part was sent of is sent as a whole."""
        place = self._bucket.place(self.key)
        self.send()
        if self._upload_id is None:
            with self._counted():
                self._bucket.put(self.key, bytes(self._first + self._rest), self._content_type)
            return place
        if self._rest:
            self._send_part(bytes(self._rest))
        with self._counted():
            first = self._bucket.put_part(self.key, self._upload_id, 1, bytes(self._first))
            self._bucket.complete(self.key, self._upload_id, [first, *self._tags])
        self._upload_id = None
        return place

    def abort(self) -> None:
        """Never raises: why the upload ends matters more. A second time does nothing, nor after `finish`."""
        upload_id, self._upload_id = self._upload_id, None
        if upload_id is None:
            return
        try:
            self._bucket.abort(self.key, upload_id)
        except UploadFailed as error:
            fields = {"action": "upload", "bucket": self._bucket.name, "key": self.key, "error": error.code}
            log.warning("the parts of an upload are left in the bucket", extra=fields)

    def _send_part(self, body: bytes) -> None:
        with self._counted():
            if self._upload_id is None:
                self._upload_id = self._bucket.begin(self.key, self._content_type)
            number = len(self._tags) + 2
            self._tags.append(self._bucket.put_part(self.key, self._upload_id, number, body))

    @contextmanager
    def _counted(self) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.took_s += time.monotonic() - begun
