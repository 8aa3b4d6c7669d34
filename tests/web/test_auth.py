from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import pytest
from flask import Flask
from flask.testing import FlaskClient

from servers.settings import SettingsError, settings
from servers.settings.variables import INTAKE_SECRET
from servers.web.auth import ADMITS
from servers.web.keys import check_exposure

ALICE = f"alice:{sha256(b'wonderland').hexdigest()}"
SECRET = "the secret of this start"
OF_INTAKE = {"X-Skylark-Intake": SECRET, "X-Skylark-Owner": "carol"}
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


@pytest.fixture
def knowing(configure: Callable[..., None], make_app: Callable[[], Flask]) -> FlaskClient:
    """Of a server that was told the secret."""
    configure(SKYLARK_API_KEYS=f"{ALICE},{BOB}", **{INTAKE_SECRET: SECRET})
    return make_app().test_client()


def asked(client: FlaskClient, headers: dict[str, str], address: str = "127.0.0.1") -> tuple[int, str | None]:
    """The status, and whose request it was taken for."""
    environment = {"REMOTE_ADDR": address}
    reply = client.post("/things", json={"name": "a"}, headers=headers, environ_overrides=environment)
    return reply.status_code, (reply.json or {}).get("owner")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", ""])
def test_the_intake_asks_for_the_owner_that_it_names(knowing: FlaskClient, address: str) -> None:
    assert asked(knowing, OF_INTAKE, address) == (200, "carol")


def test_its_owner_counts_before_a_key_and_may_have_any_letters(knowing: FlaskClient) -> None:
    named = {"X-Skylark-Owner": "zoë’s".encode().decode("latin-1"), "X-API-Key": "wonderland"}
    assert asked(knowing, OF_INTAKE | named) == (200, "zoë’s")


def test_what_was_accepted_without_keys_is_nobodys(knowing: FlaskClient) -> None:
    assert asked(knowing, {"X-Skylark-Intake": SECRET}) == (200, None)
    assert asked(knowing, OF_INTAKE | {"X-Skylark-Owner": "\xff"})[0] == 401


@pytest.mark.parametrize("address", ["10.0.0.9", "192.168.1.1", "2001:db8::1", "::ffff:10.0.0.9"])
def test_from_another_machine_the_secret_is_worth_nothing(knowing: FlaskClient, address: str) -> None:
    assert asked(knowing, OF_INTAKE, address)[0] == 401
    assert asked(knowing, OF_INTAKE | {"X-API-Key": "wonderland"}, address) == (200, "alice")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Skylark-Owner": "alice"},
        {"X-Skylark-Owner": "alice", "X-Skylark-Intake": ""},
        {"X-Skylark-Owner": "alice", "X-Skylark-Intake": SECRET[:-1]},
        {"X-Skylark-Owner": "alice", "X-Skylark-Intake": SECRET + " "},
        {"X-Skylark-Owner": "alice", "X-API-Key": SECRET},
        {"X-Skylark-Owner": "alice", "X-Forwarded-For": "127.0.0.1"},
    ],
)
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.9"])
def test_nobody_else_can_say_whose_request_it_is(
    knowing: FlaskClient, headers: dict[str, str], address: str
) -> None:
    assert asked(knowing, headers, address)[0] == 401
    assert asked(knowing, {"X-API-Key": "wonderland"} | headers, address) in {(200, "alice"), (401, None)}


@pytest.mark.parametrize("secret", ["", None])
def test_a_server_that_was_told_no_secret_lets_nobody_in_for_another(
    configure: Callable[..., None],
    make_app: Callable[[], Flask],
    monkeypatch: pytest.MonkeyPatch,
    secret: str | None,
) -> None:
    monkeypatch.delenv(INTAKE_SECRET, raising=False)
    configure(SKYLARK_API_KEYS=ALICE, **({} if secret is None else {INTAKE_SECRET: secret}))
    client = make_app().test_client()
    for presented in ("", "None"):
        assert asked(client, {"X-Skylark-Owner": "alice", "X-Skylark-Intake": presented})[0] == 401


def test_the_body_of_the_intakes_request_is_worth_receiving(knowing: FlaskClient) -> None:
    admits = knowing.application.extensions[ADMITS]
    environment = {
        "HTTP_X_SKYLARK_INTAKE": SECRET,
        "HTTP_X_SKYLARK_OWNER": "carol",
        "REMOTE_ADDR": "127.0.0.1",
    }
    assert admits(environment)
    assert not admits(environment | {"REMOTE_ADDR": "10.0.0.9"})
    assert not admits(environment | {"HTTP_X_SKYLARK_INTAKE": "another"})
