from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from servers.whisperx.app import create_app
from tests.web import fixtures
from tests.web.stand_in_engine import StandInEngine, transcript

configure = fixtures.configure


@pytest.fixture
def engine(tmp_path: Path) -> StandInEngine:
    return StandInEngine(tmp_path, transcript)


@pytest.fixture
def client(configure: object, engine: StandInEngine) -> FlaskClient:
    return create_app(engine).test_client()
