"""Lengths of time and moments, as people write and read them."""

from __future__ import annotations

import math
import re
import time

from servers.cli.failures import WrongUsage

UNITS_S = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
PART = r"(\d{1,9}(?:\.\d{1,9})?)"
DURATION = re.compile("".join(f"(?:{PART}{unit})?" for unit in UNITS_S), re.ASCII)


def seconds_of(text: str, *, of: str = "") -> float:
    """2h, 45m, 1h30m, 90s, 1d; 0 is no time. Raises WrongUsage, whose message begins with `of`."""
    found = DURATION.fullmatch(text.strip().replace(" ", ""))
    if text.strip() == "0":
        return 0.0
    if found is None or not any(found.groups()):
        raise WrongUsage(f"{of}{text!r} is no duration: say it as 90s, 45m, 2h, 1h30m or 1d")
    parts = zip(found.groups(), UNITS_S.values(), strict=True)
    return sum(float(count) * unit_s for count, unit_s in parts if count)


def spoken(seconds: float) -> str:
    """To the second below an hour, to the minute above: 45 s, 2 min 23 s, 3 h 5 min, 2 d 4 h."""
    whole = _rounded(seconds, 1)
    if whole >= 3600:
        whole = _rounded(seconds, 60)
        large, small = ((86_400, "d"), (3600, "h")) if whole >= 86_400 else ((3600, "h"), (60, "min"))
        return _two(whole, *large, *small)
    return _two(whole, 60, "min", 1, "s") if whole >= 60 else f"{whole} s"


def _rounded(seconds: float, to: int) -> int:
    return max(0, math.floor(seconds / to + 0.5)) * to


def _two(whole: int, large_s: int, large: str, small_s: int, small: str) -> str:
    rest = whole % large_s // small_s
    return f"{whole // large_s} {large} {rest} {small}" if rest else f"{whole // large_s} {large}"


def clock(at: float, now: float) -> str:
    """The local time; with its date where that is not today."""
    moment, today = time.localtime(at), time.localtime(now)
    form = "%H:%M" if moment[:3] == today[:3] else "%Y-%m-%d %H:%M"
    return time.strftime(form, moment)
