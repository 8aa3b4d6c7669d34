"""Which release is wanted: a new one, the one before, or the one that was killed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from release.faults import Refused
from release.plan import Release, other
from release.record import Found


@dataclass(frozen=True)
class Wish:
    """What was asked for."""

    back: bool = False
    resume: bool = False
    weights: tuple[int, ...] = (100,)
    pause_s: float = 60.0
    in_place: bool = False
    by: str = ""


def begin(wish: Wish, found: Found | None, parameter: str, now: float, image: Callable[[], str]) -> Release:
    """The release to go on with. `parameter` is the appliance's; `image`, which is asked last, gives the
    image of a new release. Raises Refused. Of the first case that holds:

    1. one works on it now: Refused
    2. one was killed: gone on with for --resume, undone for --back, otherwise Refused; but one that had only
       to end the old place is over for --back
    3. --resume: Refused
    4. --back: the other place's image
    5. a new image, unless it serves already
    """
    if found and not found.release.ended_at:
        if found.lease_until > now:  # 1
            raise Refused(_busy(found, now))
        if not (wish.back and found.release.recorded):  # 2
            return _killed(wish, found.release)
    if wish.resume:  # 3
        raise Refused("no release was killed: there is nothing to go on with")
    said = json.loads(parameter)
    live: str = said["live"]
    wanted = said[other(live)] if wish.back else image()  # 4, 5
    if not wanted:
        raise Refused(f"there is nothing to go back to: {other(live)} has had no image yet")
    if wanted == said[live]:
        raise Refused(f"{live} serves {wanted} already")
    return Release(
        image=wanted,
        place=other(live),
        old_image=said[live],
        before=parameter,
        weights=(100,) if wish.back or wish.in_place else wish.weights,
        pause_s=0.0 if wish.back else wish.pause_s,
        in_place=wish.in_place,
        by=wish.by,
        asked_at=now,
    )


def _busy(found: Found, now: float) -> str:
    release = found.release
    return (
        f"{release.by or 'somebody'} releases {release.image} to {release.place} now; "
        f"if that was killed, ask again in {found.lease_until - now:.0f} s"
    )


def _killed(wish: Wish, release: Release) -> Release:
    if wish.resume:
        return release
    if wish.back:
        return replace(release, fault=release.fault or f"{wish.by} takes it back")
    raise Refused(
        f"a release of {release.image} to {release.place} was killed: "
        "go on with it by --resume, or undo it by --back"
    )


def weights(text: str) -> tuple[int, ...]:
    """Of `10,50,100`. Raises Refused."""
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or found[-1] != 100 or list(found) != sorted({*found}) or found[0] < 1:
        raise Refused(f"--steps are rising percentages that end with 100, such as 10,50,100: {text!r}")
    return found
