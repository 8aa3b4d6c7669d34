"""An AWS without AWS, in which everything happens at once: between any two calls somebody else may act, time
passes, or the function ends. It is quick, so that thousands of such stories can be told.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance.environment import Limits
from appliance.holds import Hold
from appliance.machine import Instance
from appliance.metrics import Metrics, Point
from appliance.routes import Lead
from appliance.starts import STAGES, Starts
from appliance.table import BOOT, LEDGER, WAITING, Changed
from auto_stop.handler import Noticed, _look_and_act
from start.decision import ask
from start.reconciler import Reconciler
from tests.lambda_.start.a_start import SERVICES
from tests.lambda_.start.running import TimedOut

BEGIN = 1_900_000_000.0
PENDING_S, STOPPING_S = 15.0, 30.0
STAGES_S = dict(zip(STAGES[1:], (40.0, 70.0, 110.0, 120.0), strict=True))
"""After the launch."""
ANSWERS_S = 115.0
PLENTY_MS = 60_000.0
Meanwhile = Callable[[], object]


class Items:
    """As appliance/table.py has it, in memory."""

    def __init__(self, meanwhile: Meanwhile) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}
        self._meanwhile = meanwhile

    def get(self, kind: str, id: str) -> dict[str, Any] | None:
        self._meanwhile()
        return dict(self.items[kind, id]) if (kind, id) in self.items else None

    def all(self, kind: str, **_: Any) -> Iterator[dict[str, Any]]:
        self._meanwhile()
        return iter([item for (of, _), item in sorted(self.items.items()) if of == kind])

    def put(self, item: Mapping[str, Any], expected: Mapping[str, Any] | None = None) -> None:
        self._meanwhile()
        key = (item["kind"], item["id"])
        there = self.items.get(key, {})
        if any(there.get(name) != value for name, value in (expected or {}).items()):
            raise Changed
        self.items[key] = {name: value for name, value in item.items() if value is not None}
        self._meanwhile()  # it was written, and the function may not hear of it


@dataclass
class Machine:
    """It starts and stops as long as that takes."""

    world: World
    state: str = "stopped"
    launched_at: float = BEGIN - 9000
    changes_at: float = 0.0
    starts: int = 0

    def pass_time(self) -> None:
        if self.changes_at and self.world.now >= self.changes_at:
            self.state = {"pending": "running", "stopping": "stopped"}[self.state]
            self.changes_at = 0.0

    def instance(self) -> Instance:
        self.world.meanwhile()
        return self.seen()

    def seen(self) -> Instance:
        self.pass_time()
        reason = "" if self.state in ("pending", "running") else "Client.UserInitiatedShutdown"
        return Instance("i-0a", self.state, self.launched_at, type="g5.xlarge", reason=reason)

    def start(self, _: Instance) -> None:
        self.world.meanwhile()
        self.pass_time()
        if self.state == "stopped":
            self.state, self.starts = "pending", self.starts + 1
            self.launched_at, self.changes_at = float(int(self.world.now)), self.world.now + PENDING_S
        self.world.meanwhile()

    def stop(self, _: Instance) -> None:
        self.world.meanwhile()
        self.pass_time()
        if self.state in ("pending", "running"):
            self.state, self.changes_at = "stopping", self.world.now + STOPPING_S
        self.world.meanwhile()


@dataclass
class Rules:
    world: World
    led: dict[str, Lead] = field(default_factory=lambda: dict.fromkeys(SERVICES, Lead.RECEPTION))

    def leads(self) -> dict[str, Lead]:
        self.world.meanwhile()
        return dict(self.led)

    def healthy(self, _: str) -> dict[str, bool]:
        self.world.meanwhile()
        return dict.fromkeys(SERVICES, self.world.answers())

    def to_reception(self, services: Any = None) -> None:
        self._lead(SERVICES if services is None else services, Lead.RECEPTION)

    def to_machine(self, _: str, services: Any) -> None:
        self._lead(services, Lead.MACHINE)

    def _lead(self, services: Any, to: Lead) -> None:
        for service in services:
            self.world.meanwhile()
            self.led[service] = to


@dataclass
class People:
    """Their holds."""

    world: World
    held: dict[str, Hold] = field(default_factory=dict)

    def all(self) -> list[Hold]:
        self.world.meanwhile()
        return list(self.held.values())

    def write(self, hold: Hold) -> None:
        """A longer one of the same holder stays."""
        self.held[hold.by] = max(self.held.get(hold.by, hold), hold, key=lambda each: each.until)


class World:
    """It is an appliance (lambda/appliance/appliance.py) too, as far as the functions look at one."""

    def __init__(self, seed: int) -> None:
        self.now, self.lots = BEGIN, random.Random(seed)
        self.machine, self.routes, self.holds = Machine(self), Rules(self), People(self)
        self.table = Items(self.meanwhile)
        self.starts = Starts(self.table)  # type: ignore[arg-type]
        self.told: list[str] = []
        self.depth, self.wild = 0, True
        self.wished_at = self.wanted_until = self.ended_by_hand_at = self.calm_at = 0.0

    @property
    def settings(self) -> Any:
        class Settings:
            limits, rules, types, dry_run = Limits(), SERVICES, (), False

        return Settings

    def live(self) -> str:
        self.meanwhile()
        return "blue"

    def notify(self, reason: str, _: str) -> None:
        self.meanwhile()
        self.told.append(reason)

    def work_s(self, _since: float, _now: float) -> float:
        self.meanwhile()
        return 0.0

    audio_s = work_s

    def has_image(self) -> bool:
        return True

    def metrics(self, now: float) -> Metrics:
        """It had no work since it was launched."""
        self.meanwhile()
        since = max(self.machine.launched_at, now - 3900)
        moments = [now - 60 * back for back in range(66, -1, -1) if now - 60 * back > since]
        idle = [Point(at, 0.0) for at in moments]
        return Metrics(idle, idle, [Point(at, 1.0) for at in moments], now - 3900)

    def answers(self) -> bool:
        return self.machine.seen().state == "running" and self.now > self.machine.launched_at + ANSWERS_S

    def meanwhile(self) -> None:
        """What may happen between any two calls."""
        self.now += self.lots.uniform(0, 0.3)
        if not self.wild or self.depth > 2 or self.lots.random() > 0.04:
            return
        if self.depth and self.lots.random() < 0.3:
            raise TimedOut
        self.act()

    def act(self) -> None:
        """Somebody does something, and may not come to its end."""
        acts: list[Meanwhile] = [self.tick, self.tick, self.auto_stop, self.auto_stop, self.ask, self.by_hand]
        chosen = self.lots.choice(acts)
        self.depth += 1
        try:
            chosen()
        except (TimedOut, Changed):
            pass  # the next one goes on
        finally:
            self.depth -= 1

    def tick(self) -> None:
        self._boot()
        Reconciler(self, lambda: self.now, lambda: PLENTY_MS).go_on()  # type: ignore[arg-type]

    def auto_stop(self) -> None:
        _look_and_act(self, lambda: self.now, lambda: PLENTY_MS, Noticed({}), self._sleep, {})  # type: ignore[arg-type]

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()

    def ask(self) -> None:
        """As lambda/start's operation: the hold first."""
        by, began_at = self.lots.choice(["anna", "ben"]), self.now
        until = self.now + self.lots.choice([60.0, 900.0, 3600.0])
        self.holds.write(Hold(until, by))
        seen = Reconciler(self, lambda: self.now, lambda: PLENTY_MS).look()  # type: ignore[arg-type]
        start = self.starts.read()
        self.starts.write(ask(start, seen, by, "a talk", self.now))
        self.wished_at, self.wanted_until = began_at, until
        self.tick()

    def by_hand(self) -> None:
        if self.lots.random() < 0.5:
            try:
                self.machine.stop(self.machine.seen())
            finally:
                self.ended_by_hand_at = self.now
        else:
            self.machine.start(self.machine.seen())

    def _boot(self) -> None:
        """What the machine says of its own start."""
        up = self.machine.seen()
        said = {f"{stage}_at": up.launched_at + after_s for stage, after_s in STAGES_S.items()}
        if up.state == "running":
            reached = {name: at for name, at in said.items() if at <= self.now}
            self.table.items[BOOT, "i-0a"] = {"kind": BOOT, "id": "i-0a"} | reached

    def calm_down(self, for_s: float) -> None:
        """From here on nothing happens but ticks."""
        self.wild, self.calm_at, until = False, self.now, self.now + for_s
        while self.now < until:
            self.tick()
            self.now += 20

    def entries(self) -> list[dict[str, Any]]:
        return [item for (kind, _), item in sorted(self.table.items.items()) if kind == LEDGER]

    def wait_for_work(self) -> None:
        work = {"kind": WAITING, "id": "a", "status": "waiting", "accepted_at": self.now}
        self.table.items[WAITING, "a"] = work


def a_wild_hour(seed: int) -> World:
    world = World(seed)
    until = world.now + 3600
    while world.now < until:
        world.act()
        world.now += world.lots.choice([1.0, 5.0, 30.0, 60.0, 240.0])
    return world
