"""Accepted work: its body in the bucket, its item in the table, and what a client is told of it.

The body is there before the item, and the item before the client hears of it: a function that ends half way
has accepted nothing, or all of it. One name of a client's stands for one piece of work, however often and by
however many functions at a time it is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from appliance.exchange import Conflict, NotFound
from appliance.faults import code
from appliance.table import ABSENT, ACCEPTED, ENDED, WAITING, Changed, Delete, Item, Put, Table
from reception.refusals import Begun, QueueFull

MOST_WORKS, MOST_BYTES = 2_000, 20_000_000_000
"""That may wait at a time; several functions at a time may let in a few more."""
FULL_S = 60.0
KEY_KEPT_S = 7 * 86_400.0
"""So long a name stands for its work."""
UPLOAD_S = 86_400.0
"""After that what was announced and never uploaded is forgotten."""
URL_S = 3600
TRIES = 5
NOT_THERE = ("404", "NoSuchKey", "NotFound", "403")
"""What S3 says of an object that is not there; the last to who may not list the bucket, as the function."""
STORED = "application/octet-stream"
"""What a body is to the bucket; what it is to the machine its item says."""


@dataclass(frozen=True)
class Sent:
    """What a client sent, or announces. Without a body it is to be uploaded."""

    owner: str
    key: str  # its Idempotency-Key; "" for none
    digest: str  # the same for the same request
    target: str
    headers: Mapping[str, str]
    size: int
    priority: int
    body: bytes | None = None

    def item(self, id: str, now: float) -> Item:
        is_here = self.body is not None
        named = {"idempotency-key": self.key} if self.key else {}
        return {
            "kind": WAITING,
            "id": id,
            "work": "request",
            "status": "waiting" if is_here else "uploading",
            "owner": self.owner,
            "method": "POST",
            "path": self.target,
            "headers": dict(self.headers) | named,
            "body_key": f"accepted/{id}",
            "bytes": self.size,
            "priority": self.priority,
            "accepted_at": now,
            "expires_at": None if is_here else int(now + UPLOAD_S),
        }


class Works:
    """`s3` is boto3's client. `new_id` makes an id that nobody has, and that nobody can guess."""

    def __init__(
        self, table: Table, s3: Any, bucket: str, new_id: Callable[[], str], clock: Callable[[], float]
    ) -> None:
        self._table, self._s3, self._bucket = table, s3, bucket
        self._new_id, self._clock = new_id, clock

    def accept(self, sent: Sent) -> Item:
        """The work, new or as it is by now. Raises Conflict, QueueFull."""
        id = self._named(sent) if sent.key else self._new_id()
        if sent.key and (found := self.find(id)):
            return found
        self._check_room(sent.size)
        if sent.body is not None:
            self._s3.put_object(Bucket=self._bucket, Key=f"accepted/{id}", Body=sent.body, ContentType=STORED)
        return self._put(sent.item(id, self._clock()))

    def _put(self, item: Item) -> Item:
        """Once, whoever else puts it at the same time, and also where it has ended since."""
        for _ in range(TRIES):
            try:
                # Deleting what is not there changes nothing: it is the condition that it has not ended.
                self._table.write(Put(item, ABSENT), Delete(ENDED, item["id"], ABSENT))
            except Changed:
                if found := self.find(item["id"]):
                    return found
                continue  # two writes at the same time, and neither counted
            return {name: value for name, value in item.items() if value is not None}
        raise Changed(f"the work was written by others {TRIES} times")

    def _named(self, sent: Sent) -> str:
        """The id of the work for which the client's name stands. Raises Conflict."""
        name = f"{sent.owner}#{sent.key}"
        for _ in range(TRIES):
            known = self._table.get(ACCEPTED, name)
            now = self._clock()
            if known and known["expires_at"] > now:
                if known["digest"] != sent.digest:
                    raise Conflict("this key was used for another request", param="Idempotency-Key")
                return str(known["work"])
            id = self._new_id()
            new = {"kind": ACCEPTED, "id": name, "work": id, "digest": sent.digest}
            expected = {"work": known["work"]} if known else ABSENT
            try:
                self._table.put(new | {"expires_at": int(now + KEY_KEPT_S)}, expected)
            except Changed:
                continue
            return id
        raise Changed(f"the key was written by others {TRIES} times")

    def _check_room(self, more: int) -> None:
        """What other machines have handed over was accepted long ago, and takes no room here."""
        waiting = [item for item in self._table.all(WAITING) if item.get("work") == "request"]
        size = sum(int(item.get("bytes", 0)) for item in waiting)
        if len(waiting) >= MOST_WORKS or size + more > MOST_BYTES:
            raise QueueFull(
                f"{len(waiting)} pieces of work with {size} bytes wait already, and at most {MOST_WORKS} with"
                f" {MOST_BYTES} may",
                retry_after_s=FULL_S,
            )

    def find(self, id: str) -> Item | None:
        """As it is now. What waits no longer has ended: it is moved in one piece."""
        return self._table.get(WAITING, id) or self._table.get(ENDED, id)

    def of(self, id: str, owner: str) -> Item:
        """Raises NotFound, also for another's."""
        found = self.find(id)
        if found is None or found.get("owner") != owner:
            raise NotFound(f"there is no accepted work {id}")
        return found

    def uploaded(self, id: str, owner: str) -> Item:
        """It waits from now on. A second time changes nothing. Raises NotFound, Conflict."""
        item = self.of(id, owner)
        if item["status"] != "uploading":
            return item
        size = self._size(item["body_key"])
        if size != item["bytes"]:
            there = "nothing of it is there" if size is None else f"{size} bytes are there"
            raise Conflict(f"{item['bytes']} bytes were announced, and {there}: upload it first")
        changes = {"status": "waiting", "accepted_at": self._clock(), "expires_at": None}
        try:
            return self._table.update(WAITING, id, changes, {"status": "uploading", "owner": owner})
        except Changed:  # another function was faster, or it was withdrawn
            return self.of(id, owner)

    def withdraw(self, id: str, owner: str) -> None:
        """Raises NotFound, and Begun for what does not wait any more."""
        item = self.of(id, owner)
        if item["status"] not in ("waiting", "uploading"):
            raise Begun(f"it is {item['status']}, and only what waits can be withdrawn")
        try:
            self._table.delete(WAITING, id, {"status": item["status"], "owner": owner})
        except Changed:
            raise Begun("it was begun just now, and only what waits can be withdrawn") from None
        self._s3.delete_object(Bucket=self._bucket, Key=item["body_key"])

    def upload(self, item: Item) -> dict[str, Any]:
        """How its body is to be sent: as many bytes as were announced, and no others."""
        asked = {"Bucket": self._bucket, "Key": item["body_key"], "ContentLength": item["bytes"]}
        url = self._s3.generate_presigned_url(
            "put_object", Params=asked | {"ContentType": STORED}, ExpiresIn=URL_S
        )
        headers = {"Content-Type": STORED, "Content-Length": str(item["bytes"])}
        return {"method": "PUT", "url": url, "headers": headers, "expires_in_s": URL_S}

    def result(self, item: Item) -> dict[str, Any] | None:
        """Where it can be fetched, by whoever has the address, for as long as that holds."""
        if item["status"] != "done":
            return None
        audio = [
            {"index": int(index), "url": self._url(f"{item['result_key']}/{index}.wav"), "bytes": size}
            for index, size in sorted(item.get("audio", {}).items(), key=lambda each: int(each[0]))
        ]
        return {
            "url": self._url(item["result_key"]),
            "expires_in_s": URL_S,
            "status": item["http_status"],
            "content_type": item["content_type"],
            "bytes": item["result_bytes"],
            "audio": audio,
        }

    def _url(self, key: str) -> str:
        asked = {"Bucket": self._bucket, "Key": key}
        return str(self._s3.generate_presigned_url("get_object", Params=asked, ExpiresIn=URL_S))

    def _size(self, key: str) -> int | None:
        try:
            return int(self._s3.head_object(Bucket=self._bucket, Key=key)["ContentLength"])
        except ClientError as fault:
            if code(fault) in NOT_THERE:
                return None
            raise
