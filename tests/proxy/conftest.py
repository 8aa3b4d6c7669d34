from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from servers.proxy.app import create_app
from tests.web import fixtures

configure = fixtures.configure


@pytest.fixture
def app(configure: fixtures.Configure) -> Flask:
    return create_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
