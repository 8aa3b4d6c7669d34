"""What EC2 refuses a start with, and what follows: another type, attempt, or the start's end. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from appliance.changes import failed
from appliance.faults import ADVICE
from appliance.starts import Fault, Start

FIRST_S, LONGEST_S = 30.0, 600.0
"""Between two rounds of attempts, twice as long each time."""
UNFIT = (
    "Unsupported",
    "InvalidParameterValue",
    "InvalidParameterCombination",
    "InvalidInstanceAttributeValue",
    "InstanceTypeNotSupported",
)
"""There is no such type in this region or zone, or not for this image."""
QUOTA = ("VcpuLimitExceeded", "InstanceLimitExceeded", "MaxSpotInstanceCountExceeded")
MEANWHILE = ("IncorrectInstanceState", "IncorrectState", "ScalingActivityInProgress", "ResourceContention")
"""The machine is not any more, or not yet, as it was seen: the next look says how it is."""
OF_SPOT = dict.fromkeys(
    ("UnsupportedOperation", "IncorrectSpotRequestState"),
    "a spot instance that EC2 stopped is started by EC2 once it has capacity, and none becomes another type",
)
"""Nobody else starts it: it is waited for, as where there is no capacity."""
LASTING = (*(code for code in ADVICE if code not in OF_SPOT), "ValidationError")
"""A person has to do something first."""


def refused(start: Start, code: str, message: str, type: str, types: Sequence[str], now: float) -> Start:
    """The start, after an attempt with `type` was refused. The first case that applies:

    1. The machine changed meanwhile: nothing follows but another look.
    2. A person has to do something: the start has failed.
    3. The type is none for this place or account: another; where there is none, the start has failed.
    4. No capacity, or something that passes: another type at once; when all were tried, later.
    """
    if code in MEANWHILE:
        return start  # 1
    told = f"{OF_SPOT[code]} ({message})" if code in OF_SPOT else message
    start = replace(start, attempts=start.attempts + 1, fault=Fault(code, told))
    if code in LASTING:
        return failed(start, code, f"{ADVICE.get(code, 'AWS refuses it')} ({message})", now)  # 2
    if code in UNFIT or code in QUOTA:
        return _unfit(start, code, message, type, types, now)  # 3
    return _another(replace(start, refused_types=(*start.refused_types, type)), types, now)  # 4


def next_type(start: Start, current: str, types: Sequence[str]) -> str:
    """The one that is to be tried now: the first that was not refused. Without a list it is what it is."""
    left = [type for type in types if type not in (*start.refused_types, *start.unfit_types)]
    return left[0] if left else current


def backoff_s(rounds: int) -> float:
    """After so many rounds in which every type was refused."""
    return float(min(FIRST_S * 2 ** min(rounds - 1, 10), LONGEST_S))


def _unfit(start: Start, code: str, message: str, type: str, types: Sequence[str], now: float) -> Start:
    start = replace(start, unfit_types=(*start.unfit_types, type))
    if any(type not in start.unfit_types for type in types):
        return _another(start, types, now)
    tried = ", ".join(dict.fromkeys(start.unfit_types))
    what = (
        "the account's quota has no room for it: ask for more in Service Quotas, or name other types"
        if code in QUOTA
        else "this region or zone does not have it: name other types"
    )
    return failed(
        start, code, f"no {tried}: {what} in INSTANCE_TYPES (instance_types of Terraform). {message}", now
    )


def _another(start: Start, types: Sequence[str], now: float) -> Start:
    left = [type for type in types if type not in (*start.refused_types, *start.unfit_types)]
    if left:
        return replace(start, next_attempt_at=now)
    fit = max(1, len([type for type in types if type not in start.unfit_types]))
    wait_s = backoff_s(max(1, start.attempts // fit))
    return replace(start, refused_types=(), next_attempt_at=now + wait_s)
