"""Fixtures of an object store, for the tests of whoever uses one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.buckets.object_store import ObjectStore


@pytest.fixture(scope="session")
def moto_port() -> Iterator[int]:
    pytest.importorskip("boto3", reason="needs the extra [s3]")
    pytest.importorskip("moto.server", reason="moto, the object store of the tests, is not installed")
    from tests.buckets.object_store import moto_server

    with moto_server() as port:
        yield port


@pytest.fixture
def store(moto_port: int) -> Iterator[ObjectStore]:
    from tests.buckets.object_store import object_store

    with object_store(moto_port) as store:
        yield store
