"""Months of a machine that is stopped when idle, event by event, with the real `decide`.

Each day begins with the machine off. What is drawn by lot: work and its lengths, people's holds, how long a
start takes, how late CloudWatch shows what was published, how long the load balancer takes to lead elsewhere,
and spells in which nothing is published. The machine publishes once a minute, and looks every two seconds
whether work has come after a silence: then it writes a hold of its own, for CloudWatch is too slow to tell of
that. The function looks once a minute, and again just before it stops: then requests are led to reception,
and after some seconds it looks at the holds once more. What comes to reception is done at the next start.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise

from appliance.environment import Limits
from appliance.holds import Hold
from appliance.machine import Instance
from appliance.metrics import Metrics, Point
from auto_stop.decision import SETTLE_S, decide
from benchmarks.figures import Figure
from servers.monitor.own_hold import LASTS_S as OWN_HOLD_S
from servers.monitor.own_hold import LOOK_EVERY_S, SILENCE_S

MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86_400.0
LIMITS = Limits()
TICK_S = MINUTE_S
AGAIN_S, LED_S = 0.3, 0.5  # from the first look to the second, and until the rules are changed
LEADS_S = 2.0  # at most, until the load balancer follows them
ACTS_S = LED_S + 0.2  # what the function itself takes
RUN_S = ACTS_S + SETTLE_S  # from the first look to the stop
WRITE_S = 0.3  # until a parameter that is written can be read
SHOWN_S = 60.0  # at most, until CloudWatch shows what was published
WORKDAYS = 22
ON_DEMAND, SPOT = 0.53, 0.16  # dollars an hour for a g4dn.xlarge, as the seed has it
SEED_HOURS = 4 * WORKDAYS


@dataclass(frozen=True)
class Work:
    """Of a request, from its coming to its end; on a machine that is off it begins once that has started."""

    comes_at: float
    takes_s: float


@dataclass(frozen=True)
class Day:
    work: list[Work]
    holds: list[tuple[float, float]]  # written at, until
    spells: list[tuple[float, float]]  # in which nothing is published


@dataclass
class Tally:
    stops: int = 0
    busy_stops: int = 0
    came: int = 0  # pieces of work
    done: int = 0
    received: int = 0  # pieces of work that came while it stopped, to the reception
    called_off: int = 0  # stops, for the machine held itself meanwhile
    worst_late_s: float = 0.0  # a stop after the moment at which it was due, the tick not taken off
    worst_idle_s: float = 0.0  # from the last work to the stop, where nothing else kept it
    least_idle_s: float = DAY_S
    never_stopped: int = 0
    up_s: float = 0.0
    worked_s: float = 0.0
    decisions: int = 0


def a_day(lots: random.Random) -> Day:
    """Nothing, a few requests, office hours, a night's batch, or a training, and what comes in between."""
    kind = lots.choices(("nothing", "few", "office", "batch", "training"), (1, 4, 6, 3, 1))[0]
    work: list[Work] = []
    if kind in ("few", "office"):
        at, rate_s = lots.uniform(6, 10) * HOUR_S, 40 * MINUTE_S if kind == "few" else 9 * MINUTE_S
        while (at := at + lots.expovariate(1 / rate_s)) < 18 * HOUR_S:
            work += [
                Work(at + lots.uniform(0, 30), lots.lognormvariate(3, 1.2)) for _ in range(lots.randint(1, 5))
            ]
    if kind == "batch":
        work = [Work(lots.uniform(0, 20) * HOUR_S, lots.uniform(0.5, 4) * HOUR_S)]
    if kind == "training":
        work = [Work(lots.uniform(0, 6) * HOUR_S, lots.uniform(4, 12) * HOUR_S)]
    # The worst moment for a request is when the machine is about to stop.
    if work and lots.random() < 0.5:
        last = max(one.comes_at + one.takes_s for one in work)
        work.append(Work(last + LIMITS.idle_s + lots.uniform(-90, 90), lots.uniform(1, 600)))
    holds = []
    if lots.random() < 0.15:
        at = lots.uniform(8, 18) * HOUR_S
        holds = [(at, at + lots.uniform(0.5, 3) * HOUR_S)]
    spells = []
    if lots.random() < 0.1:
        at = lots.uniform(6, 20) * HOUR_S
        spells = [(at, at + lots.uniform(2, 120) * MINUTE_S)]
    return Day(sorted(work, key=lambda one: one.comes_at), holds, spells)


@dataclass
class Run:
    """The machine from a start to the stop, or to what it would have been."""

    launched_at: float
    boots_s: float
    taken: int = 0  # pieces of work
    own_hold: bool = True  # that it writes one when work comes after a silence
    ends: list[float] = field(default_factory=list)
    begins: list[float] = field(default_factory=list)  # of stretches of work, one after the other
    holds: list[tuple[float, float]] = field(default_factory=list)  # can be read from, until

    def take(self, one: Work) -> None:
        """Work that touches what is going on makes one stretch with it."""
        self.taken += 1
        begin = one.comes_at
        end = max(begin, self.launched_at + self.boots_s) + one.takes_s
        if self.ends and begin <= self.ends[-1]:
            self.ends[-1] = max(self.ends[-1], end)
            return
        if self.own_hold and (not self.ends or begin - self.ends[-1] >= SILENCE_S):
            seen_at = begin + LOOK_EVERY_S - (begin - self.launched_at) % LOOK_EVERY_S
            self.holds.append((seen_at + WRITE_S, begin + OWN_HOLD_S))
        self.begins.append(begin)
        self.ends.append(end)

    def is_busy(self, at: float) -> bool:
        nth = bisect_right(self.begins, at) - 1
        return nth >= 0 and at < self.ends[nth]

    def last_request_at(self, at: float) -> float:
        """The last moment at which there was work."""
        nth = bisect_right(self.begins, at) - 1
        return min(self.ends[nth], at) if nth >= 0 else 0.0

    def hold(self, now: float) -> Hold | None:
        until = max((until for since, until in self.holds if since <= now), default=0.0)
        return Hold(until, "somebody") if until else None


@dataclass
class Published:
    """A run's points, and when CloudWatch shows each: in order, as late as the latest before it."""

    at: list[float] = field(default_factory=list)
    shown_at: list[float] = field(default_factory=list)
    last_request_at: list[Point] = field(default_factory=list)
    active: list[Point] = field(default_factory=list)
    heartbeat: list[Point] = field(default_factory=list)

    def add(self, now: float, run: Run, late_s: float) -> None:
        minute = now - now % MINUTE_S
        self.at.append(minute)
        self.shown_at.append(max([now + late_s, *self.shown_at[-1:]]))
        self.last_request_at.append(Point(minute, run.last_request_at(now)))
        self.active.append(Point(minute, float(run.is_busy(now))))
        self.heartbeat.append(Point(minute, 1.0))

    def until(self, now: float) -> Metrics:
        """What the function is shown of the last hour."""
        since = now - LIMITS.blind_s - 300
        seen = slice(bisect_right(self.at, since), bisect_right(self.shown_at, now))
        return Metrics(self.last_request_at[seen], self.active[seen], self.heartbeat[seen], since)

    def heard_since(self, run: Run) -> float:
        moments = [run.launched_at, *self.at]
        gaps = [later for one, later in pairwise(moments) if later - one > LIMITS.fresh_s]
        return max(gaps, default=run.launched_at)


def live(day: Day, lots: random.Random, tally: Tally, own_hold: bool) -> None:
    """The day through, and on until the machine is off."""
    coming, off_at = list(reversed(day.work)), 0.0
    tally.came += len(day.work)
    while coming:
        launched_at = max(coming[-1].comes_at, off_at)
        run = Run(launched_at, lots.uniform(60, 240), own_hold=own_hold)
        run.holds = [(at + WRITE_S, until) for at, until in day.holds]
        run.holds.append((launched_at, launched_at + LIMITS.grace_s))  # start-gpu's
        stopped_at = _until_stopped(run, coming, day, lots, tally)
        tally.done += run.taken
        if run.is_busy(stopped_at):  # it is durable: the machine starts again for it
            tally.done -= 1
            coming.append(Work(stopped_at + 1, run.ends[-1] - stopped_at))
        off_at = stopped_at + lots.uniform(10, 60)


def _until_stopped(run: Run, coming: list[Work], day: Day, lots: random.Random, tally: Tally) -> float:
    published = Published()
    publish_at = run.launched_at + run.boots_s
    tick_at = run.launched_at + lots.uniform(0, TICK_S)
    while tick_at < run.launched_at + 3 * DAY_S:
        while publish_at <= tick_at:
            _arrive(run, coming, publish_at)
            if not any(since <= publish_at < until for since, until in day.spells):
                published.add(publish_at, run, lots.uniform(0, SHOWN_S))
            publish_at += MINUTE_S
        _arrive(run, coming, tick_at + AGAIN_S)
        if _decides_to_stop(run, published, tick_at, tally):
            stopped_at = tick_at + RUN_S
            _arrive(run, coming, tick_at + LED_S + lots.uniform(0, LEADS_S))
            if not _is_held(run.hold(stopped_at), stopped_at):
                tally.received += sum(one.comes_at <= stopped_at for one in coming)
                _count(run, published, stopped_at, day, tally)
                return stopped_at
            tally.called_off += 1
        tick_at += TICK_S
    tally.never_stopped += 1
    return tick_at


def _arrive(run: Run, coming: list[Work], now: float) -> None:
    while coming and coming[-1].comes_at <= now:
        run.take(coming.pop())


def _decides_to_stop(run: Run, published: Published, tick_at: float, tally: Tally) -> bool:
    instance = Instance("i-0a", "running", run.launched_at)
    for now in (tick_at, tick_at + AGAIN_S):
        tally.decisions += 1
        if not decide(published.until(now), instance, run.hold(now), now, LIMITS).stops:
            return False
    return True


def _is_held(hold: Hold | None, now: float) -> bool:
    return hold is not None and hold.until > now


def _count(run: Run, published: Published, stopped_at: float, day: Day, tally: Tally) -> None:
    tally.stops += 1
    tally.up_s += stopped_at - run.launched_at
    up_at = run.launched_at + run.boots_s
    done = [(begin, min(end, stopped_at)) for begin, end in zip(run.begins, run.ends, strict=True)]
    tally.worked_s += sum(end - max(begin, up_at) for begin, end in done if end > up_at)
    unpublished = any(
        since - MINUTE_S <= stopped_at and run.launched_at < until for since, until in day.spells
    )
    if run.is_busy(stopped_at):
        tally.busy_stops += 1
        return
    held_until = max(until for since, until in run.holds if since <= stopped_at)
    idle_since = max(run.ends[-1], published.heard_since(run))
    late_s = stopped_at - max(idle_since + LIMITS.idle_s, held_until)
    if not unpublished:
        tally.worst_late_s = max(tally.worst_late_s, late_s)
        if run.ends[-1] == idle_since and run.ends[-1] + LIMITS.idle_s >= held_until:
            tally.worst_idle_s = max(tally.worst_idle_s, stopped_at - run.ends[-1])
    tally.least_idle_s = min(tally.least_idle_s, stopped_at - run.ends[-1])


def simulate(days: int, seed: int, own_hold: bool = True) -> Tally:
    tally = Tally()
    for number in range(days):
        lots = random.Random(f"{seed} {number}")
        live(a_day(lots), lots, tally, own_hold)
    return tally


def measure(days: int, seed: int) -> list[Figure]:
    tally, without = simulate(days, seed), simulate(days, seed, own_hold=False)
    up_h, worked_h = tally.up_s / HOUR_S, tally.worked_s / HOUR_S
    months = days / WORKDAYS
    return [
        Figure("days", days, ""),
        Figure("decisions", tally.decisions, ""),
        Figure("stops", tally.stops, ""),
        Figure("stops while busy", tally.busy_stops, "", 0),
        Figure("stops called off, for work came when it was about to stop", tally.called_off, ""),
        Figure("requests that came to the reception while it stopped", tally.received, ""),
        Figure("pieces of work", tally.came, ""),
        Figure("pieces of work that were lost", tally.came - tally.done, "", 0),
        Figure("without the machine's own hold: stops while busy", without.busy_stops, ""),
        Figure("machines that were never stopped", tally.never_stopped, "", 0),
        Figure("last work to stop, longest", tally.worst_idle_s, "s", LIMITS.idle_s + TICK_S + ACTS_S),
        Figure("last work to stop, shortest", tally.least_idle_s, "s"),
        Figure("a stop after it was due, longest", tally.worst_late_s, "s", TICK_S + RUN_S),
        Figure("a month of 22 such days: hours of work", worked_h / months, "h"),
        Figure("hours paid", up_h / months, "h"),
        Figure("cost, on demand", up_h / months * ON_DEMAND, "$"),
        Figure("cost, spot", up_h / months * SPOT, "$"),
        Figure("hours paid for an hour of work", up_h / worked_h, "h"),
        Figure("the seed's month of 4 hours on each of 22 days, on demand", SEED_HOURS * ON_DEMAND, "$"),
        Figure("the same, spot", SEED_HOURS * SPOT, "$"),
        Figure("running through, on demand", 730 * ON_DEMAND, "$"),
    ]
