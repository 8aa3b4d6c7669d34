"""What comes out of a view's dict."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Blueprint, Flask

from servers.web.app import create_app


@pytest.fixture
def reply(configure: Callable[..., None]) -> Callable[[object], bytes]:
    configure()

    def reply(data: object) -> bytes:
        bp = Blueprint("toys", __name__)
        bp.get("/toy")(lambda: data)
        app: Flask = create_app("toys", [bp])
        response = app.test_client().get("/toy")
        assert response.content_type == "application/json"
        return response.data

    return reply


@pytest.mark.parametrize(
    ("data", "body"),
    [
        ({"b": "第三", "a": [1, 2.5, None, True]}, '{"b":"第三","a":[1,2.5,null,true]}'),
        ({"seed": 2**70}, '{"seed":1180591620717411303424}'),
        ({"text": "half \ud800"}, '{"text":"half \\ud800"}'),
    ],
    ids=["in the view's order and in UTF-8", "an integer of any size", "half a surrogate pair"],
)
def test_a_dict_becomes_json(reply, data, body):
    assert reply(data) == body.encode() + b"\n"
