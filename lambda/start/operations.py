"""What can be asked of the machine: how it is, to start, to stop, to be held; and what the ledger has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from appliance import ledger, progress, waiting
from appliance.appliance import Appliance
from appliance.changes import withdrawn
from appliance.costs import Costs
from appliance.exchange import Conflict
from appliance.holds import Hold
from appliance.starts import State, change
from appliance.table import LEDGER
from auto_stop.decision import Decision, unstoppable
from auto_stop.looking import Look, look
from auto_stop.stopping import held, stop
from start.decision import ask
from start.publishing import publish
from start.reconciler import Reconciled, Reconciler
from start.status import Known, body

LOOKED_BACK = 200
"""Entries of the ledger in which the last starts are looked for."""


class Busy(Conflict):
    code = "busy"


class Held(Conflict):
    code = "held"


class Starting(Conflict):
    code = "starting"


class Unknown(Conflict):
    code = "unknown"


class Unstoppable(Conflict):
    code = "unstoppable"


REFUSALS: dict[str, type[Conflict]] = {
    "busy": Busy,
    "waiting": Busy,
    "held": Held,
    "hold_unreadable": Held,
    "starting": Starting,
}


@dataclass(frozen=True)
class Operations:
    """`left_ms` is how much of the function's time is left; `sleep` waits before a stop."""

    appliance: Appliance
    costs: Costs
    clock: Callable[[], float]
    left_ms: Callable[[], float]
    sleep: Callable[[float], object]

    def tick(self) -> Reconciled:
        """Each minute."""
        found, now = self._go_on(), self.clock()
        cost = self.costs.so_far(found.seen.instance, now)["cost"]
        publish(self.appliance, found.seen.instance, cost, now)
        return found

    def status(self) -> dict[str, Any]:
        return self._told(self._go_on())

    def start(self, by: str, why: str, hold_s: float) -> dict[str, Any]:
        """Whoever asks holds it first: a stop that looks after that does not come about."""
        now = self.clock()
        self._hold_at_least(Hold(now + hold_s, by, why=why))
        seen = Reconciler(self.appliance, self.clock, self.left_ms).look()
        change(self.appliance.starts, lambda start: ask(start, seen, by, why, now))
        return self._told(self._go_on())

    def stop(self, by: str, why: str, force: bool) -> dict[str, Any]:
        """Raises Conflict where it is at work, or others want it, unless that is forced."""
        self.appliance.holds.remove(by)
        seen = look(self.appliance, self.clock())
        if not seen.instance.runs:
            self._withdraw(seen, by, why, force)
            return self._told(self._go_on())
        self._refuse(seen, by, why, force)
        stopped = stop(
            self.appliance,
            seen,
            by,
            why,
            self.clock,
            lambda: "" if force else held(self.appliance, self.clock()),
            _not_at_all if force else self.sleep,
        )
        if not stopped.did:
            self._refused(by, why, Starting, stopped.why)
        return self._told(self._go_on())

    def hold(self, by: str, why: str, for_s: float) -> dict[str, Any]:
        """In the place of the hold that `by` had; 0 seconds take it away."""
        now = self.clock()
        if for_s:
            self.appliance.holds.write(Hold(now + for_s, by, why=why))
        else:
            self.appliance.holds.remove(by)
        ledger.write(self.appliance.table, "hold", now, by=by, why=why, until=now + for_s)
        return self._told(self._go_on())

    def ledger(self, days: int) -> dict[str, Any]:
        return self.costs.answer(self.appliance.machine.instance(), days, self.clock())

    def _go_on(self) -> Reconciled:
        return Reconciler(self.appliance, self.clock, self.left_ms).go_on()

    def _hold_at_least(self, wanted: Hold) -> None:
        """A longer hold of the same holder stays."""
        own = [hold for hold in self.appliance.holds.all() if hold.by == wanted.by and not hold.fault]
        if wanted.until > max((hold.until for hold in own), default=self.clock()):
            self.appliance.holds.write(wanted)

    def _withdraw(self, seen: Look, by: str, why: str, force: bool) -> None:
        """A start that has no machine yet."""
        if not seen.start.in_hand:
            return
        if seen.start.asked_by != by and not force:
            self._refused(by, why, Starting, f"{seen.start.asked_by} has asked for it, and waits")
        now = self.clock()
        change(
            self.appliance.starts,
            lambda start: withdrawn(start, by, why, now) if start.in_hand else start,
        )
        if seen.instance.group is not None:
            self.appliance.machine.stop(seen.instance)

    def _refuse(self, seen: Look, by: str, why: str, force: bool) -> None:
        """By the rule that stops the idle machine, for one that need not be idle for any time."""
        decision = unstoppable(seen.instance) if force else self._decision(seen, by)
        if decision is None or decision.stops:
            return
        refusal = REFUSALS.get(decision.reason)
        if refusal is None:
            refusal = Unstoppable if unstoppable(seen.instance) else Unknown
        self._refused(by, why, refusal, decision.why)

    def _decision(self, seen: Look, by: str) -> Decision:
        limits = self.appliance.settings.limits
        at_once = replace(limits, idle_s=0.0, grace_s=0.0)
        own = seen.wanted.starting_for == by
        return (seen.without_start() if own else seen).decide(self.clock(), at_once)

    def _refused(self, by: str, why: str, refusal: type[Conflict], because: str) -> None:
        ledger.write(
            self.appliance.table,
            "stop_refused",
            self.clock(),
            by=by,
            why=because,
            reason=refusal.code,
            purpose=why,
        )
        way = "" if refusal is Unstoppable else ". With force it is stopped all the same"
        raise refusal(f"it is not stopped: {because}{way}")

    def _told(self, found: Reconciled) -> dict[str, Any]:
        appliance, now = self.appliance, self.clock()
        newest = appliance.table.all(LEDGER, newest_first=True, at_most=LOOKED_BACK)
        known = Known(
            appliance=appliance.settings.appliance,
            start=found.start,
            seen=found.seen,
            limits=appliance.settings.limits,
            usual_s=progress.usual(newest),
            holds=appliance.holds.all(),
            waiting=waiting.look(appliance.table, now),
            metrics=appliance.metrics(now) if found.start.state == State.READY else None,
        )
        return body(known, now) | self.costs.so_far(found.seen.instance, now)


def _not_at_all(_: float) -> None:
    """How long a stop that is forced waits for objections."""
