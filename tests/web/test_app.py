from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from servers.web.app import on_terminate, terminate


@pytest.fixture
def client(make_app: Callable[[], Flask]) -> FlaskClient:
    return make_app().test_client()


@pytest.mark.parametrize("path", ["/health", "/toys/health", "/health/"])
def test_routes_answer_at_the_root_and_under_the_prefix(client: FlaskClient, path: str) -> None:
    assert client.get(path).json == {"ok": True}


@pytest.mark.parametrize("path", ["/nowhere", "/toys", "/toysandmore/health", "//health", "/tts/health"])
def test_an_unknown_path_is_not_found(client: FlaskClient, path: str) -> None:
    reply = client.get(path)
    assert reply.status_code in (404, 405)
    assert reply.json["error"]["code"] in ("not_found", "method_not_allowed")


@pytest.mark.parametrize("path", ["/nowhere", "/toys/nowhere", "/toysandmore/health"])
def test_an_unknown_path_is_named_as_it_was_asked_for(client: FlaskClient, path: str) -> None:
    assert client.get(path).json["error"]["message"] == f"there is no {path}"


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"", 400, "malformed_body", None),
        (b"{", 400, "malformed_body", None),
        (b"\xff\xfe\xfd", 400, "malformed_body", None),
        (b"[" * 100_000, 400, "malformed_body", None),
        (b'{"name": "\\ud800"}', 400, "malformed_body", None),
        (b'{"name": "a", "size": ' + b"9" * 5000 + b"}", 400, "malformed_body", None),
        (b"[]", 422, "invalid_request", None),
        (b"null", 422, "invalid_request", None),
        (b'"name"', 422, "invalid_request", None),
        (b"1", 422, "invalid_request", None),
        (b"true", 422, "invalid_request", None),
        (b"{}", 422, "invalid_request", "name"),
        (b'{"name": 1}', 422, "invalid_request", "name"),
        (b'{"name": "a", "size": "big"}', 422, "invalid_request", "size"),
        (b'{"name": "a", "size": "1"}', 422, "invalid_request", "size"),
        (b'{"name": "a", "size": true}', 422, "invalid_request", "size"),
        (b'{"name": "a", "size": 1.5}', 422, "invalid_request", "size"),
        (b'{"name": "a", "size": 1e300}', 422, "invalid_request", "size"),
        (b'{"name": "a", "colour": "red"}', 422, "invalid_request", "colour"),
    ],
)
def test_bad_bodies(client: FlaskClient, body: bytes, status: int, code: str, param: str | None) -> None:
    reply = client.post("/things", data=body)
    error = reply.json["error"]
    assert (reply.status_code, error["code"], error["param"]) == (status, code, param)
    assert error["request_id"] == reply.headers["X-Request-ID"]


def test_an_unknown_field_is_told_the_known_ones(client: FlaskClient) -> None:
    reply = client.post("/things", json={"name": "a", "colour": "red"})
    assert reply.json["error"]["message"] == "unknown field 'colour'; known are name, size"


def test_json_is_taken_whatever_its_content_type_says(client: FlaskClient) -> None:
    reply = client.post("/things", data=b'{"name": "\\ud83d\\ude00"}', content_type="text/plain")
    assert reply.json["name"] == "\N{GRINNING FACE}"


@pytest.mark.parametrize("size", [b"2", b"2.0", b"0.2e1"])
def test_an_integer_is_one_however_it_is_written(client: FlaskClient, size: bytes) -> None:
    """As JSON Schema has it, by which a client may have checked what it sends."""
    assert client.post("/things", data=b'{"name": "a", "size": ' + size + b"}").json["size"] == 2


def test_a_wrong_method_is_told_the_right_ones(client: FlaskClient) -> None:
    reply = client.get("/toys/things")
    assert (reply.status_code, reply.json["error"]["code"]) == (405, "method_not_allowed")
    assert ", but " in reply.json["error"]["message"], "it says what is possible"
    assert "POST" in reply.headers["Allow"]


def test_a_body_over_the_limit_is_too_large(
    configure: Callable[..., None], make_app: Callable[[], Flask]
) -> None:
    configure(SKYLARK_LIMITS__MAX_BODY_MB="0.001")
    reply = make_app().test_client().post("/raw", data=b"x" * 1001)
    assert (reply.status_code, reply.json["error"]["code"]) == (413, "too_large")
    assert make_app().test_client().post("/raw", data=b"x" * 1000).status_code == 200


def test_an_error_with_a_retry_time_has_the_header(client: FlaskClient) -> None:
    reply = client.get("/full")
    assert (reply.status_code, reply.headers["Retry-After"]) == (429, "2")
    assert reply.json["error"]["retry_after_s"] == 1.5


def test_a_defect_leaks_nothing_to_the_client(client: FlaskClient) -> None:
    reply = client.get("/defect?text=marmalade")
    assert (reply.status_code, reply.json["error"]["code"]) == (500, "internal_error")
    assert "marmalade" not in reply.text
    assert "Runtime" not in reply.text


@pytest.mark.parametrize("offered", ["trace-1:a/b=c", "Root=1-67891233-abcdef012345678912345678"])
def test_a_sane_request_id_is_kept(client: FlaskClient, offered: str) -> None:
    assert client.get("/health", headers={"X-Request-ID": offered}).headers["X-Request-ID"] == offered


@pytest.mark.parametrize("offered", ["", "a b", "x" * 129, "é", '{"a":1}'])
def test_any_other_request_id_is_replaced(client: FlaskClient, offered: str) -> None:
    given = client.get("/health", headers={"X-Request-ID": offered}).headers["X-Request-ID"]
    assert given != offered
    assert len(given) == 32


def test_termination_is_told_once(make_app: Callable[[], Flask]) -> None:
    app, told = make_app(), []
    on_terminate(app, lambda: told.append("a"))
    on_terminate(app, lambda: told.append("b"))
    terminate(app)
    terminate(app)
    assert told == ["a", "b"]
