"""How far the release is, in the appliance's table: one at a time, and a killed one can be gone on with."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields

from appliance import ledger
from appliance.releasing import HELD, ID, KIND, LEASE
from appliance.table import ABSENT, Changed, Table
from release.faults import Refused, TakenOver
from release.plan import Release, Step

LEASE_S = 60.0
"""A release that has not written for so long was killed."""


@dataclass(frozen=True)
class Found:
    release: Release
    version: int
    lease_until: float


@dataclass
class Record:
    """One item of the table. Each write is conditional on the version that was read, so that of two releases
    the second is refused.
    """

    table: Table
    clock: Callable[[], float]
    _version: int = 0
    _writer: str = field(default_factory=lambda: uuid.uuid4().hex)

    def read(self) -> Found | None:
        item = self.table.get(KIND, ID)
        return Found(_release(item["release"]), item["version"], item[LEASE]) if item else None

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
        """The ledger, which image serves and why."""
        served = (release.old, release.old_image) if release.fault else (release.place, release.image)
        place, image = served
        ledger.write(
            self.table, "released", self.clock(), by=release.by, why=why, place=place, image=image or None
        )

    def _write(self, release: Release, lease_s: float) -> None:
        item = {
            "kind": KIND,
            "id": ID,
            "release": json.dumps(asdict(release)),
            "version": self._version + 1,
            "writer": self._writer,
            LEASE: 0.0 if release.ended_at else self.clock() + lease_s,
            HELD: not release.ended_at and _leads(release),
        }
        try:
            self.table.put(item, {"version": self._version} if self._version else ABSENT)
        except Changed:
            if not self._is_written(self._version + 1):
                raise TakenOver("another release goes on with this one: this one has stopped") from None
        self._version += 1

    def _is_written(self, version: int) -> bool:
        """Whether it was this one: what was written is written again where the answer was lost."""
        item = self.table.get(KIND, ID) or {}
        return bool(item.get("writer") == self._writer and item.get("version") == version)


def _leads(release: Release) -> bool:
    """Whether the rules are its own: from before it switches the first until the clients are led back."""
    begun = {Step.SHIFT, Step.TO_RECEPTION} & {*release.begun}
    return bool(begun) and Step.LEAD_BACK not in release.undone


def _release(text: str) -> Release:
    """What a later version of this program wrote besides is of no use to this one."""
    known = {field.name for field in fields(Release)}
    found = {name: value for name, value in json.loads(text).items() if name in known}
    lists = {name: tuple(found[name]) for name in ("weights", "begun", "undone") if name in found}
    return Release(**found | lists)
