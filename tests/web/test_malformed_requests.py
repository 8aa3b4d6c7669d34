from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.client import HTTPException

import pytest
from flask import Flask

from tests.web.malformed import MALFORMED
from tests.web.served import Served, serving


@pytest.fixture
def served(make_app: Callable[[], Flask]) -> Iterator[Served]:
    app = make_app()
    app.config["MAX_CONTENT_LENGTH"] = 1_000_000
    with serving(app) as served:
        yield served


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_not_http_has_a_typed_answer(served: Served, name: str) -> None:
    data, right = MALFORMED[name]
    client = served.client()
    client.sock.settimeout(2.0 if None in right else 30.0)
    client.send(data)
    try:
        reply = client.answer()
    except (OSError, HTTPException):
        assert None in right
    else:
        assert reply.status in right, reply.read()
        if reply.status != 200:
            error = json.loads(reply.read())["error"]
            assert error["code"] in ("malformed_request", "headers_too_large", "too_large")
            assert error["request_id"] == reply.headers["X-Request-ID"]
    assert served.client().ask("/health").status == 200
