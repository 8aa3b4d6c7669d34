"""Where the ALB's rules lead: to the machine, or to lambda/reception while there is none that answers.

A target is healthy or not only where a rule leads to its group, with a weight of 0 at least: the rules with
X-Skylark-Place do so while all others lead to reception.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from appliance.faults import Unreadable

Colour = Literal["blue", "green"]


@dataclass(frozen=True)
class Rule:
    """One rule of the listener, and the target groups of its service. All are ARNs but the service's name."""

    rule: str
    service: str
    blue: str
    green: str

    def group(self, colour: Colour) -> str:
        return self.blue if colour == "blue" else self.green


class Lead(StrEnum):
    MACHINE = "machine"
    RECEPTION = "reception"
    PARTLY = "partly"  # as a function leaves a service's rules that ended half way


class Routes:
    """`client` is boto3's of the load balancers."""

    def __init__(self, client: Any, rules: Sequence[Rule], reception: str) -> None:
        self._elbv2, self._rules, self._reception = client, rules, reception

    def leads(self) -> dict[str, Lead]:
        """Where each service's rules lead; however the weights of blue and green are, that is the machine."""
        led = self._led()
        found: dict[str, set[Lead]] = {}
        for rule in self._rules:
            away = led[rule.rule] == {self._reception}
            found.setdefault(rule.service, set()).add(Lead.RECEPTION if away else Lead.MACHINE)
        return {service: each.pop() if len(each) == 1 else Lead.PARTLY for service, each in found.items()}

    def to_reception(self, services: Collection[str] | None = None) -> int:
        """Those services', or all. How many rules were changed: those that led anywhere else."""
        led = self._led()
        changed = [rule for rule in self._of(services) if led[rule.rule] != {self._reception}]
        for rule in changed:
            self._forward(rule, {self._reception: 1})
        return len(changed)

    def to_machine(self, live: Colour, services: Collection[str] | None = None) -> int:
        """The same for those that led to reception. Weights that a release has set stay."""
        led = self._led()
        changed = [rule for rule in self._of(services) if self._reception in led[rule.rule]]
        for rule in changed:
            weights = {rule.blue: 0, rule.green: 0}
            self._forward(rule, weights | {rule.group(live): 100})
        return len(changed)

    def _of(self, services: Collection[str] | None) -> list[Rule]:
        return [rule for rule in self._rules if services is None or rule.service in services]

    def healthy(self, live: Colour) -> dict[str, bool]:
        """For each service, whether a target of that colour is healthy."""
        groups = {rule.service: rule.group(live) for rule in self._rules}
        return {service: self._is_healthy(group) for service, group in groups.items()}

    def _is_healthy(self, group: str) -> bool:
        found = self._elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return any(each["TargetHealth"]["State"] == "healthy" for each in found)

    def _led(self) -> dict[str, set[str]]:
        """For each rule, the target groups with a weight."""
        arns = [rule.rule for rule in self._rules]
        found = self._elbv2.describe_rules(RuleArns=arns)["Rules"] if arns else []
        led = {rule["RuleArn"]: _targets(rule["Actions"]) for rule in found}
        if missing := [arn for arn in arns if arn not in led]:
            raise Unreadable(f"the ALB has no rule {missing[0]}: look at ROUTES, and apply Terraform again")
        return led

    def _forward(self, rule: Rule, weights: dict[str, int]) -> None:
        groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()]
        action = {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}
        self._elbv2.modify_rule(RuleArn=rule.rule, Actions=[action])


def live_colour(ssm: Any, parameter: str) -> Colour:
    """The one that `scripts/release` has made the live one."""
    return "blue" if _release(ssm, parameter)["live"] == "blue" else "green"


def has_image(ssm: Any, parameter: str) -> bool:
    """Whether the live colour has one: before the first release it is said to have none."""
    release = _release(ssm, parameter)
    return release.get(release["live"]) != ""


def _release(ssm: Any, parameter: str) -> dict[str, Any]:
    value = ssm.get_parameter(Name=parameter)["Parameter"]["Value"]
    try:
        found = dict(json.loads(value))
        live = found["live"]
    except (ValueError, TypeError, KeyError) as fault:
        raise Unreadable(f'{parameter} is not as {{"live": "blue", …}}: {fault!r}') from fault
    if live not in ("blue", "green"):
        raise Unreadable(f"live in {parameter} is blue or green: {live!r}")
    return found


def _targets(actions: Sequence[dict[str, Any]]) -> set[str]:
    forwards = [action for action in actions if action["Type"] == "forward"]
    groups = [
        group for action in forwards for group in action.get("ForwardConfig", {}).get("TargetGroups", [])
    ]
    if not groups:
        return {action["TargetGroupArn"] for action in forwards if action.get("TargetGroupArn")}
    # A single group is all there is, whatever its weight.
    return {
        group["TargetGroupArn"] for group in groups if len(groups) == 1 or int(group.get("Weight", 1)) > 0
    }
