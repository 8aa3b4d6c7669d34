"""What whoever asks says beside what is to be done: each field checked, and none that is unknown."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from appliance import ledger
from appliance.exchange import InvalidRequest

HOLD_S, LONGEST_HOLD_S = 900.0, 43_200.0
LONGEST_FOR_S = 7 * 86_400.0
LONGEST_WHY = 300
LONGEST_BY = 100
DAYS = "31"


def only(given: Mapping[str, Any], known: Collection[str]) -> None:
    """Raises InvalidRequest for the first field that is not known."""
    for name in given:
        if name not in known:
            raise InvalidRequest(
                f"there is no {str(name)[:100]} here, but {', '.join(sorted(known))}", param=str(name)[:100]
            )


def why(given: Mapping[str, Any], otherwise: str = "") -> str:
    return _text(given, "why", LONGEST_WHY) or otherwise


def by(given: Mapping[str, Any]) -> str:
    """Of what is invoked: who asks over the ALB is known by the key."""
    if not (found := _text(given, "by", LONGEST_BY)):
        raise InvalidRequest("by is needed: who asks", param="by")
    return found


def hold_s(given: Mapping[str, Any]) -> float:
    """So long the machine is held from now on."""
    return _seconds(given, "hold_s", HOLD_S, LONGEST_HOLD_S)


def for_s(given: Mapping[str, Any]) -> float:
    """The same of a hold; 0 takes it away."""
    if "for_s" not in given:
        raise InvalidRequest("for_s is needed: seconds from now on, 0 for no hold any more", param="for_s")
    return _seconds(given, "for_s", 0.0, LONGEST_FOR_S)


def force(given: Mapping[str, Any]) -> bool:
    found = given.get("force", False)
    if not isinstance(found, bool):
        raise InvalidRequest("force is true or false", param="force")
    return found


def days(given: Mapping[str, Any]) -> int:
    """From a query, so a text; or a number."""
    try:
        return ledger.days_of(str(given.get("days", DAYS)))
    except ledger.BadDays as bad:
        raise InvalidRequest(str(bad), param="days") from bad


def _text(given: Mapping[str, Any], name: str, longest: int) -> str:
    found = given.get(name, "")
    if not isinstance(found, str) or len(found) > longest or not found.isprintable():
        raise InvalidRequest(f"{name} is one line of at most {longest} characters", param=name)
    return found.strip()


def _seconds(given: Mapping[str, Any], name: str, otherwise: float, most: float) -> float:
    found = given.get(name, otherwise)
    sound = isinstance(found, (int, float)) and not isinstance(found, bool) and math.isfinite(found)
    if not sound or not 0 <= found <= most:
        raise InvalidRequest(f"{name} is a number of seconds from 0 to {most:.0f}", param=name)
    return float(found)
