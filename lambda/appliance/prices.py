"""What an hour of a machine costs: a table with its dates and sources, and what AWS's price API adds to it.

A price that is in neither is unknown. It is never 0, and never that of another size or region.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

HOUR_S = 3600.0
HOURS_A_MONTH = 730.0
"""As AWS counts a month of a disk."""
REGION = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-\d+")


def _day(date: str) -> float:
    return datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()


@dataclass(frozen=True)
class Price:
    """Dollars an hour, of Linux on shared hardware, from `since` on."""

    type: str
    region: str
    spot: bool
    dollars: float
    since: float
    source: str
    zone: str = ""  # "": of the whole region; of spot the middle of its zones' prices


@dataclass(frozen=True)
class Rate:
    """What an hour of some time cost; `source` and `since` are those of the last price that was in force."""

    dollars: float
    source: str
    since: float


@dataclass(frozen=True)
class Prices:
    """`notes` say which prices could not be asked for, and what a person can do about it."""

    rows: tuple[Price, ...]
    notes: tuple[str, ...] = ()

    def with_rows(self, rows: Iterable[Price], notes: Iterable[str] = ()) -> Prices:
        return Prices((*self.rows, *rows), (*self.notes, *notes))

    def rate(
        self, type: str, region: str, spot: bool, begin: float, end: float, zone: str = ""
    ) -> Rate | None:
        """The mean over that time, which prices may have changed in. None is unknown.

        1. Of spot, the zone's own prices where there are some, else the region's. 2. A time before the first
        price that is known costs what that price says.
        """
        of_type = [row for row in self.rows if (row.type, row.region, row.spot) == (type, region, spot)]
        of_zone = [row for row in of_type if zone and row.zone == zone]  # 1
        rows = sorted(of_zone or [row for row in of_type if not row.zone], key=lambda row: row.since)
        if not rows:
            return None
        pieces = list(_pieces(rows, begin, end))
        last = pieces[-1][0]
        whole_s = sum(seconds for _, seconds in pieces)
        if whole_s <= 0:
            return Rate(last.dollars, last.source, last.since)
        dollars = sum(row.dollars * seconds for row, seconds in pieces) / whole_s
        return Rate(dollars, last.source, last.since)


def _pieces(rows: list[Price], begin: float, end: float) -> Iterator[tuple[Price, float]]:
    """How many seconds of the time each of the prices was in force; of the last one it may be 0."""
    borders = [float("-inf"), *(row.since for row in rows[1:]), float("inf")]  # 2
    for row, (since, until) in zip(rows, pairwise(borders), strict=True):
        seconds = min(end, until) - max(begin, since)
        if seconds > 0 or since <= end < until:
            yield row, max(0.0, seconds)


def region_of(zone: str) -> str:
    """eu-central-1 of eu-central-1a; "" where there is none in it."""
    found = REGION.match(zone)
    return found[0] if found else ""


CATALOGUE = (
    "https://github.com/skypilot-org/skypilot-catalog/blob/001367d22a0033fac286a8c71aeac7109e431bcb"
    "/catalogs/v7/aws/vms.csv"
)
"""What AWS's own API told SkyPilot, each few hours. This state of it is from the spring of 2025."""
CATALOGUED = _day("2025-05-01")
G4_PAGE = "https://aws.amazon.com/ec2/instance-types/g4/"
G5_PAGE = "https://aws.amazon.com/ec2/instance-types/g5/"
DISKS_PAGE = "https://aws.amazon.com/ebs/pricing/"
VIRGINIA, FRANKFURT = "us-east-1", "eu-central-1"


def _catalogued(type: str, region: str, on_demand: float, spot: float | None = None) -> Iterator[Price]:
    """`spot` is the middle of the prices of the region's zones at that moment: typical, and no promise."""
    yield Price(type, region, False, on_demand, CATALOGUED, CATALOGUE)
    if spot is not None:
        yield Price(type, region, True, spot, CATALOGUED, CATALOGUE)


def _listed(page: str, type: str, on_demand: float) -> Price:
    """AWS's page of the family has the prices of us-east-1."""
    return Price(type, VIRGINIA, False, on_demand, CATALOGUED, page)


# The larger GPUs (p5 …) are left out: their prices were cut in June 2025, and are to be asked for.
TABLE = Prices(
    (
        *_catalogued("g4dn.xlarge", VIRGINIA, 0.526, 0.1869),
        *_catalogued("g4dn.xlarge", FRANKFURT, 0.658, 0.2383),
        _listed(G4_PAGE, "g4dn.2xlarge", 0.752),
        _listed(G4_PAGE, "g4dn.4xlarge", 1.204),
        _listed(G4_PAGE, "g4dn.8xlarge", 2.176),
        *_catalogued("g5.xlarge", VIRGINIA, 1.006, 0.4028),
        *_catalogued("g5.xlarge", FRANKFURT, 1.258, 0.51),
        *_catalogued("g5.2xlarge", VIRGINIA, 1.212, 0.5063),
        _listed(G5_PAGE, "g5.4xlarge", 1.624),
        *_catalogued("g5.4xlarge", FRANKFURT, 2.03081, 0.5909),
        _listed(G5_PAGE, "g5.8xlarge", 2.448),
        *_catalogued("g5.48xlarge", VIRGINIA, 16.288, 4.3694),
        *_catalogued("g5.48xlarge", FRANKFURT, 20.3681, 5.8871),
        *_catalogued("g6.xlarge", VIRGINIA, 0.8048, 0.4129),
        *_catalogued("g6.xlarge", FRANKFURT, 1.0064, 0.3656),
        *_catalogued("g6.4xlarge", VIRGINIA, 1.3232, 0.5452),
        *_catalogued("g6.4xlarge", FRANKFURT, 1.65466, 0.6001),
        *_catalogued("g6.8xlarge", VIRGINIA, 2.0144, 0.9227),
        *_catalogued("g6.8xlarge", FRANKFURT, 2.519, 0.8553),
        *_catalogued("g6.48xlarge", VIRGINIA, 13.3504, 3.6028),
    )
)

DISKS = {VIRGINIA: 0.08, FRANKFURT: 0.0952}
"""Dollars for a GB of gp3 and a month, as DISKS_PAGE has them."""


def disk_an_hour(region: str, gb: float) -> float | None:
    """Dollars; None is unknown."""
    return DISKS[region] * gb / HOURS_A_MONTH if region in DISKS else None
