from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from servers.tts.app import create_app
from tests.web import fixtures
from tests.web.stand_in_engine import StandInEngine

configure = fixtures.configure


@pytest.fixture
def engine(tmp_path: Path) -> StandInEngine:
    return StandInEngine(tmp_path)


@pytest.fixture
def client(configure: object, engine: StandInEngine) -> FlaskClient:
    return create_app(engine).test_client()
