from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from servers.finetune.app import create_app
from tests.buckets import fixtures as buckets
from tests.jobs.stand_in_engine import StandInEngine
from tests.web import fixtures

configure = fixtures.configure
moto_port, store = buckets.moto_port, buckets.store


@pytest.fixture
def engine() -> StandInEngine:
    return StandInEngine()


@pytest.fixture
def client(configure: object, engine: StandInEngine) -> FlaskClient:
    return create_app(engine).test_client()
