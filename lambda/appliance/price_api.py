"""What AWS says that a machine costs, where the role may ask: the list on demand, the history of spot."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from appliance.faults import advice, code
from appliance.prices import Price, Prices

PATIENCE = Config(connect_timeout=2, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 1})
FRESH_S = 6 * 3600.0
"""So long what was told counts; a warm function asks no sooner again."""
TRY_AGAIN_S = 600.0
HISTORY_S = 90 * 86_400.0
"""EC2 knows no older prices of spot."""
MOST_ROWS = 2000
HOME = {"eu": "eu-central-1", "ap": "ap-south-1"}
"""The price list is in few regions only; everywhere else it is asked in us-east-1."""
Client = Callable[[str, str], Any]
"""Of a service and a region."""


def connect(service: str, region: str) -> Any:
    return boto3.client(service, region_name=region, config=PATIENCE)


@dataclass
class Known:
    """What a warm function was told, and when."""

    at: float = float("-inf")
    asked: tuple[Any, ...] = ()
    prices: Prices = field(default_factory=lambda: Prices(()))
    whole: bool = False
    clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    def client(self, service: str, region: str, connect: Client) -> Any:
        key = (service, region)
        if key not in self.clients:
            self.clients[key] = connect(service, region)
        return self.clients[key]


KNOWN = Known()


def current(
    table: Prices,
    region: str,
    types: Sequence[str],
    spot: bool,
    now: float,
    *,
    connect: Client = connect,
    known: Known = KNOWN,
) -> Prices:
    """The table, and what AWS says of these types in this region. Raises nothing that AWS answers: what
    cannot be asked for is a note, and the table's price stands.
    """
    asked = (region, tuple(types), spot)
    fresh_s = FRESH_S if known.whole else TRY_AGAIN_S
    if known.asked != asked or now - known.at > fresh_s:
        rows, notes = _ask(region, types, spot, now, connect, known)
        known.at, known.asked, known.whole = now, asked, not notes
        known.prices = Prices(tuple(rows), tuple(notes))
    return table.with_rows(known.prices.rows, known.prices.notes)


def _ask(
    region: str,
    types: Sequence[str],
    spot: bool,
    now: float,
    connect: Client,
    known: Known,
) -> tuple[list[Price], list[str]]:
    rows: list[Price] = []
    notes: list[str] = []
    home = HOME.get(region.partition("-")[0], "us-east-1")
    try:
        pricing = known.client("pricing", home, connect)
        rows += [row for type in types for row in _on_demand(pricing, type, region)]
    except (ClientError, BotoCoreError, ValueError, KeyError, TypeError) as fault:
        notes.append(_note("pricing:GetProducts", fault))
    if spot:
        try:
            rows += _spot(known.client("ec2", region, connect), types, region, now)
        except (ClientError, BotoCoreError, ValueError, KeyError, TypeError) as fault:
            notes.append(_note("ec2:DescribeSpotPriceHistory", fault))
    return rows, notes


def _note(action: str, fault: Exception) -> str:
    return f"{action}: {code(fault)}: the table's prices are used; {advice(fault)}"


def _on_demand(pricing: Any, type: str, region: str) -> Iterator[Price]:
    wanted = {
        "instanceType": type,
        "regionCode": region,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
    }
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in wanted.items()]
    found = pricing.get_products(ServiceCode="AmazonEC2", Filters=filters, MaxResults=10)
    for text in found["PriceList"]:
        product = json.loads(text)
        for term in product["terms"].get("OnDemand", {}).values():
            since = datetime.fromisoformat(term["effectiveDate"]).timestamp()
            for dimension in term["priceDimensions"].values():
                dollars = float(dimension["pricePerUnit"]["USD"])
                if dimension["unit"] == "Hrs" and dollars > 0:
                    yield Price(type, region, False, dollars, since, "AWS price list, pricing:GetProducts")


def _spot(ec2: Any, types: Sequence[str], region: str, now: float) -> list[Price]:
    pages = ec2.get_paginator("describe_spot_price_history").paginate(
        InstanceTypes=list(types),
        ProductDescriptions=["Linux/UNIX"],
        StartTime=datetime.fromtimestamp(now - HISTORY_S, UTC),
        EndTime=datetime.fromtimestamp(now, UTC),
        PaginationConfig={"MaxItems": MOST_ROWS},
    )
    return [
        Price(
            told["InstanceType"],
            region,
            True,
            float(told["SpotPrice"]),
            told["Timestamp"].timestamp(),
            "AWS, ec2:DescribeSpotPriceHistory",
            told["AvailabilityZone"],
        )
        for page in pages
        for told in page["SpotPriceHistory"]
    ]
