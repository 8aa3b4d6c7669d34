from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from servers.whisperx.app import create_app
from tests.jobs.stand_in_engine import StandInEngine, transcript
from tests.web import fixtures

configure = fixtures.configure


@pytest.fixture
def engine() -> StandInEngine:
    return StandInEngine(transcript)


@pytest.fixture
def client(configure: object, engine: StandInEngine) -> FlaskClient:
    return create_app(engine).test_client()
