"""What a request for speech may say about the bucket that its audio is to go into."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from servers.buckets.bucket import bucket
from servers.buckets.keys import check_key, owners_prefix
from servers.errors import InvalidRequest
from servers.jobs.to_bucket import Destination
from servers.settings import settings
from servers.speech import Noun


class S3Place(Noun):
    """Where in the store; what is None is the server's affair. `key` is for one text, `keys` for several."""

    bucket: str | None = None
    key: str | None = None
    keys: list[str | None] | None = None


class S3Output(Noun):
    """The fields of the body, beside a door's own."""

    output: Literal["s3"] | None = None
    s3: S3Place | None = None

    @property
    def wants_bucket(self) -> bool:
        return self.output is not None or self.s3 is not None

    def destination(self, format: str, count: int, owner: str | None) -> Destination | None:
        """None where the audio of the `count` texts is wanted in the reply.

        Raises InvalidRequest naming the field, MissingExtra, and BucketNotConfigured.
        """
        if not self.wants_bucket:
            return None
        place, options = self.s3 or S3Place(), settings().s3
        prefix = owners_prefix(options.prefix, owner)
        keys = place.keys if place.keys is not None else [place.key] * count
        _check(place, keys, count, prefix)
        return Destination(bucket(options, place.bucket), format, prefix, keys, datetime.now(UTC).date())


def _check(place: S3Place, keys: Sequence[str | None], count: int, prefix: str) -> None:
    if place.key is not None and (place.keys is not None or count > 1):
        raise InvalidRequest("'s3.key' is for a single text: give one for each as s3.keys", param="s3.key")
    if len(keys) != count:
        raise InvalidRequest(f"{len(keys)} keys for {count} texts", param="s3.keys")
    chosen = [key for key in keys if key is not None]
    if len(set(chosen)) < len(chosen):
        raise InvalidRequest("two texts cannot have the same key", param="s3.keys")
    for index, key in enumerate(keys):
        if key is not None:
            check_key(key, prefix, "s3.key" if place.keys is None else f"s3.keys.{index}")
