"""The table: what is written is read again, and on its conditions only."""

from __future__ import annotations

import pytest

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

from botocore.exceptions import ClientError

from appliance.table import ABSENT, ENDED, WAITING, Changed, Delete, Put, Table
from tests.lambda_ import aws as fixtures
from tests.lambda_.cloud import NAME

aws = fixtures.aws
WORK = {"kind": WAITING, "id": "a", "bytes": 7, "lease_until": 1900000000.25, "status": "waiting"}


@pytest.fixture
def table(aws):
    return Table(aws.client("dynamodb"), NAME)


def test_what_is_written_is_read_again(table):
    item = WORK | {"headers": {"accept": "audio/wav"}, "list": [1, 2.5, "x"], "true": True, "none": None}
    table.put(item)
    found = table.get(WAITING, "a")
    assert found == {name: value for name, value in item.items() if name != "none"}
    assert isinstance(found["bytes"], int)
    assert isinstance(found["lease_until"], float)


def test_what_is_not_there_is_none(table):
    assert table.get(WAITING, "a") is None


def test_an_item_that_is_to_be_new_is_written_once(table):
    table.put(WORK, ABSENT)
    with pytest.raises(Changed):
        table.put(WORK | {"bytes": 8}, ABSENT)
    assert table.get(WAITING, "a")["bytes"] == 7


def test_a_write_on_what_was_read_fails_where_another_was_faster(table):
    table.put(WORK)
    table.put(WORK | {"status": "taken"}, {"status": "waiting"})
    with pytest.raises(Changed):
        table.put(WORK | {"status": "taken"}, {"status": "waiting"})
    with pytest.raises(Changed):
        table.delete(WAITING, "a", {"status": "waiting"})
    table.delete(WAITING, "a", {"status": "taken"})
    table.delete(WAITING, "a")
    assert table.get(WAITING, "a") is None


def test_some_attributes_are_set_and_the_others_stay(table):
    table.put(WORK)
    changed = table.update(WAITING, "a", {"status": "taken", "lease_until": None}, {"status": "waiting"})
    assert changed == {"kind": WAITING, "id": "a", "bytes": 7, "status": "taken"}
    with pytest.raises(Changed):
        table.update(WAITING, "a", {"status": "taken"}, {"status": "waiting"})
    assert table.update(WAITING, "a", {"bytes": None}) == {"kind": WAITING, "id": "a", "status": "taken"}


def test_a_move_is_done_whole_or_not_at_all(table):
    table.put(WORK)
    ended = Put(WORK | {"kind": ENDED, "status": "done"}, ABSENT)
    with pytest.raises(Changed):
        table.write(ended, Delete(WAITING, "a", {"status": "taken"}))
    assert table.get(ENDED, "a") is None
    table.write(ended, Delete(WAITING, "a", {"status": "waiting"}))
    assert table.get(WAITING, "a") is None
    assert table.get(ENDED, "a")["status"] == "done"


def test_a_kind_is_read_in_the_order_of_its_ids_over_pages(table):
    for number in range(12):
        table.put({"kind": WAITING, "id": f"{number:02}"})
    table.put({"kind": ENDED, "id": "00"})
    ids = [item["id"] for item in table.all(WAITING)]
    assert ids == [f"{number:02}" for number in range(12)]
    assert [item["id"] for item in table.all(WAITING, "10")] == ["10", "11"]
    assert [item["id"] for item in table.all(WAITING, newest_first=True, at_most=2)] == ["11", "10"]
    assert list(table.all("nothing")) == []


@pytest.mark.parametrize("call", ["PutItem", "UpdateItem", "TransactWriteItems"])
def test_what_is_refused_for_another_reason_is_told_as_it_is(aws, table, call):
    aws.refuse(f"dynamodb.{call}", "AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        {
            "PutItem": lambda: table.put(WORK),
            "UpdateItem": lambda: table.update(WAITING, "a", {"status": "taken"}),
            "TransactWriteItems": lambda: table.write(Put(WORK), Delete(ENDED, "a")),
        }[call]()
