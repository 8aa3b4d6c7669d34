"""Bodies and results in the bucket. A result that is there is the whole of it, and says what it is: whoever
finds it, when the table does not know of it yet, need not do the work again. The first that was stored stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from servers.cloud.connection import CloudFailed, asking
from servers.intake.outcomes import Done
from servers.intake.work import JOB, Work

RESULTS = "results"
IN_MEMORY = 1024 * 1024
"""Bytes; what is larger is kept in a file meanwhile."""
STATUS = "skylark-status"
NOT_THERE = frozenset({"404", "NoSuchKey", "NotFound"})
ALREADY_THERE = frozenset({"412", "PreconditionFailed"})


class BodyGone(Exception):
    """The bucket does not have it any more."""


class Objects:
    """`client` is boto3's of S3. Every method raises CloudFailed."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client, self._bucket = client, bucket
        # in the thread that asks: it is one of several, and a part is in memory meanwhile
        self._transfer = import_module("boto3.s3.transfer").TransferConfig(use_threads=False)

    @contextmanager
    def body(self, work: Work) -> Iterator[IO[bytes]]:
        """What was sent, at its start. Raises BodyGone."""
        with SpooledTemporaryFile(IN_MEMORY) as file:
            try:
                with asking():
                    self._client.download_fileobj(self._bucket, work.body_key, file, Config=self._transfer)
            except CloudFailed as failed:
                if failed.code in NOT_THERE:
                    raise BodyGone from None
                raise
            file.seek(0)
            yield file

    def keep(self, work: Work, result: IO[bytes], done: Done) -> Done:
        """Stores it. Returns what the result of the work is from now on: that of another attempt, where that
        was faster.
        """
        status = {STATUS: str(done.status)}
        try:
            self._put(result_key(work), result, done.content_type, Metadata=status, IfNoneMatch="*")
        except CloudFailed as failed:
            if failed.code not in ALREADY_THERE:
                raise
            return self.kept(work) or done
        return done

    def keep_audio(self, work: Work, place: int, wav: IO[bytes]) -> int:
        """Before the result itself, for that says that all is there. Returns its bytes."""
        size = size_of(wav)
        self._put(f"{result_key(work)}/{place}.wav", wav, "audio/wav")
        return size

    def kept(self, work: Work) -> Done | None:
        """What another attempt has stored."""
        try:
            with asking():
                head = self._client.head_object(Bucket=self._bucket, Key=result_key(work))
        except CloudFailed as failed:
            if failed.code in NOT_THERE:
                return None
            raise
        status = int(head["Metadata"].get(STATUS, 200))
        return Done(status, head["ContentType"], head["ContentLength"], self._audio(work))

    def discard_body(self, work: Work) -> None:
        """Once the work has ended; with the files that a job which was handed over has beside it."""
        beside = self._below(f"{work.body_key}/") if work.kind == JOB else {}
        for key in (*beside, work.body_key):
            with asking():
                self._client.delete_object(Bucket=self._bucket, Key=key)

    def _audio(self, work: Work) -> dict[str, int]:
        prefix = f"{result_key(work)}/"
        found = self._below(prefix)
        return {key.removeprefix(prefix).removesuffix(".wav"): size for key, size in found.items()}

    def _below(self, prefix: str) -> dict[str, int]:
        """The bytes of all whose keys begin so."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        with asking():
            return {each["Key"]: each["Size"] for page in pages for each in page.get("Contents", [])}

    def _put(self, key: str, data: IO[bytes], content_type: str, **more: Any) -> None:
        """In one piece, for only so it can be said that nothing may be there yet."""
        data.seek(0)
        with asking():
            self._client.put_object(Bucket=self._bucket, Key=key, Body=data, ContentType=content_type, **more)


def result_key(work: Work) -> str:
    return f"{RESULTS}/{work.id}"


def size_of(file: IO[bytes]) -> int:
    """Its bytes; it is at its start then."""
    size = file.seek(0, 2)
    file.seek(0)
    return size
