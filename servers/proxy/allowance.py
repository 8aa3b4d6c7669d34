"""What each visitor and each address has used today, by UTC: characters spoken and aligned, MB of recordings,
starts of the machine.

It is counted before the work, and given back where nothing was done. A request that was worked on and is sent
again by its name (Idempotency-Key) is counted once, and where it has become larger by the difference.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Flask, current_app

from servers.errors import AllowanceUsed, StorageFailed
from servers.proxy.visitors import Visitor
from servers.settings import Proxy, Settings, SettingsError

EXTENSION = "skylark.allowances"
FILE = "proxy.sqlite3"
BUSY_S = 10.0
CHARACTERS, RECORDING_MB, STARTS = "characters", "recording_mb", "starts"
UNITS = {
    CHARACTERS: "characters are",
    RECORDING_MB: "MB of recordings are",
    STARTS: "start of the machine is",
}
TABLES = """
pragma journal_mode = wal;
create table if not exists used (
    day text not null, who text not null, kind text not null, amount real not null,
    primary key (day, who, kind)
) without rowid;
create table if not exists named (
    day text not null, who text not null, name text not null, kind text not null, amount real not null,
    primary key (day, who, name, kind)
) without rowid;
"""
SUM = "on conflict do update set amount = amount + excluded.amount"
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Use:
    """What one request is about."""

    characters: int = 0
    recording_mb: float = 0.0
    starts: int = 0


@dataclass(frozen=True)
class Charge:
    """What was counted: `amounts` by who and kind, and by the name of the request, if it has one."""

    day: str
    name: str | None
    amounts: tuple[tuple[str, str, float], ...]


class Allowances:
    """Thread-safe: each call has a connection of its own. Raises StorageFailed where the file fails."""

    def __init__(self, file: Path, proxy: Proxy, clock: Clock) -> None:
        """Raises SettingsError where the file cannot be made."""
        limits = {
            CHARACTERS: proxy.characters_per_day,
            RECORDING_MB: proxy.recording_mb_per_day,
            STARTS: proxy.starts_per_day,
        }
        self.limits = {kind: limit for kind, limit in limits.items() if limit is not None}
        self._per_address, self._file, self._clock = proxy.per_address, file, clock
        if not self.limits:
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(file)) as db:
                db.executescript(TABLES)
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(f"{file}: {error}: let data_dir be writable") from None

    def take(self, visitor: Visitor, use: Use, name: str | None = None) -> Charge:
        """Counts the use, all of it or nothing. Raises AllowanceUsed where it is more than is left."""
        day, wanted = self._today(), vars(use)
        asked = {kind: amount for kind, amount in wanted.items() if kind in self.limits and amount > 0}
        if not asked:
            return Charge(day, name, ())
        with self._writing() as db:
            db.execute("delete from used where day < ?", (day,))
            db.execute("delete from named where day < ?", (day,))
            amounts: list[tuple[str, str, float]] = []
            for kind, amount in asked.items():
                added = max(0.0, amount - _named(db, day, visitor, name, kind))
                for who, limit in self._limits_of(visitor, kind):
                    self._check(added, _used(db, day, who, kind), kind, limit)
                    amounts.append((who, kind, added))
            charge = Charge(day, name, tuple(amounts))
            _add(db, charge, 1)
        return charge

    def settle(self, visitor: Visitor, charge: Charge) -> None:
        """It was worked on: by its name it may be sent again. Not before, or two that are sent at once would
        be one, and that one given back.
        """
        if charge.amounts and charge.name:
            with self._writing() as db:
                for who, kind, amount in charge.amounts:
                    if who == _key(visitor):
                        row = (charge.day, who, charge.name, kind, amount)
                        db.execute(f"insert into named values (?, ?, ?, ?, ?) {SUM}", row)

    def give_back(self, charge: Charge) -> None:
        """Nothing was done for it."""
        if charge.amounts:
            with self._writing() as db:
                _add(db, charge, -1)

    def left(self, visitor: Visitor) -> dict[str, float | None]:
        """Of each kind; None is without limit."""
        found: dict[str, float | None] = dict.fromkeys(UNITS)
        if self.limits:
            with self._open() as db:
                for kind in self.limits:
                    each = [
                        limit - _used(db, self._today(), who, kind)
                        for who, limit in self._limits_of(visitor, kind)
                    ]
                    found[kind] = max(0.0, min(each))
        return found

    def _limits_of(self, visitor: Visitor, kind: str) -> list[tuple[str, float]]:
        limit = self.limits[kind]
        return [(_key(visitor), limit), (f"address/{visitor.address}", limit * self._per_address)]

    def _check(self, added: float, used: float, kind: str, limit: float) -> None:
        left = max(0.0, limit - used)
        if added <= left:
            return
        raise AllowanceUsed(
            f"{added:.6g} {UNITS[kind]} more than the {left:.6g} that are left for you today; "
            "there are more from midnight UTC on",
            retry_after_s=self._until_midnight_s(),
        )

    def _today(self) -> str:
        return self._clock().date().isoformat()

    def _until_midnight_s(self) -> float:
        now = self._clock()
        tomorrow = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return (tomorrow - now).total_seconds()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._file, timeout=BUSY_S, isolation_level=None)) as db:
                yield db
        except sqlite3.Error as error:
            raise StorageFailed(f"what visitors use cannot be counted: {error}") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """All of the block, or nothing of it where it raises."""
        with self._open() as db:
            db.execute("pragma synchronous = normal")
            db.execute("begin immediate")
            try:
                yield db
            except BaseException:
                db.execute("rollback")
                raise
            db.execute("commit")


def install(app: Flask, settings: Settings, clock: Clock = lambda: datetime.now(UTC)) -> None:
    """Raises SettingsError."""
    app.extensions[EXTENSION] = Allowances(settings.data_dir / FILE, settings.proxy, clock)


def allowances() -> Allowances:
    """The current app's."""
    found: Allowances = current_app.extensions[EXTENSION]
    return found


def _key(visitor: Visitor) -> str:
    return f"visitor/{visitor.public_id}"


def _used(db: sqlite3.Connection, day: str, who: str, kind: str) -> float:
    query = "select amount from used where day = ? and who = ? and kind = ?"
    row = db.execute(query, (day, who, kind)).fetchone()
    return 0.0 if row is None else float(row[0])


def _named(db: sqlite3.Connection, day: str, visitor: Visitor, name: str | None, kind: str) -> float:
    """What was counted of the request with that name before."""
    query = "select amount from named where day = ? and who = ? and name = ? and kind = ?"
    row = db.execute(query, (day, _key(visitor), name or "", kind)).fetchone() if name else None
    return 0.0 if row is None else float(row[0])


def _add(db: sqlite3.Connection, charge: Charge, sign: int) -> None:
    for who, kind, amount in charge.amounts:
        db.execute(f"insert into used values (?, ?, ?, ?) {SUM}", (charge.day, who, kind, sign * amount))
