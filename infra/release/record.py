"""How far the release is, in the appliance's table: one at a time, and a killed one can be gone on with."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from release.faults import Refused, TakenOver
from release.plan import Release

KEY = {"kind": {"S": "release"}, "id": {"S": "current"}}
LEASE_S = 60.0
"""A release that has not written for so long was killed."""


@dataclass(frozen=True)
class Found:
    release: Release
    version: int
    lease_until: float


class Record:
    """The item {kind: release, id: current}; `client` is boto3's of DynamoDB. Each write is conditional on
    the version that was read, so that of two releases the second is refused.
    """

    def __init__(self, client: Any, table: str, clock: Callable[[], float]) -> None:
        self._client, self._table, self._clock = client, table, clock
        self._version = 0

    def read(self) -> Found | None:
        item = self._client.get_item(TableName=self._table, Key=KEY, ConsistentRead=True).get("Item")
        if item is None:
            return None
        release = _release(item["release"]["S"])
        return Found(release, int(item["version"]["N"]), float(item["lease_until"]["N"]))

    def begin(self, release: Release, found: Found | None) -> None:
        """`found` is what was read, which this one replaces or goes on with. Raises Refused."""
        self._version = found.version if found else 0
        try:
            self._write(release, LEASE_S)
        except TakenOver:
            raise Refused("another release has begun at this very moment") from None

    def save(self, release: Release, lease_s: float = LEASE_S) -> None:
        """Raises TakenOver where another one has gone on with it."""
        self._write(release, lease_s)

    def let_go(self, release: Release) -> None:
        """So that another can go on with it at once."""
        self._write(release, 0.0)

    def tell(self, release: Release, why: str) -> None:
        """The appliance's ledger, what came of it."""
        at = self._clock()
        moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        entry = {
            "kind": {"S": "ledger"},
            "id": {"S": f"{moment}#{uuid.uuid4().hex[:6]}"},
            "event": {"S": "released"},
            "at": {"N": str(at)},
            "by": {"S": release.by},
            "why": {"S": why},
            "image": {"S": release.old_image if release.fault else release.image},
            "place": {"S": release.old if release.fault else release.place},
        }
        self._client.put_item(TableName=self._table, Item=entry)

    def _write(self, release: Release, lease_s: float) -> None:
        item = {
            **KEY,
            "release": {"S": json.dumps(asdict(release))},
            "version": {"N": str(self._version + 1)},
            "lease_until": {"N": str(0 if release.ended_at else round(self._clock() + lease_s))},
            # the start function leaves the rules alone while this is true, and the lease is not over
            "routes_held": {"BOOL": bool(not release.ended_at and (release.emptied or release.weight))},
        }
        try:
            self._client.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(kind) OR version = :read",
                ExpressionAttributeValues={":read": {"N": str(self._version)}},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            raise TakenOver("another release goes on with this one: this one has stopped") from None
        self._version += 1


def _release(text: str) -> Release:
    """What a later version of this program wrote besides is of no use to this one."""
    known = {field.name for field in fields(Release)}
    found = {name: value for name, value in json.loads(text).items() if name in known}
    lists = {name: tuple(found[name]) for name in ("weights", "begun", "undone") if name in found}
    return Release(**found | lists)
