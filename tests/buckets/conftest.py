from __future__ import annotations

from tests.buckets import fixtures

moto_port, store = fixtures.moto_port, fixtures.store
