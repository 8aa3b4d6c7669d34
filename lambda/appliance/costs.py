"""What the machine costs: now, today, this month, and in the ledger's sums; with what AWS says of prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance import ledger, price_api
from appliance.appliance import Appliance
from appliance.machine import Instance
from appliance.price_api import Client
from appliance.prices import TABLE, Prices, Rate

FRESH_S = 60.0
"""So long the sums of a month count: whoever watches a start asks each two seconds."""


@dataclass
class Kept:
    """What a warm function knows still: of one appliance, by its table's name."""

    prices: price_api.Known = field(default_factory=price_api.Known)
    at: float = float("-inf")
    of: tuple[str, str, bool] = ("", "", False)
    told: Mapping[str, float | None] = field(default_factory=dict)


KEPT = Kept()


@dataclass(frozen=True)
class Costs:
    """Of one appliance. `connect` gives boto3's client of a service in a region."""

    appliance: Appliance
    connect: Client | None = None
    kept: Kept = field(default_factory=lambda: KEPT)

    def so_far(self, instance: Instance, now: float) -> dict[str, Any]:
        """`{"price_per_hour", "cost": {"today", "month", "saved_month"}}`, dollars; None is unknown."""
        prices = self._prices(instance, now)
        rate = self._rate(prices, instance, now)
        of = (self.appliance.settings.table, instance.id, instance.runs)
        if self.kept.of != of or not 0 <= now - self.kept.at < FRESH_S:
            entries = ledger.read(self.appliance.table, ledger.month_began(now), now)
            self.kept.told = ledger.cost_so_far(entries, prices, now, instance.runs)
            self.kept.at, self.kept.of = now, of
        return {"price_per_hour": None if rate is None else rate.dollars, "cost": dict(self.kept.told)}

    def answer(self, instance: Instance, days: int, now: float) -> dict[str, Any]:
        """What `GET /machine/ledger` answers."""
        prices = self._prices(instance, now)
        return ledger.answer(self.appliance.table, prices, days, now, instance.runs)

    def _rate(self, prices: Prices, instance: Instance, now: float) -> Rate | None:
        """Where there is no machine, of the one that there would be first."""
        settings, region = self.appliance.settings, self._region()
        if instance.type:
            return prices.rate(instance.type, region, bool(instance.spot), now, now, instance.zone)
        return prices.rate(settings.types[0], region, settings.spot, now, now) if settings.types else None

    def _prices(self, instance: Instance, now: float) -> Prices:
        settings = self.appliance.settings
        types = sorted({*settings.types, *([instance.type] if instance.type else [])})
        return price_api.current(
            TABLE,
            self._region(),
            types,
            settings.spot or bool(instance.spot),
            now,
            connect=self.connect or price_api.connect,
            known=self.kept.prices,
        )

    def _region(self) -> str:
        return str(self.appliance.client("ec2").meta.region_name)
