from __future__ import annotations

import re

import pytest

from servers import errors
from servers.errors import BY_CODE, QueueFull, SkylarkError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SkylarkError)]
GRPC = {
    "ABORTED", "CANCELLED", "DEADLINE_EXCEEDED", "FAILED_PRECONDITION", "INTERNAL", "INVALID_ARGUMENT",
    "NOT_FOUND", "OUT_OF_RANGE", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED", "UNAVAILABLE", "UNIMPLEMENTED",
}  # fmt: skip


def test_the_tree_in_the_docstring_is_the_tree_of_classes():
    drawn = re.findall(r"^[│├└─ ]*(\w+)", (errors.__doc__ or "").partition("\n\n")[2], flags=re.MULTILINE)
    assert drawn == [kind.__name__ for kind in KINDS]


def test_every_kind_has_a_code_of_its_own():
    assert set(BY_CODE.values()) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_travels_unchanged(kind):
    sent = kind("no breath", param="texts.1", retry_after_s=2.0)
    arrived = SkylarkError.from_dict(sent.to_dict())
    assert type(arrived) is kind
    assert arrived.to_dict() == sent.to_dict()
    assert str(arrived) == "no breath"


@pytest.mark.parametrize("kind", KINDS)
def test_statuses_are_those_of_http_and_grpc(kind):
    assert 400 <= kind.http_status < 600
    assert kind.grpc_status in GRPC


def test_retry_after_is_on_the_wire_only_where_there_is_one():
    assert "retry_after_s" not in QueueFull("full").to_dict()
    assert QueueFull("full", retry_after_s=0.5).to_dict()["retry_after_s"] == 0.5


def test_an_unknown_code_is_a_plain_error():
    arrived = SkylarkError.from_dict({"code": "of_the_future", "message": "something new"})
    assert type(arrived) is SkylarkError
    assert arrived.message == "something new"
