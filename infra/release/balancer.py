"""The load balancer: who is healthy, where the rules lead, and how many answers are errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from release.names import Names
from release.plan import other

NAMESPACE = "AWS/ApplicationELB"
MINUTE_S = 60
ANSWERS = {"errors": "HTTPCode_Target_5XX_Count", "requests": "RequestCount"}


class Balancer:
    """`client` gives boto3's client of a service."""

    def __init__(self, names: Names, client: Callable[[str], Any]) -> None:
        self._is = names
        self._elb, self._cloudwatch = client("elbv2"), client("cloudwatch")

    def is_healthy(self, place: str) -> bool:
        """Whether each of its services has a healthy target."""
        return all(self._has_a_healthy_one(group) for group in self._groups(place))

    def _groups(self, place: str) -> list[str]:
        return sorted({route.groups[place] for route in self._is.routes})

    def _has_a_healthy_one(self, group: str) -> bool:
        found = self._elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return any(target["TargetHealth"]["State"] == "healthy" for target in found)

    def lead(self, place: str, weight: int) -> None:
        """Of a hundred requests `weight` go to this place, the others to the other one."""
        for route in self._is.routes:
            groups = [(route.groups[place], weight), (route.groups[other(place)], 100 - weight)]
            self._modify(route.rule, groups)

    def lead_to_reception(self) -> None:
        for route in self._is.routes:
            self._modify(route.rule, [(self._is.reception, 100)])

    def _modify(self, rule: str, groups: list[tuple[str, int]]) -> None:
        targets = [{"TargetGroupArn": group, "Weight": weight} for group, weight in groups]
        action = {"Type": "forward", "ForwardConfig": {"TargetGroups": targets}}
        self._elb.modify_rule(RuleArn=rule, Actions=[action])

    def error_rate(self, place: str, since: float, now: float) -> float | None:
        """Of what its targets answered; None where nobody asked, or CloudWatch does not show it yet."""
        if not since or now - since < MINUTE_S:
            return None
        groups = [_dimension(group) for group in self._groups(place)]
        balancer = self._balancer()
        queries = [
            self._query(f"{id}{n}", metric, balancer, group)
            for n, group in enumerate(groups)
            for id, metric in ANSWERS.items()
        ]
        found = self._cloudwatch.get_metric_data(
            MetricDataQueries=queries,
            StartTime=datetime.fromtimestamp(since, UTC),
            EndTime=datetime.fromtimestamp(now, UTC),
        )["MetricDataResults"]
        sums = {id: sum(sum(one["Values"]) for one in found if one["Id"].startswith(id)) for id in ANSWERS}
        return sums["errors"] / sums["requests"] if sums["requests"] else None

    def _balancer(self) -> str:
        group = self._groups("blue")[0]
        (found,) = self._elb.describe_target_groups(TargetGroupArns=[group])["TargetGroups"]
        return str(found["LoadBalancerArns"][0]).split(":loadbalancer/")[-1]

    def _query(self, id: str, metric: str, balancer: str, group: str) -> dict[str, Any]:
        dimensions = [{"Name": "LoadBalancer", "Value": balancer}, {"Name": "TargetGroup", "Value": group}]
        which = {"Namespace": NAMESPACE, "MetricName": metric, "Dimensions": dimensions}
        return {"Id": id, "MetricStat": {"Metric": which, "Period": MINUTE_S, "Stat": "Sum"}}


def _dimension(arn: str) -> str:
    """targetgroup/name/id"""
    return arn.rpartition(":")[2]
