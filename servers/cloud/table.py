"""The appliance's table in DynamoDB, as the machine uses it: docs/cloud.md says what is in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from importlib import import_module
from typing import Any

from servers.cloud.connection import asking

BOOT, WAITING, ENDED = "boot", "waiting", "ended"
"""Kinds of items: what a machine says of its start, accepted work that has not ended, and that has."""


class Table:
    """`client` is boto3's of DynamoDB. Every method raises CloudFailed."""

    def __init__(self, client: Any, name: str) -> None:
        self._client, self._name = client, name

    def put(self, kind: str, id: str, values: Mapping[str, Any]) -> None:
        """Sets these attributes of an item, which is made where there is none; None removes one."""
        named = {f"#{n}": name for n, name in enumerate(values)}
        kept = {f":{n}": to_attribute(value) for n, value in enumerate(values.values()) if value is not None}
        sets = [f"#{n} = :{n}" for n, value in enumerate(values.values()) if value is not None]
        removes = [f"#{n}" for n, value in enumerate(values.values()) if value is None]
        parts = [f"SET {', '.join(sets)}" * bool(sets), f"REMOVE {', '.join(removes)}" * bool(removes)]
        with asking():
            self._client.update_item(
                TableName=self._name,
                Key=self._key(kind, id),
                UpdateExpression=" ".join(filter(None, parts)),
                ExpressionAttributeNames=named,
                **({"ExpressionAttributeValues": kept} if kept else {}),
            )

    def delete(self, kind: str, id: str) -> None:
        """One that is not there is no fault."""
        with asking():
            self._client.delete_item(TableName=self._name, Key=self._key(kind, id))

    def items(self, kind: str) -> Iterator[dict[str, Any]]:
        """All of a kind, as they are now and in the order of their ids."""
        pages = self._client.get_paginator("query").paginate(**self._of(kind))
        with asking():
            for page in pages:
                for item in page["Items"]:
                    yield {name: from_attribute(value) for name, value in item.items()}

    def _of(self, kind: str) -> dict[str, Any]:
        return {
            "TableName": self._name,
            "ConsistentRead": True,
            "KeyConditionExpression": "kind = :kind",
            "ExpressionAttributeValues": {":kind": {"S": kind}},
        }

    def _key(self, kind: str, id: str) -> dict[str, Any]:
        return {"kind": {"S": kind}, "id": {"S": id}}


def to_attribute(value: object) -> dict[str, Any]:
    """A value as boto3 writes it for DynamoDB: text, a number, true or false, or a mapping of these."""
    found: dict[str, Any] = import_module("boto3.dynamodb.types").TypeSerializer().serialize(_exact(value))
    return found


def from_attribute(attribute: Mapping[str, Any]) -> Any:
    return _python(import_module("boto3.dynamodb.types").TypeDeserializer().deserialize(attribute))


def _exact(value: object) -> object:
    """DynamoDB's numbers are decimal, and boto3 takes no float for one."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, Mapping):
        return {name: _exact(each) for name, each in value.items()}
    return value


def _python(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: _python(each) for name, each in value.items()}
    return value
