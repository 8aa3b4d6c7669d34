"""What Terraform gives the function: environment variables, checked all at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from auto_stop.decision import DEFAULTS, Limits

LIMITS = {"IDLE_S": "idle_s", "GRACE_S": "grace_s", "FRESH_S": "fresh_s", "BLIND_S": "blind_s"}
LEAST_FRESH_S = 180.0
"""A minute between two publishings, a minute of rounding, and a minute until CloudWatch shows it."""


class BadEnvironment(Exception):
    """What is wrong with the variables, a line each."""


@dataclass(frozen=True)
class Environment:
    appliance: str
    hold_path: str
    topic_arn: str
    instance_id: str = ""
    asg_name: str = ""
    limits: Limits = DEFAULTS
    dry_run: bool = False


def read(variables: Mapping[str, str]) -> Environment:
    """Raises BadEnvironment with everything that is wrong."""
    faults: list[str] = []
    given = {name: value.strip() for name, value in variables.items()}
    if bool(given.get("INSTANCE_ID")) == bool(given.get("ASG_NAME")):
        faults.append("one of INSTANCE_ID and ASG_NAME is needed, and not both")
    if given.get("INSTANCE_ID") and not given["INSTANCE_ID"].startswith("i-"):
        faults.append(
            f"INSTANCE_ID is no instance's id, such as i-0123456789abcdef0: {given['INSTANCE_ID']!r}"
        )
    if given.get("HOLD_PARAMETER") == "/":
        faults.append("HOLD_PARAMETER is a path below which there are holds only: '/'")
    found = Environment(
        appliance=_needed(given, "APPLIANCE", "", faults),
        hold_path=_needed(given, "HOLD_PARAMETER", "/", faults).rstrip("/"),
        topic_arn=_needed(given, "TOPIC_ARN", "arn:", faults),
        instance_id=given.get("INSTANCE_ID", ""),
        asg_name=given.get("ASG_NAME", ""),
        limits=_limits(given, faults),
        dry_run=_truth(given, "DRY_RUN", faults),
    )
    if faults:
        raise BadEnvironment("\n".join(faults))
    return found


def _needed(given: Mapping[str, str], name: str, beginning: str, faults: list[str]) -> str:
    value = given.get(name, "")
    if not value:
        faults.append(f"{name} is missing")
    elif not value.startswith(beginning):
        faults.append(f"{name} has to begin with {beginning}: {value!r}")
    return value


def _limits(given: Mapping[str, str], faults: list[str]) -> Limits:
    values = {field: _seconds(given, name, faults) for name, field in LIMITS.items() if given.get(name)}
    limits = Limits(**values)
    if 0 < limits.fresh_s < LEAST_FRESH_S:
        faults.append(f"FRESH_S is at least {LEAST_FRESH_S:.0f}: CloudWatch tells what was a few minutes ago")
    if limits.blind_s < limits.fresh_s:
        faults.append("BLIND_S is at least FRESH_S")
    return limits


def _seconds(given: Mapping[str, str], name: str, faults: list[str]) -> float:
    try:
        seconds = float(given[name])
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        faults.append(f"{name} is a number of seconds over 0: {given[name]!r}")
        return math.nan
    return seconds


def _truth(given: Mapping[str, str], name: str, faults: list[str]) -> bool:
    value = given.get(name, "false").lower()
    if value not in ("", "true", "false", "1", "0"):
        faults.append(f"{name} is true or false: {value!r}")
    return value in ("true", "1")
