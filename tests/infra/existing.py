"""Whether a metric of AWS's own is there: of something that was made, and by a name that is documented."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DOCUMENTED = {
    "AWS/ApplicationELB": {
        "HealthyHostCount",
        "TargetResponseTime",
        "HTTPCode_Target_5XX_Count",
        "RequestCount",
    },
    "AWS/EC2": {"StatusCheckFailed"},
    "AWS/Lambda": {"Errors", "Throttles", "Invocations", "Duration"},
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible"},
}
"""At docs.aws.amazon.com: "CloudWatch metrics for your Application Load Balancer", "… for your instances",
"Types of metrics for Lambda functions", "Available CloudWatch metrics for Amazon SQS".
"""


def is_there(applied: Any, namespace: str, name: str, dimensions: Mapping[str, str]) -> bool:
    return name in DOCUMENTED.get(namespace, ()) and all(
        _exists(applied, kind, value) for kind, value in dimensions.items()
    )


def _exists(applied: Any, kind: str, value: str) -> bool:
    client = applied.client
    match kind:
        case "FunctionName":
            return bool(client("lambda").get_function(FunctionName=value))
        case "QueueName":
            return bool(client("sqs").get_queue_url(QueueName=value))
        case "InstanceId":
            return bool(client("ec2").describe_instances(InstanceIds=[value])["Reservations"])
        case "AutoScalingGroupName":
            groups = client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[value])
            return bool(groups["AutoScalingGroups"])
        case "LoadBalancer":
            found = client("elbv2").describe_load_balancers()["LoadBalancers"]
            return any(one["LoadBalancerArn"].endswith(f":loadbalancer/{value}") for one in found)
        case "TargetGroup":
            found = client("elbv2").describe_target_groups()["TargetGroups"]
            return any(one["TargetGroupArn"].endswith(f":{value}") for one in found)
    return False
