from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import pytest
from flask import Flask
from flask.testing import FlaskClient

from servers.settings import SettingsError, settings
from servers.web.keys import check_exposure

ALICE = f"alice:{sha256(b'wonderland').hexdigest()}"
BOB = f"bob:{sha256('schlüssel'.encode()).hexdigest()}"


@pytest.fixture
def client(configure: Callable[..., None], make_app: Callable[[], Flask]) -> FlaskClient:
    configure(SKYLARK_API_KEYS=f"{ALICE},{BOB}", TTS_API_KEY="sesame")
    return make_app().test_client()


@pytest.mark.parametrize(
    ("headers", "owner"),
    [
        ({"X-API-Key": "wonderland"}, "alice"),
        ({"X-API-Key": "schlüssel".encode().decode("latin-1")}, "bob"),
        ({"X-API-Key": "sesame"}, "default"),
        ({"Authorization": "Bearer sesame"}, "default"),
        ({"Authorization": "bearer wonderland"}, "alice"),
        ({"X-API-Key": "wonderland", "Authorization": "Bearer wrong"}, "alice"),
    ],
)
def test_each_key_names_its_owner(client: FlaskClient, headers: dict[str, str], owner: str) -> None:
    assert client.post("/things", json={"name": "a"}, headers=headers).json["owner"] == owner


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "Sesame"},
        {"X-API-Key": "default"},
        {"X-API-Key": sha256(b"wonderland").hexdigest()},
        {"X-API-Key": "wrong", "Authorization": "Bearer sesame"},
        {"Authorization": "Basic sesame"},
        {"Authorization": "sesame"},
        {"X-API-Key": "é"},
    ],
)
@pytest.mark.parametrize("path", ["/things", "/toys/things", "/metrics", "/toys/metrics", "/nowhere"])
def test_no_or_a_wrong_key_is_turned_away(client: FlaskClient, path: str, headers: dict[str, str]) -> None:
    reply = client.get(path, headers=headers)
    assert (reply.status_code, reply.json["error"]["code"]) == (401, "unauthorized")
    assert reply.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/health", "/toys/health"])
def test_load_balancers_need_no_key(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 200


def test_without_configured_keys_nobody_needs_one(make_app: Callable[[], Flask]) -> None:
    reply = make_app().test_client().post("/things", json={"name": "a"}, headers={"X-API-Key": "any"})
    assert reply.json["owner"] is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1", "[::1]"])
def test_loopback_needs_no_key(configure: Callable[..., None], host: str) -> None:
    check_exposure(host, settings())


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "[::]", "10.0.0.1", "gpu.example.com"])
def test_a_server_without_keys_refuses_to_face_a_network(configure: Callable[..., None], host: str) -> None:
    configure(TTS_API_KEY="")
    with pytest.raises(SettingsError, match="TTS_API_KEY"):
        check_exposure(host, settings())


@pytest.mark.parametrize(
    "variables",
    [{"TTS_API_KEY": "sesame"}, {"SKYLARK_API_KEYS": ALICE}, {"SKYLARK_WEB__ALLOW_ANONYMOUS": "1"}],
)
def test_with_a_key_or_permission_it_does(configure: Callable[..., None], variables: dict[str, str]) -> None:
    configure(**variables)
    check_exposure("0.0.0.0", settings())
