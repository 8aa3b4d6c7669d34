"""What a time of the appliance was and cost, as people read it. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from servers.cli.durations import clock, spoken
from servers.cli.machine_text import STAGES, dollars

HEADINGS = ("begun", "ran", "for", "by", "ended", "cost")
SHOWN_RUNS = 20
HOUR_S = 3600.0
ENDINGS = {"goes_on": "it runs", "interruption": "spot instance taken", "unheard": "not known"}


def run_rows(runs: Sequence[Mapping[str, Any]], now: float) -> Iterator[tuple[str, ...]]:
    """What stands under HEADINGS, the newest first."""
    for run in runs[:SHOWN_RUNS]:
        ran = spoken(run["hours"] * HOUR_S)
        yield (
            clock(run["begun_at"], now),
            f"at least {ran}" if run["ended"] == "unheard" else ran,
            run["purpose"] or run["why"] or "unknown",
            run["by"] or "unknown",
            ENDINGS.get(run["ended"]) or run["stopped_why"] or "stopped",
            dollars(run["dollars"]),
        )


def total_lines(totals: Mapping[str, Any]) -> Iterator[str]:
    """Each thing that is known, a line or several."""
    hours = totals["hours"]
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(totals["since"]))
    unknown = f", {_hours(hours['unknown'])} not known" if hours["unknown"] else ""
    yield f"since {since}: {_hours(hours['on'])} on, {_hours(hours['off'])} off{unknown}"
    yield from _table("for what", {name: _hours(on) for name, on in totals["hours_by_purpose"].items()})
    yield from _table("why started", _counted(totals["why_started"]))
    yield from _table("why stopped", _counted(totals["why_stopped"]))
    yield from _table("stages", {STAGES.get(name, name): _stage(of) for name, of in totals["stages"].items()})
    yield from _cost(totals)
    yield from _ignored(totals)
    yield from totals.get("notes", ())


def _hours(hours: float) -> str:
    return spoken(hours * HOUR_S)


def _stage(of: Mapping[str, Any]) -> str:
    return f"{spoken(of['median_s'])} as a rule, {spoken(of['longest_s'])} at the longest, of {of['count']}"


def _counted(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What nobody wrote has nobody who did it."""
    names = [(ENDINGS.get(row["why"], row["why"]), row["by"], row["count"]) for row in rows]
    return {
        why if by == "unknown" else f"{why}, {by}": "once" if count == 1 else f"{count} times"
        for why, by, count in names
    }


def _table(heading: str, rows: Mapping[str, str]) -> Iterator[str]:
    if rows:
        width = max(map(len, rows))
        yield f"{heading}:"
        yield from (f"  {name:{width}}  {value}" for name, value in rows.items())


def _cost(totals: Mapping[str, Any]) -> Iterator[str]:
    """Each price with its source; an unknown one is named, and is in no sum."""
    cost, saved = totals["cost"], totals["saved"]
    yield from _table("by price", {_kind(group): _at_its_price(group) for group in totals["by_price"]})
    yield f"cost: {dollars(cost['dollars'])}{_without(cost)}"
    for name, of in (("audio", totals["audio"]), ("work", totals["work"])):
        if of["dollars_per_hour"] is not None:
            yield f"an hour of {name}: {dollars(of['dollars_per_hour'])}, of {_hours(of['hours'])}"
    if (disks := totals["disks"]) is not None:
        yield f"its disks of {disks['gb']:g} GB while it was off: {dollars(disks['dollars'])}"
    through = saved["running_through"]
    beside = "" if through is None else f", of the {dollars(through)} of running through"
    yield f"stopping saved: {dollars(saved['dollars'])}{_without(saved)}{beside}"


def _kind(group: Mapping[str, Any]) -> str:
    return f"{group['type']} in {group['region']}, {'spot' if group['spot'] else 'on demand'}"


def _at_its_price(group: Mapping[str, Any]) -> str:
    if group["per_hour"] is None:
        return f"{_hours(group['hours'])}, {dollars(group['dollars'])}: no price is known"
    day = time.strftime("%Y-%m-%d", time.gmtime(group["price_since"]))
    of = f"${group['per_hour']:.4g} an hour, {group['source']}, {day}"
    return f"{_hours(group['hours'])}, {dollars(group['dollars'])} ({of})"


def _without(sum: Mapping[str, Any]) -> str:
    return f", without {_hours(sum['unknown_hours'])} of unknown price" if sum["unknown_hours"] else ""


def _ignored(totals: Mapping[str, Any]) -> Iterator[str]:
    if count := totals["assumed_ends"]:
        yield f"runs whose end nobody wrote: {count}, counted until the machine was heard last"
    left = {why: count for why, count in totals["ignored"].items() if count}
    if left:
        yield f"entries left out: {', '.join(f'{count} {why}' for why, count in left.items())}"
