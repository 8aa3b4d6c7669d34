"""A bucket, over boto3: its faults are typed errors, and no credential is in any of them nor in a log."""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import IO, Any

from servers.errors import BucketNotConfigured, BucketUnreachable, InvalidRequest, NotFound, UploadFailed
from servers.extras import require
from servers.settings import S3

EXTRA = "s3"
CONNECT_TIMEOUT_S = 5.0
SENDING_S = 300.0
"""One part, all attempts at it together: the store may be slow, but not for ever."""
PIECE_BYTES = 1 << 20
CONNECTIONS = 64
"""To one store at the same time: a request holds one while a part is sent."""
AWS_HOST = re.compile(r"\.amazonaws\.com(\.cn)?$")
"""There boto3's `auto` would sign addresses of the host of all regions, which redirects for a new bucket;
with the style `virtual` it is the region's. A name with dots fits no certificate, and stays in the path.
"""
NOT_ACCEPTED = [
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
]
FORBIDDEN = ["AccessDenied", "AllAccessDisabled", "AccountProblem", "InvalidObjectState", "403"]
ELSEWHERE = ["PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException", "301", "307"]
FULL = [
    "EntityTooLarge",
    "InsufficientStorage",
    "QuotaExceeded",
    "ServiceQuotaExceeded",
    "XMinioAdminBucketQuotaExceeded",
    "XMinioStorageFull",
    "507",
]
BUSY = [
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "TooManyRequests",
    "429",
]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where an object is: `s3_url` is for whoever has rights there, `presigned_url` for all, for a time."""

    s3_url: str
    s3_key: str
    presigned_url: str


class Bucket:
    """Every method raises UploadFailed, BucketUnreachable or BucketNotConfigured. Thread-safe."""

    def __init__(self, client: Any, name: str, presigned_s: int) -> None:
        self._client, self.name, self._presigned_s = client, name, presigned_s

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """The object as a whole."""
        with self._asking():
            self._client.put_object(**self._of(key), **_checked(body), ContentType=content_type)

    def begin(self, key: str, content_type: str) -> str:
        """The id of an upload in parts; whoever has one completes or aborts it."""
        with self._asking():
            begun = self._client.create_multipart_upload(**self._of(key), ContentType=content_type)
        upload_id: str = begun["UploadId"]
        return upload_id

    def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> str:
        """What the part is called in `complete`: its entity tag."""
        with self._asking():
            sent = self._client.upload_part(
                **self._of(key), **_checked(body), UploadId=upload_id, PartNumber=number
            )
        tag: str = sent["ETag"]
        return tag

    def complete(self, key: str, upload_id: str, tags: Sequence[str]) -> None:
        """Makes the object of its parts, from 1 on: before that there is none."""
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
        with self._asking():
            self._client.complete_multipart_upload(
                **self._of(key), UploadId=upload_id, MultipartUpload={"Parts": parts}
            )

    def abort(self, key: str, upload_id: str) -> None:
        """Lets the store forget the parts, which it else keeps and charges for."""
        with self._asking():
            self._client.abort_multipart_upload(**self._of(key), UploadId=upload_id)

    def has(self, key: str) -> bool:
        """Whether there is such an object. Without the right to list a bucket a store does not tell."""
        with self._asking("look into"):
            try:
                self._client.head_object(**self._of(key))
            except import_module("botocore.exceptions").ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    return False
                raise
        return True

    def fetch(self, key: str, into: IO[bytes]) -> None:
        """The object's bytes. Raises NotFound where there is none, and what writing into the file raises."""
        with self._asking("read from"):
            try:
                body = self._client.get_object(**self._of(key))["Body"]
            except import_module("botocore.exceptions").ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    raise NotFound(f"there is no object {key!r} in bucket {self.name!r}") from None
                raise
            with closing(body):
                while piece := body.read(PIECE_BYTES):
                    into.write(piece)

    def keys(self, prefix: str, most: int) -> list[str]:
        """Those that begin so, in their order, and so many at most."""
        with self._asking("list"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=prefix, PaginationConfig={"MaxItems": most}
            )
            return [each["Key"] for page in pages for each in page.get("Contents", ())]

    @property
    def endpoint(self) -> str:
        """The address of the store."""
        return str(self._client.meta.endpoint_url)

    def place(self, key: str) -> Place:
        """Asks nobody."""
        with self._asking():
            signed: str = self._client.generate_presigned_url(
                "get_object", Params=self._of(key), ExpiresIn=self._presigned_s
            )
        return Place(signed.partition("?")[0], key, signed)

    def _of(self, key: str) -> dict[str, str]:
        return {"Bucket": self.name, "Key": key}

    @contextmanager
    def _asking(self, do: str = "write to") -> Iterator[None]:
        """`do` is what is done to the bucket, for who may not."""
        failures = import_module("botocore.exceptions")
        try:
            yield
        except failures.ClientError as error:
            raise _refusal(error.response, self.name, do) from None
        except (failures.NoCredentialsError, failures.CredentialRetrievalError):
            raise BucketNotConfigured(
                "no credentials for the bucket: set E2E_ACCESS_KEY and E2E_SECRET_KEY, or AWS's variables"
            ) from None
        except (
            failures.HTTPClientError,
            failures.ConnectionError,
        ) as error:  # its message has the address, and what a proxy is asked
            raise BucketUnreachable(f"the object store does not answer ({type(error).__name__})") from None
        except failures.BotoCoreError as error:
            raise UploadFailed(f"the object store cannot be asked ({type(error).__name__})") from None


def bucket(options: S3, name: str | None = None) -> Bucket:
    """The configured bucket, or another one that a client may name.

    Raises MissingExtra, BucketNotConfigured where there is no bucket, and InvalidRequest for one that is not
    among those.
    """
    require(EXTRA, "boto3")
    chosen = options.bucket if name is None else name
    if chosen is None:
        raise BucketNotConfigured("no bucket is configured on the server: s3.bucket, or E2E_BUCKET, names it")
    if chosen != options.bucket and chosen not in options.other_buckets:
        allowed = ", ".join(filter(None, (options.bucket, *options.other_buckets))) or "none"
        raise InvalidRequest(f"'s3.bucket' may be one of: {allowed}", param="s3.bucket")
    client = _client(options, options.addressing)
    if options.addressing == "auto" and "." not in chosen and AWS_HOST.search(client.meta.endpoint_url):
        client = _client(options, "virtual")
    return Bucket(client, chosen, options.presigned_s)


@cache
def _client(options: S3, addressing: str) -> Any:
    """As the settings have it; what they leave open boto3 finds out itself, as the AWS command line does."""
    for name in ("boto3", "botocore", "s3transfer"):  # at DEBUG they log what they sign
        logging.getLogger(name).setLevel(logging.WARNING)
    keys = {"aws_access_key_id": options.access_key, "aws_secret_access_key": options.secret_key}
    given = {name: key.get_secret_value() for name, key in keys.items() if key is not None}
    config = import_module("botocore.config").Config(
        signature_version="s3v4",
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=options.timeout_s,
        retries={"mode": "standard", "total_max_attempts": options.attempts},
        max_pool_connections=CONNECTIONS,
        # Stores other than AWS refuse the checksums that came with 2025's SDKs; ours is Content-MD5.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": addressing},
    )
    session = import_module("boto3.session").Session(region_name=options.region, **given)
    return session.client("s3", endpoint_url=options.endpoint_url, config=config)


def _checked(body: bytes) -> dict[str, Any]:
    """The store compares the digest: what was damaged on its way is refused, and sent again."""
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    return {"Body": _Body(body), "ContentMD5": base64.b64encode(digest).decode()}


class _Body(io.BytesIO):
    """What is sent; after SENDING_S there is no more of it to be had, however often it is tried."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._until = time.monotonic() + SENDING_S

    def read(self, size: int | None = -1) -> bytes:
        if time.monotonic() > self._until:
            raise TimeoutError("the object store takes too long")
        return super().read(size)


def _refusal(response: dict[str, Any], bucket: str, do: str) -> UploadFailed:
    """By the store's code, and none of its words: they may quote what was sent."""
    code = str(response.get("Error", {}).get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    known = code if re.fullmatch(r"[\w.]{1,80}", code) else str(status)
    if code == "NoSuchBucket":
        return UploadFailed(f"there is no bucket {bucket!r}")
    if code in NOT_ACCEPTED:
        return UploadFailed(f"the object store does not accept the server's credentials ({known})")
    if code in FORBIDDEN:
        return UploadFailed(f"the server's credentials may not {do} bucket {bucket!r} ({known})")
    if code in ELSEWHERE:
        return UploadFailed(
            f"bucket {bucket!r} is in another region or at another address: set s3.region ({known})"
        )
    if code in FULL or status == 507:
        return UploadFailed(f"bucket {bucket!r} is full ({known})")
    if code in BUSY or status in (429, 500, 502, 503, 504):
        return BucketUnreachable(f"the object store is too busy ({known})")
    return UploadFailed(f"the object store refused the request ({known})")
