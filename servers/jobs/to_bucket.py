"""Speech into a bucket while it is made, for every door: a job's audio becomes an object, and the reply says
where that is.

    destination = Destination(bucket, "wav", prefix, keys, today)
    for outcome in uploaded(request, destination): ...       # Uploaded or its error, for each job in order
    place = put(audio, destination, name, connected)         # or: what was made before, as one object
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import IO, cast

from servers.audio.encode import FileEncoder, content_type
from servers.audio.pcm import to_int16
from servers.buckets.bucket import Bucket, Place
from servers.buckets.keys import new_key
from servers.buckets.upload import PART_BYTES, Upload
from servers.errors import JobCancelled, SkylarkError, UploadFailed
from servers.jobs.request import BegunAgain, HowFar, Request, Result
from servers.speech import Chunk

AT_ONCE = 4
"""Objects of one request whose last part is on its way; each is in memory with 10 MiB at most."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Uploaded:
    """What a job that is done has made, and where its audio is."""

    job_id: str
    result: Result
    place: Place
    upload_s: float
    """How long the store was sent to, in part while the audio was made."""


Outcome = Uploaded | SkylarkError


@dataclass(frozen=True)
class Destination:
    """Where one request's audio goes. `keys` has the one that the client chose, or None, for each job; those
    without one lie in a folder of the day, or with `today` None beside the others.
    """

    bucket: Bucket
    format: str
    prefix: str
    keys: Sequence[str | None]
    today: date | None

    def of(self, indices: Sequence[int]) -> Destination:
        """For some of the jobs alone."""
        return replace(self, keys=[self.keys[index] for index in indices])

    def upload(self, index: int, name: str) -> Upload:
        """`name` is the job's id, or what else nobody can guess."""
        key = self.keys[index] or new_key(self.prefix, self.today, name, self.format)
        return Upload(self.bucket, key, content_type(self.format))


def uploaded(request: Request, destination: Destination) -> Generator[Outcome, None, None]:
    """What became of each job, in order. Closed early, it leaves nothing in the bucket of what was not whole.

    The last parts of AT_ONCE objects are sent while the jobs after them are made. An upload that fails takes
    nothing from its job, which goes on to its end: the error says whose audio can be fetched still. Raises as
    `Request.stream` does, once what was made before is told.
    """
    ending: deque[Future[Outcome]] = deque()
    ended_early: SkylarkError | None = None
    with ThreadPoolExecutor(AT_ONCE, "upload") as threads, closing(_Uploads(request, destination)) as uploads:
        try:
            for end in uploads.ends():
                if end is not None:
                    ending.append(threads.submit(end))
                while ending and (ending[0].done() or len(ending) >= AT_ONCE):
                    yield ending.popleft().result()
        except SkylarkError as error:
            ended_early = error
        while ending:
            yield ending.popleft().result()
    if ended_early is not None:
        raise ended_early


def put(
    audio: IO[bytes],
    destination: Destination,
    name: str,
    connected: Callable[[], bool],
    job_id: str | None = None,
) -> Place:
    """Where audio of one text is, once it is all there; `job_id` is the job that has made it, if one has.

    Raises as Bucket does, and JobCancelled once its client has gone: nothing is then left in the bucket.
    """
    upload = destination.upload(0, name)
    try:
        while piece := audio.read(PART_BYTES):
            if not connected():
                raise JobCancelled("the client went away")
            upload.write(piece)
            upload.send()
        return upload.finish()
    except UploadFailed as error:
        upload.abort()
        raise _not_put(error, destination.bucket, job_id) from None
    except BaseException:
        upload.abort()
        raise


def _not_put(error: UploadFailed, bucket: Bucket, job_id: str | None) -> UploadFailed:
    """The same, logged, and with where the audio is still."""
    fields = {"action": "upload", "job_id": job_id, "bucket": bucket.name, "error": error.code}
    log.warning("speech was not put into its bucket: %s", error.message, extra=fields)
    kept = "" if job_id is None else f"; the audio is kept as that of job {job_id}"
    return type(error)(f"{error.message}{kept}")


class _Uploads:
    """The uploads of one request's jobs: one at a time is open, that of the job whose turn it is."""

    def __init__(self, request: Request, destination: Destination) -> None:
        self._request, self._destination = request, destination
        self._open: _SpeechUpload | None = None

    def ends(self) -> Iterator[Callable[[], Outcome] | None]:
        """For each job in order what is left to be done once it has ended; None whenever time has passed."""
        for index, made in self._request.attempts():
            match made:
                case Chunk():
                    self._speech(index, made.sample_rate).push(made)
                    yield None
                case BegunAgain():
                    self.close()
                case HowFar():
                    yield None
                case SkylarkError():
                    self.close()
                    yield partial(_same, made)
                case _:
                    speech, self._open = self._speech(index, made["sample_rate"]), None
                    yield partial(speech.finish, made)

    def _speech(self, index: int, sample_rate: int) -> _SpeechUpload:
        if self._open is None:
            job_id = self._request.job_ids[index]
            self._open = _SpeechUpload(self._destination, index, job_id, sample_rate)
        return self._open

    def close(self) -> None:
        """Gives up what is not whole."""
        if self._open is not None:
            self._open.abort()
            self._open = None


def _same(outcome: Outcome) -> Outcome:
    return outcome


class _SpeechUpload:
    """One job's audio: encoded as it comes, and sent. A failure is told at its end."""

    def __init__(self, destination: Destination, index: int, job_id: str, sample_rate: int) -> None:
        self._job_id, self._bucket = job_id, destination.bucket
        self._upload = destination.upload(index, job_id)
        self._encoder = FileEncoder(sample_rate, destination.format, cast("IO[bytes]", self._upload))
        self._failed: UploadFailed | None = None

    def push(self, chunk: Chunk) -> None:
        if self._failed is not None:
            return
        try:
            self._encoder.push(to_int16(chunk.samples))
            self._upload.send()
        except UploadFailed as error:
            self._fail(error)

    def finish(self, result: Result) -> Uploaded | UploadFailed:
        if self._failed is None:
            try:
                self._encoder.finish()
                place = self._upload.finish()
                return Uploaded(self._job_id, result, place, self._upload.took_s)
            except UploadFailed as error:
                self._fail(error)
            except BaseException:
                self.abort()
                raise
        assert self._failed is not None
        return self._failed

    def abort(self) -> None:
        self._encoder.close()
        self._upload.abort()

    def _fail(self, error: UploadFailed) -> None:
        self._failed = _not_put(error, self._bucket, self._job_id)
        self.abort()
