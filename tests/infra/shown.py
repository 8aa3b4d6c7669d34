"""What `terraform show -json` prints, as resources, and what their policies allow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

IDENTITY = ("aws_iam_role_policy", "aws_iam_policy")
OF_RESOURCES = ("aws_s3_bucket_policy", "aws_sqs_queue_policy", "aws_sns_topic_policy", "aws_kms_key")


@dataclass(frozen=True)
class Resource:
    address: str
    type: str
    values: dict[str, Any]


def resources(shown: Mapping[str, Any]) -> list[Resource]:
    """Of a plan or a state, in all modules."""
    root = shown.get("planned_values", shown.get("values", {})).get("root_module", {})
    return list(_of_module(root))


def _of_module(module: Mapping[str, Any]) -> Iterator[Resource]:
    for found in module.get("resources", []):
        if found["mode"] == "managed":
            yield Resource(found["address"], found["type"], found["values"])
    for child in module.get("child_modules", []):
        yield from _of_module(child)


def of_type(found: Sequence[Resource], *types: str) -> Iterator[Resource]:
    return (one for one in found if one.type in types)


def allowed(
    found: Sequence[Resource], types: Sequence[str] = (*IDENTITY, *OF_RESOURCES)
) -> Iterator[tuple[Resource, dict[str, Any]]]:
    """Each policy with each of its statements that allow something."""
    for policy in of_type(found, *types):
        for statement in listed(json.loads(policy.values["policy"])["Statement"]):
            if statement["Effect"] == "Allow":
                yield policy, statement


def may(found: Sequence[Resource], role: str, action: str, resource: str) -> bool:
    name = role.rpartition("/")[2]
    return any(
        policy.values["role"] == name
        and action in listed(statement["Action"])
        and resource in listed(statement["Resource"])
        for policy, statement in allowed(found, ("aws_iam_role_policy",))
    )


def granted(found: Sequence[Resource], queue: str, service: str, action: str) -> bool:
    return any(
        principal(statement, "Service") == service
        and action in listed(statement["Action"])
        and queue in listed(statement["Resource"])
        for _, statement in allowed(found, ("aws_sqs_queue_policy",))
    )


def principal(statement: Mapping[str, Any], kind: str) -> Any:
    given = statement.get("Principal")
    return given.get(kind) if isinstance(given, dict) else None


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
