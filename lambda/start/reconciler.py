"""Looks, decides and does the next step, until nothing is left to do; whoever calls it next goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from appliance import releasing, waiting
from appliance.appliance import Appliance
from appliance.faults import EXPIRED_CODES, LATER, code
from appliance.machine import Instance
from appliance.starts import Start, change
from appliance.table import Changed
from appliance.telling import tell
from start.decision import advance
from start.refusals import refused
from start.seen import Action, Do, Seen

STEPS = 16
"""In one call; a call that ends before all is done is followed by the next tick."""
ENOUGH_MS = 6_000
"""With less of the function's time left nothing is begun."""


@dataclass
class Reconciled:
    start: Start
    seen: Seen
    did: list[str] = field(default_factory=list)


class Reconciler:
    def __init__(
        self, appliance: Appliance, clock: Callable[[], float], left_ms: Callable[[], float]
    ) -> None:
        self._appliance, self._clock, self._left_ms = appliance, clock, left_ms

    def go_on(self) -> Reconciled:
        """Raises what AWS answers, but for its refusals to start the machine: these are the start's."""
        found = Reconciled(self._appliance.starts.read(), self.look())
        for _ in range(STEPS):
            after, action, why = advance(found.start, found.seen, self._clock())
            if action.do == Do.NOTHING and after == found.start:
                break
            if self._left_ms() < ENOUGH_MS:
                found.did.append("the rest is left to the next call")
                break
            try:
                # Written first: of two who want to do the same, one does it.
                found.start = after if after == found.start else self._appliance.starts.write(after)
            except Changed:
                found.start = self._appliance.starts.read()
                continue
            found.did.append(why)
            if action.do != Do.NOTHING:
                self._act(found, action)
                found.seen = self.look()
        return found

    def look(self) -> Seen:
        appliance, now = self._appliance, self._clock()
        start, instance = appliance.starts.read(), appliance.machine.instance()
        group = instance.group
        refusals = (
            appliance.machine.refusals(group, start.asked_at)
            if group and start.in_hand and not instance.state
            else []
        )
        return Seen(
            instance=instance,
            boot=appliance.starts.boot(instance.id, instance.launched_at, now),
            leads=appliance.routes.leads(),
            healthy=self._healthy(instance),
            refusals=refusals,
            waiting=waiting.look(appliance.table, now).waits,
            types=() if group else appliance.settings.types,
            rules_held=releasing.holds_rules(appliance.table, now),
        )

    def _healthy(self, instance: Instance) -> dict[str, bool]:
        """A machine that does not run needs not be asked for."""
        if not instance.runs or not self._appliance.settings.rules:
            return {}
        return self._appliance.routes.healthy(self._appliance.live())

    def _act(self, found: Reconciled, action: Action) -> None:
        instance = found.seen.instance
        match action.do:
            case Do.START:
                self._try(found, instance.type, lambda: self._appliance.machine.start(instance))
            case Do.CHANGE_TYPE:
                change_type = self._appliance.machine.change_type
                self._try(found, action.type, lambda: change_type(instance, action.type))
            case Do.EMPTY:
                self._appliance.machine.stop(instance)
            case Do.ROUTE:
                self._route(found.seen, action)
            case Do.TELL:
                found.start = tell(self._appliance, found.start, self._clock())

    def _try(self, found: Reconciled, type: str, attempt: Callable[[], None]) -> None:
        try:
            attempt()
        except ClientError as fault:
            if code(fault) in LATER or code(fault) in EXPIRED_CODES:
                raise
            found.start = self._refused(found.seen, type, code(fault), str(fault))
            found.did.append(f"{type} was refused: {code(fault)}")

    def _refused(self, seen: Seen, type: str, code: str, message: str) -> Start:
        def told(start: Start) -> Start:
            if not start.in_hand:
                return start
            return refused(start, code, message, type, seen.types, self._clock())

        return change(self._appliance.starts, told)

    def _route(self, seen: Seen, action: Action) -> None:
        routes = self._appliance.routes
        if away := set(seen.leads) - action.services:
            routes.to_reception(away)
        if action.services:
            routes.to_machine(self._appliance.live(), action.services)
