"""What Terraform gives the functions: environment variables, the same for all, checked all at once."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from appliance.routes import Rule

LEAST_FRESH_S = 180.0
"""A minute between two publishings, a minute of rounding, and a minute until CloudWatch shows it."""


class BadEnvironment(Exception):
    """What is wrong with the variables, a line each."""


@dataclass(frozen=True)
class Limits:
    idle_s: float = 900.0
    grace_s: float = 900.0
    fresh_s: float = 300.0  # older news is none
    blind_s: float = 3600.0  # so long without news is an alarm


DEFAULTS = Limits()
LIMITS = {field.name.upper(): field.name for field in fields(Limits)}


@dataclass(frozen=True)
class Environment:
    appliance: str
    hold_path: str
    topic_arn: str
    table: str
    bucket: str
    keys_parameter: str
    release_parameter: str
    reception: str  # the target group of lambda/reception
    start_function: str
    rules: tuple[Rule, ...]  # those that lead to the machine, or to reception
    instance_id: str = ""
    asg_name: str = ""
    types: tuple[str, ...] = ()  # that an instance may be changed to, the preferred first
    spot: bool = False
    dashboard_url: str = ""
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
        table=_needed(given, "TABLE_NAME", "", faults),
        bucket=_needed(given, "BUCKET", "", faults),
        keys_parameter=_needed(given, "KEYS_PARAMETER", "/", faults),
        release_parameter=_needed(given, "RELEASE_PARAMETER", "/", faults),
        reception=_needed(given, "RECEPTION_TARGET_GROUP", "arn:", faults),
        start_function=_needed(given, "START_FUNCTION", "", faults),
        rules=_rules(given, faults),
        instance_id=given.get("INSTANCE_ID", ""),
        asg_name=given.get("ASG_NAME", ""),
        types=_list(given, "INSTANCE_TYPES"),
        spot=_truth(given, "SPOT", faults),
        dashboard_url=given.get("DASHBOARD_URL", ""),
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


def _rules(given: Mapping[str, str], faults: list[str]) -> tuple[Rule, ...]:
    if not (text := _needed(given, "ROUTES", "[", faults)).startswith("["):
        return ()
    try:
        return tuple(
            Rule(each["rule"], each["service"], each["blue"], each["green"]) for each in json.loads(text)
        )
    except (ValueError, TypeError, KeyError) as fault:
        faults.append(f'ROUTES is no JSON list of {{"rule", "service", "blue", "green"}}: {fault!r}')
        return ()


def _list(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in given.get(name, "").split(",") if each.strip())


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
