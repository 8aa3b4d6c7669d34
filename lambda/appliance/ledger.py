"""The ledger: each start and stop with who asked, why, how long it took and what it cost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from appliance.prices import Prices
from appliance.table import ABSENT, LEDGER, Changed, Table, as_read
from appliance.totals import totals

EVENTS = (
    *("start_asked", "start_ready", "start_failed", "stopped", "stop_refused"),
    *("hold", "interruption", "released"),
)
DAY_S = 86_400.0
LOOK_BACK_S = 8 * DAY_S
"""So long before the time that is asked about may a run have begun that reaches into it: a hold is 7 days."""
MOST_DAYS = 366
MOST_ENTRIES = 20_000
SHOWN_ENTRIES = 500
"""The newest; an answer of a function may have 1 MB."""


class BadDays(ValueError):
    """A number of days that cannot be asked for; the message says what can."""


def write(table: Table, event: str, at: float, **fields: Any) -> None:
    """One entry. A field that is None is left out; the same entry written twice, by a function that is called
    again, is one.
    """
    if event not in EVENTS:
        raise ValueError(f"{event} is no event of the ledger; there are {', '.join(EVENTS)}")
    told = as_read({"event": event, "at": at} | fields)
    mark = sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:6]
    try:
        table.put({"kind": LEDGER, "id": f"{moment(at)}#{mark}"} | told, ABSENT)
    except Changed:
        return  # it is there


def read(table: Table, since: float, until: float) -> list[dict[str, Any]]:
    """In the order of time; where there are more than MOST_ENTRIES, the newest."""
    newest = table.all(LEDGER, moment(since), newest_first=True, at_most=MOST_ENTRIES)
    return [entry for entry in newest if entry["id"] <= f"{moment(until)}~"][::-1]


def moment(at: float) -> str:
    """As ids begin: ISO, UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def days_of(text: str) -> int:
    """Of a query's `days`. Raises BadDays."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MOST_DAYS:
        raise BadDays(f"days is a number from 1 to {MOST_DAYS}: {text[:40]!r}")
    return int(text)


def answer(
    table: Table, prices: Prices, days: int, now: float, running: bool | None = None
) -> dict[str, Any]:
    """What `GET /machine/ledger` answers: the newest entries, and the sums over all of that time."""
    since = now - days * DAY_S
    entries = read(table, since - LOOK_BACK_S, now)
    if len(entries) == MOST_ENTRIES:
        prices = prices.with_rows((), [f"the oldest entries are not counted: there are over {MOST_ENTRIES}"])
    shown = [entry for entry in entries if entry["id"] >= moment(since)]
    return {
        "entries": [_shown(entry) for entry in shown[-SHOWN_ENTRIES:]],
        "left_out": max(0, len(shown) - SHOWN_ENTRIES),
        "totals": totals(entries, prices, now, since, running),
    }


def _shown(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "kind"}


def cost_so_far(
    entries: Iterable[Mapping[str, Any]], prices: Prices, now: float, running: bool | None = None
) -> dict[str, float | None]:
    """For the machine's status: dollars since this day and this month began, in UTC; None is unknown."""
    known: Sequence[Mapping[str, Any]] = list(entries)
    date = datetime.fromtimestamp(now, UTC)
    day = date.replace(hour=0, minute=0, second=0, microsecond=0)
    of_day = totals(known, prices, now, day.timestamp(), running)
    of_month = totals(known, prices, now, day.replace(day=1).timestamp(), running)
    return {
        "today": of_day["cost"]["dollars"],
        "month": of_month["cost"]["dollars"],
        "saved_month": of_month["saved"]["dollars"],
    }


def month_began(now: float) -> float:
    """Since when `cost_so_far` wants entries: some days more, for a run that reaches into the month."""
    date = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return date.timestamp() - LOOK_BACK_S
