from __future__ import annotations

from tests.cloud import fixtures

moto_port, credentials = fixtures.moto_port, fixtures.credentials
table, bucket = fixtures.table, fixtures.bucket
