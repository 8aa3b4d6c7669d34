from __future__ import annotations

from tests.cloud import fixtures

moto_port, credentials, table = fixtures.moto_port, fixtures.credentials, fixtures.table
