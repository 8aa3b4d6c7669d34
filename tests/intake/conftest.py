from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cloud import fixtures
from tests.intake.accepted import Accepted
from tests.web import fixtures as web

moto_port, credentials, table, bucket = (
    fixtures.moto_port,
    fixtures.credentials,
    fixtures.table,
    fixtures.bucket,
)
configure = web.configure


@pytest.fixture
def accepted(moto_port, table, bucket) -> Iterator[Accepted]:
    with Accepted(moto_port, table, bucket) as made:
        yield made
