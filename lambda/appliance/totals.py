"""What a time of the appliance was, in sums: why, how long, for what, and what it cost. Pure."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from appliance.entries import Entry, sound
from appliance.prices import HOUR_S, Prices, Rate, disk_an_hour, region_of
from appliance.runs import UNHEARD, Run, runs

SHOWN_RUNS = 200
"""The newest; an answer of a function may have 1 MB."""
NAMED = 50
"""So many reasons and purposes are named, the greatest; the rest is summed up."""
OTHERS = "others"
LEAST_S = 1.0
"""Of less nobody wants to know what an hour of it would have cost."""
STAGES = ("capacity", "boot", "image", "model", "audio")


@dataclass(frozen=True)
class Piece:
    """The part of a run that is in the time that is asked about, and what it cost; None is unknown."""

    run: Run
    begun_at: float
    ended_at: float
    dollars: float | None
    rate: Rate | None

    @property
    def hours(self) -> float:
        return (self.ended_at - self.begun_at) / HOUR_S

    @property
    def part(self) -> float:
        """Of the run: 1 is all of it."""
        return (self.ended_at - self.begun_at) / self.run.ran_s if self.run.ran_s > 0 else 1.0


def totals(
    entries: Iterable[Entry],
    prices: Prices,
    now: float,
    since: float | None = None,
    running: bool | None = None,
) -> dict[str, Any]:
    """From `since`, or from the first entry or its run where that is later, until now. Dollars that are not
    known are None, and the hours that they are not known for are said.

    `running` says whether the machine runs now, where that is known.
    """
    counted = sound(entries, now)
    found = runs(counted.entries, now, running)
    begin = _begin(counted.entries, found, now, since)
    pieces = [piece for run in found if (piece := _piece(run, prices, begin, now))]
    gaps = _gaps(found, begin, now)
    off_hours = sum(until - start for start, until, _ in gaps) / HOUR_S
    of_time = [entry for entry in counted.entries if entry["at"] >= begin]
    cost, saved = _cost(pieces), _saved(gaps, prices)
    return {
        "since": begin,
        "until": now,
        "hours": {
            "on": sum(piece.hours for piece in pieces),
            "off": off_hours,
            "unknown": sum(_unknown_s(run, begin, now) for run in found) / HOUR_S,
        },
        "starts": _events(of_time),
        "why_started": _why_started(pieces, begin),
        "why_stopped": _why_stopped(pieces),
        "stages": _stages(pieces),
        "hours_by_purpose": _by(pieces, lambda run: run.purpose or run.why or "unknown"),
        "by_price": _by_price(pieces),
        "cost": cost,
        "audio": _hour_of(pieces, lambda run: run.audio_s),
        "work": _hour_of(pieces, lambda run: run.work_s),
        "saved": saved | {"running_through": _sum(cost, saved)},
        "disks": _disks(found, off_hours),
        "assumed_ends": sum(piece.run.ended == UNHEARD for piece in pieces),
        "ignored": dict(counted.ignored),
        "runs": [_shown(piece) for piece in reversed(pieces)][:SHOWN_RUNS],
        "notes": list(prices.notes),
    }


def _begin(entries: Sequence[Entry], found: Sequence[Run], now: float, since: float | None) -> float:
    """Nobody knows what was before the first entry, and the run that it tells of."""
    first: float = min([now, *(entry["at"] for entry in entries[:1]), *(run.begun_at for run in found[:1])])
    return first if since is None else min(max(since, first), now)


def _piece(run: Run, prices: Prices, begin: float, end: float) -> Piece | None:
    begun_at, ended_at = max(run.begun_at, begin), min(run.ended_at, end)
    if ended_at < begun_at or run.ended_at < begin:
        return None
    rate = _rate(run, prices, begun_at, ended_at)
    piece = Piece(run, begun_at, ended_at, None, rate)
    if run.dollars is not None:
        return replace(piece, dollars=run.dollars * piece.part)  # as it was reckoned then
    return replace(piece, dollars=rate.dollars * piece.hours if rate is not None else None)


def _rate(run: Run, prices: Prices, begin: float, end: float) -> Rate | None:
    return prices.rate(run.type, region_of(run.zone), run.spot, begin, end, run.zone)


def _gaps(found: Sequence[Run], begin: float, now: float) -> list[tuple[float, float, Run]]:
    """When it was off, with the run whose price the hour would have had: the one before, or the first one."""
    gaps, off_since = [], begin
    before = found[0] if found else None
    for run in found:
        if before is not None and min(run.begun_at, now) > off_since:
            gaps.append((off_since, min(run.begun_at, now), before))
        off_since, before = max(off_since, run.ended_at + run.unknown_s), run
    if before is not None and now > off_since:
        gaps.append((off_since, now, before))
    return gaps


def _unknown_s(run: Run, begin: float, end: float) -> float:
    return max(0.0, min(run.ended_at + run.unknown_s, end) - max(run.ended_at, begin))


def _cost(pieces: Sequence[Piece]) -> dict[str, Any]:
    known = [piece for piece in pieces if piece.dollars is not None]
    unknown_hours = sum(piece.hours for piece in pieces if piece.dollars is None)
    dollars = sum(piece.dollars or 0.0 for piece in known) if known or not pieces else None
    return {"dollars": dollars, "unknown_hours": unknown_hours}


def _saved(gaps: Sequence[tuple[float, float, Run]], prices: Prices) -> dict[str, Any]:
    """Against running through, at the price that the machine had before it was off."""
    dollars, known, unknown_hours = 0.0, not gaps, 0.0
    for begin, end, run in gaps:
        hours, rate = (end - begin) / HOUR_S, _rate(run, prices, begin, end)
        if rate is None:
            unknown_hours += hours
        else:
            dollars, known = dollars + rate.dollars * hours, True
    return {"dollars": dollars if known else None, "unknown_hours": unknown_hours}


def _sum(cost: dict[str, Any], saved: dict[str, Any]) -> float | None:
    """What running through would have cost; unknown where any hour's price is."""
    both = cost["dollars"], saved["dollars"]
    if None in both or cost["unknown_hours"] or saved["unknown_hours"]:
        return None
    return float(sum(both))


def _events(entries: Sequence[Entry]) -> dict[str, int]:
    counts = Counter(entry["event"] for entry in entries)
    return {
        "asked": counts["start_asked"],
        "ready": counts["start_ready"],
        "failed": counts["start_failed"],
        "interrupted": counts["interruption"],
        "stops_refused": counts["stop_refused"],
    }


def _why_started(pieces: Sequence[Piece], begin: float) -> list[dict[str, Any]]:
    began = [piece.run for piece in pieces if piece.run.begun_at >= begin]
    return _counted(Counter((run.by or "unknown", run.why or "unknown") for run in began))


def _why_stopped(pieces: Sequence[Piece]) -> list[dict[str, Any]]:
    """By the reason's word where there is one, for sentences have numbers in them."""
    ended = [piece.run for piece in pieces if piece.run.ended != "goes_on"]
    return _counted(
        Counter((run.stopped_by or "unknown", run.reason or run.stopped_why or run.ended) for run in ended)
    )


def _counted(counts: Counter[tuple[str, str]]) -> list[dict[str, Any]]:
    named = [{"by": by, "why": why, "count": count} for (by, why), count in counts.most_common(NAMED)]
    rest = counts.total() - sum(count for _, count in counts.most_common(NAMED))
    return named + ([{"by": "unknown", "why": OTHERS, "count": rest}] if rest else [])


def _stages(pieces: Sequence[Piece]) -> dict[str, dict[str, float]]:
    told = {stage: [p.run.seconds[stage] for p in pieces if stage in p.run.seconds] for stage in STAGES}
    return {
        stage: {"count": len(found), "median_s": statistics.median(found), "longest_s": max(found)}
        for stage, found in told.items()
        if found
    }


def _by(pieces: Sequence[Piece], key: Callable[[Run], str]) -> dict[str, float]:
    hours: defaultdict[str, float] = defaultdict(float)
    for piece in pieces:
        hours[key(piece.run)] += piece.hours
    order = sorted(hours.items(), key=lambda item: -item[1])
    rest = sum(hours for _, hours in order[NAMED:])
    named = dict(order[:NAMED])
    return named | ({OTHERS: rest + named.get(OTHERS, 0.0)} if len(order) > NAMED else {})


def _by_price(pieces: Sequence[Piece]) -> list[dict[str, Any]]:
    """By type, region, and spot or not."""
    groups: defaultdict[tuple[str, str, bool], list[Piece]] = defaultdict(list)
    for piece in pieces:
        groups[piece.run.type, region_of(piece.run.zone), piece.run.spot].append(piece)
    return [
        {"type": type or "unknown", "region": region or "unknown", "spot": spot}
        | {"hours": sum(piece.hours for piece in found)}
        | _cost(found)
        | _source(found[-1].rate)
        for (type, region, spot), found in groups.items()
    ]


def _source(rate: Rate | None) -> dict[str, Any]:
    if rate is None:
        return {"per_hour": None, "source": None, "price_since": None}
    return {"per_hour": rate.dollars, "source": rate.source, "price_since": rate.since}


def _hour_of(pieces: Sequence[Piece], seconds: Callable[[Run], float | None]) -> dict[str, Any]:
    """How many hours there were of it, and what one cost in those runs of which both are known."""
    told = [
        (piece, (seconds(piece.run) or 0.0) * piece.part)
        for piece in pieces
        if seconds(piece.run) is not None
    ]
    hours = sum(of_it_s for _, of_it_s in told) / HOUR_S
    both = [(piece, of_it_s) for piece, of_it_s in told if piece.dollars is not None]
    of_both = sum(of_it_s for _, of_it_s in both) / HOUR_S
    dollars = sum(piece.dollars or 0.0 for piece, _ in both)
    enough = of_both * HOUR_S >= LEAST_S
    return {"hours": hours if told else None, "dollars_per_hour": dollars / of_both if enough else None}


def _disks(found: Sequence[Run], off_hours: float) -> dict[str, Any] | None:
    """What the machine's disks cost while it was off; None where nobody wrote how large they are."""
    known = [run for run in found if run.disk_gb is not None]
    if not known:
        return None
    gb = known[-1].disk_gb or 0.0
    an_hour = disk_an_hour(region_of(known[-1].zone), gb)
    return {"gb": gb, "dollars": None if an_hour is None else an_hour * off_hours}


def _shown(piece: Piece) -> dict[str, Any]:
    run = piece.run
    told = {name: getattr(run, name) for name in ("by", "why", "purpose", "instance", "type", "zone", "spot")}
    return told | {
        "begun_at": run.begun_at,
        "ended_at": run.ended_at,
        "ended": run.ended,
        "hours": piece.hours,
        "dollars": piece.dollars,
        "stopped_by": run.stopped_by,
        "stopped_why": run.stopped_why,
        "unknown_s": run.unknown_s,
    }
