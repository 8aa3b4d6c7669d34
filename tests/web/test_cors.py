from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

PAGE = "https://page.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}


@pytest.fixture
def client(configure: Callable[..., None], make_app: Callable[[], Flask]) -> FlaskClient:
    configure(SKYLARK_WEB__CORS_ORIGINS=f'["{PAGE}"]', TTS_API_KEY="sesame")
    return make_app().test_client()


def test_a_preflight_from_a_known_page_needs_no_key(client: FlaskClient) -> None:
    reply = client.options("/toys/things", headers=PREFLIGHT | {"Origin": PAGE})
    assert reply.status_code == 204
    assert reply.headers["Access-Control-Allow-Origin"] == PAGE
    allowed = reply.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"X-API-Key", "Authorization", "Content-Type", "X-Request-ID", "Idempotency-Key"} <= set(allowed)


@pytest.mark.parametrize("origin", ["https://other.example", "http://page.example", f"{PAGE}.evil", "null"])
def test_other_pages_are_not_let_in(client: FlaskClient, origin: str) -> None:
    for reply in (
        client.options("/things", headers=PREFLIGHT | {"Origin": origin}),
        client.get("/health", headers={"Origin": origin}),
    ):
        assert "Access-Control-Allow-Origin" not in reply.headers
        assert "Access-Control-Allow-Methods" not in reply.headers
        assert reply.headers["Vary"] == "Origin"


def test_replies_and_errors_name_the_known_page(client: FlaskClient) -> None:
    for path in ("/health", "/full", "/nowhere"):
        reply = client.get(path, headers={"Origin": PAGE})
        assert reply.headers["Access-Control-Allow-Origin"] == PAGE
        assert "X-Request-ID" in reply.headers["Access-Control-Expose-Headers"]


def test_by_default_no_page_may_call(make_app: Callable[[], Flask]) -> None:
    reply = make_app().test_client().get("/health", headers={"Origin": PAGE})
    assert "Access-Control-Allow-Origin" not in reply.headers
    assert "Vary" not in reply.headers
