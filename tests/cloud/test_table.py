"""What the machine reads and writes in the table, against moto's server."""

from __future__ import annotations

import pytest

from servers.cloud.connection import CloudFailed
from servers.cloud.table import BOOT, WAITING, from_attribute, to_attribute


def test_an_item_is_made_and_only_what_is_named_of_it_is_changed(table):
    table.put(BOOT, "i-1", {"boot_at": 5, "fault": "no image"})
    table.put(BOOT, "i-1", {"image_at": 7.25, "fault": None})
    assert list(table.items(BOOT)) == [{"kind": "boot", "id": "i-1", "boot_at": 5, "image_at": 7.25}]


def test_items_are_of_their_kind_and_told_over_all_pages(table):
    for n in range(30):
        table.put(WAITING, f"{n:02}", {"headers": {"content-type": "x" * 50_000}, "ready": True})
    # over 1 MB: a page has no more
    assert [item["id"] for item in table.items(WAITING)] == [f"{n:02}" for n in range(30)]
    assert list(table.items(BOOT)) == []


def test_a_table_that_is_not_there_is_said_by_its_code(table):
    table._name = "skylark-none"
    with pytest.raises(CloudFailed, match="ResourceNotFoundException"):
        list(table.items(WAITING))


@pytest.mark.parametrize("value", ["", "text", 0, -3, 1_764_000_000.125, 1e-7, True, {"a": {"b": 1}}])
def test_a_value_comes_back_as_it_was(value):
    assert from_attribute(to_attribute(value)) == value
