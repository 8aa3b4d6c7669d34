"""A stand-in for a bucket, which keeps to the rules of one."""

from __future__ import annotations

from typing import Any

from servers.buckets.bucket import Place
from servers.buckets.upload import PART_BYTES
from servers.errors import BucketUnreachable


class InMemory:
    """Its objects, and what it was asked; it `refuses` one thing."""

    name = "speech"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.objects: dict[str, bytes] = {}
        self.parts: dict[int, bytes] = {}
        self.refuses: str | None = None

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if what == self.refuses:
            raise BucketUnreachable("too busy")

    def place(self, key: str) -> Place:
        return Place("url", key, "signed")

    def put(self, key: str, body: bytes, content_type: str) -> None:
        self._ask("put")
        self.objects[key] = body

    def begin(self, key: str, content_type: str) -> str:
        self._ask("begin")
        return "id"

    def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> str:
        self._ask(f"part {number}")
        self.parts[number] = body
        return f"tag {number}"

    def complete(self, key: str, upload_id: str, tags: Any) -> None:
        self._ask("complete")
        assert list(tags) == [f"tag {number}" for number in sorted(self.parts)]
        *all_but_last, _last = [len(self.parts[number]) for number in sorted(self.parts)]
        assert all(size >= PART_BYTES for size in all_but_last)
        self.objects[key] = b"".join(self.parts[number] for number in sorted(self.parts))

    def abort(self, key: str, upload_id: str) -> None:
        self._ask("abort")
