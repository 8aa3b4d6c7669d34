"""The appliance's table in DynamoDB: items by kind and id, written on conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from appliance.faults import code

START, BOOT = "start", "boot"
WAITING, ENDED, ACCEPTED = "waiting", "ended", "accepted"
LEDGER = "ledger"
CURRENT = "current"
"""The id of the one start that there is."""
ABSENT: Mapping[str, Any] = {"kind": None}
"""What is expected of an item that is not to be there yet."""
MOST = 10_000
"""Items in one answer: what has more is not read to its end."""

Item = dict[str, Any]
_serialize, _deserialize = TypeSerializer().serialize, TypeDeserializer().deserialize


class Changed(Exception):
    """An item is not as the write expects it: another was faster. Read it again."""


@dataclass(frozen=True)
class Put:
    """The whole item, with its `kind` and `id`. `expected`: attributes and their values, None for none."""

    item: Mapping[str, Any]
    expected: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Delete:
    kind: str
    id: str
    expected: Mapping[str, Any] = field(default_factory=dict)


class Table:
    """`client` is boto3's of DynamoDB. Numbers come back as int or float; an attribute of None is none."""

    def __init__(self, client: Any, name: str) -> None:
        self._dynamodb, self._name = client, name

    def get(self, kind: str, id: str) -> Item | None:
        """As it was written last."""
        found = self._dynamodb.get_item(TableName=self._name, Key=_key(kind, id), ConsistentRead=True)
        return _plain(found["Item"]) if found.get("Item") else None

    def all(
        self, kind: str, since: str = "", *, newest_first: bool = False, at_most: int = MOST
    ) -> Iterator[Item]:
        """In the order of their ids, from `since` on."""
        pages = self._dynamodb.get_paginator("query").paginate(
            **self._of(kind, since),
            ScanIndexForward=not newest_first,
            PaginationConfig={"MaxItems": at_most, "PageSize": min(at_most, 1000)},
        )
        for page in pages:
            yield from map(_plain, page["Items"])

    def _of(self, kind: str, since: str) -> dict[str, Any]:
        names, values = {"#kind": "kind"}, {":kind": {"S": kind}}
        condition = "#kind = :kind"
        if since:
            names, values = names | {"#id": "id"}, values | {":since": {"S": since}}
            condition += " AND #id >= :since"
        return {
            "TableName": self._name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
        }

    def put(self, item: Mapping[str, Any], expected: Mapping[str, Any] | None = None) -> None:
        """Raises Changed where the item that is there is not as expected."""
        self.write(Put(item, expected or {}))

    def delete(self, kind: str, id: str, expected: Mapping[str, Any] | None = None) -> None:
        """Raises Changed where it is not as expected. One that is not there is no fault."""
        self.write(Delete(kind, id, expected or {}))

    def write(self, *changes: Put | Delete) -> None:
        """All of them or none. Raises Changed, and then there was none."""
        requests = [self._request(change) for change in changes]
        try:
            if len(requests) > 1:
                self._dynamodb.transact_write_items(TransactItems=requests)
            elif "Put" in requests[0]:
                self._dynamodb.put_item(**requests[0]["Put"])
            else:
                self._dynamodb.delete_item(**requests[0]["Delete"])
        except ClientError as fault:
            raise _of_condition(fault) from fault

    def _request(self, change: Put | Delete) -> dict[str, Any]:
        condition = {"TableName": self._name} | _condition(change.expected)
        if isinstance(change, Put):
            return {"Put": {"Item": _wire(change.item)} | condition}
        return {"Delete": {"Key": _key(change.kind, change.id)} | condition}

    def update(
        self,
        kind: str,
        id: str,
        values: Mapping[str, Any],
        expected: Mapping[str, Any] | None = None,
    ) -> Item:
        """Sets these attributes, takes away what is None; the others stay. The item then. Raises Changed."""
        request = _merged(_condition(expected or {}), _changes(values))
        try:
            changed = self._dynamodb.update_item(
                TableName=self._name, Key=_key(kind, id), ReturnValues="ALL_NEW", **request
            )
        except ClientError as fault:
            raise _of_condition(fault) from fault
        return _plain(changed["Attributes"])


def _changes(values: Mapping[str, Any]) -> dict[str, Any]:
    names = {f"#u{number}": name for number, name in enumerate(values)}
    given = {f":u{number}": value for number, value in enumerate(values.values()) if value is not None}
    sets = [f"#{place[1:]} = {place}" for place in given]
    removes = [place for place in names if f":{place[1:]}" not in given]
    clauses = [f"{verb} {', '.join(those)}" for verb, those in (("SET", sets), ("REMOVE", removes)) if those]
    return {"UpdateExpression": " ".join(clauses)} | _placed(names, given)


def _placed(names: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    """What stands for them in an expression. DynamoDB takes no empty map of values."""
    wire = {place: _serialize(_exact(value)) for place, value in values.items()}
    return {"ExpressionAttributeNames": dict(names)} | ({"ExpressionAttributeValues": wire} if wire else {})


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    both = {name: one[name] | other[name] for name in one.keys() & other.keys()}
    return one | other | both


def _condition(expected: Mapping[str, Any]) -> dict[str, Any]:
    if not expected:
        return {}
    names = {f"#e{number}": name for number, name in enumerate(expected)}
    values = {f":e{number}": value for number, value in enumerate(expected.values()) if value is not None}
    terms = [
        f"{place} = :{place[1:]}" if f":{place[1:]}" in values else f"attribute_not_exists({place})"
        for place in names
    ]
    return {"ConditionExpression": " AND ".join(terms)} | _placed(names, values)


def _of_condition(fault: ClientError) -> Exception:
    """Changed, where that is what it says."""
    reasons = {reason.get("Code") for reason in fault.response.get("CancellationReasons", [])}
    if code(fault) in ("ConditionalCheckFailedException", "TransactionConflictException"):
        return Changed(str(fault))
    if code(fault) == "TransactionCanceledException" and (
        reasons & {"ConditionalCheckFailed", "TransactionConflict"}
    ):
        return Changed(str(fault))
    return cast(Exception, fault)


def as_read(item: Mapping[str, Any]) -> Item:
    """As it comes back once it is written: a whole number is an int, and what is None is not there."""
    return _plain(_wire(item))


def _key(kind: str, id: str) -> dict[str, Any]:
    return {"kind": {"S": kind}, "id": {"S": id}}


def _wire(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _serialize(_exact(value)) for name, value in item.items() if value is not None}


def _exact(value: Any) -> Any:
    """DynamoDB's numbers are decimal."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, Mapping):
        return {name: _exact(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_exact(each) for each in value]
    return value


def _plain(item: Mapping[str, Any]) -> Item:
    return {name: _python(_deserialize(value)) for name, value in item.items()}


def _python(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: _python(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_python(each) for each in value]
    return value
