"""The OpenAPI documents: whole, valid, and no route missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from servers.engine.http import jobs, models
from servers.finetune.app import create_app as create_finetune
from servers.proxy.app import create_app as create_proxy
from servers.texts import endpoints as texts
from servers.tts.app import create_app as create_tts
from servers.web.app import create_app
from servers.web.openapi import operations
from servers.whisperx.app import create_app as create_whisperx
from tests.jobs.stand_in_engine import StandInEngine
from tests.web import fixtures

configure = fixtures.configure


def engine() -> Flask:
    """Its routes, without the engine behind them."""
    return create_app("engine", [jobs.bp, texts.bp, models.bp], internal=True)


APPS = {
    "tts": lambda: create_tts(StandInEngine()),
    "whisperx": lambda: create_whisperx(StandInEngine()),
    "finetune": lambda: create_finetune(StandInEngine()),
    "engine": engine,
    "proxy": create_proxy,
}


@pytest.fixture(params=APPS)
def app(request: pytest.FixtureRequest, configure: object) -> Flask:
    make: Callable[[], Flask] = APPS[request.param]
    return make()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def references(value: Any) -> Iterator[str]:
    """All that are in it, however deep."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_every_route_says_what_it_is(app: Flask) -> None:
    silent = [f"{method} {rule.rule}" for rule, method, said in operations(app) if said is None]
    assert silent == []


def test_every_route_is_in_the_document(app: Flask, client: FlaskClient) -> None:
    document = client.get("/openapi.json").json
    assert document["openapi"] == "3.1.0"
    told = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    assert len(told) == len(list(operations(app)))
    for path, methods in document["paths"].items():
        for each in methods.values():
            assert each["summary"]
            for parameter in each["parameters"]:
                assert parameter["in"] != "path" or f"{{{parameter['name']}}}" in path


def test_every_operation_has_a_name_of_its_own_and_says_which_errors_it_has(client: FlaskClient) -> None:
    paths = client.get("/openapi.json").json["paths"]
    told = [each for methods in paths.values() for each in methods.values()]
    assert len({each["operationId"] for each in told}) == len(told)
    for each in told:
        assert "default" not in each["responses"]
        assert {"400", "429", "500"} < set(each["responses"])
        assert ("401" in each["responses"]) == ("security" not in each)


def test_every_reference_is_of_a_schema_that_is_there(client: FlaskClient) -> None:
    document = client.get("/openapi.json").json
    found = set(references(document))
    assert found
    for each in found:
        _, components, kind, name = each.split("/")
        assert name in document[components][kind]


def test_a_noun_is_told_with_its_limits_and_a_form_with_its_file(configure: object) -> None:
    document = create_tts(StandInEngine()).test_client().get("/openapi.json").json
    speech = document["components"]["schemas"]["SpeechBody"]
    assert speech["required"] == ["input"]
    assert speech["additionalProperties"] is False
    assert speech["properties"]["response_format"]["default"] == "mp3"
    form = document["paths"]["/v1/audio/transcriptions"]["post"]["requestBody"]["content"]
    fields = form["multipart/form-data"]["schema"]["properties"]
    assert fields["file"]["format"] == "binary"
    assert "audio" not in fields
    assert "timestamp_granularities[]" in fields


def test_what_a_form_sends_is_never_null(configure: object) -> None:
    """In JSON's body it may be: a form has the field or it has not."""
    document = create_whisperx(StandInEngine()).test_client().get("/openapi.json").json
    content = document["paths"]["/transcribe"]["post"]["requestBody"]["content"]
    form = content["multipart/form-data"]["schema"]["properties"]
    assert (form["priority"]["type"], form["priority"]["maximum"]) == ("integer", 1_000_000)
    json = document["components"]["schemas"]["TranscribeBody"]["properties"]
    assert {"type": "null"} in json["priority"]["anyOf"]


def test_openais_paths_have_openais_statuses(configure: object) -> None:
    paths = create_tts(StandInEngine()).test_client().get("/openapi.json").json["paths"]
    assert "unknown_model" in paths["/v1/audio/speech"]["post"]["responses"]["404"]["description"]
    assert "422" not in paths["/v1/audio/speech"]["post"]["responses"]
    assert "unknown_model" in paths["/v1/tts"]["post"]["responses"]["422"]["description"]


def test_a_websocket_is_told_as_the_upgrade_that_it_is(configure: object) -> None:
    paths = create_tts(StandInEngine()).test_client().get("/openapi.json").json["paths"]
    said = paths["/v1/text-to-speech/{voice_id}/stream-input"]["get"]["responses"]
    assert "content" not in said["101"]
    assert {"101", "403", "426"} < set(said)
    assert "200" not in said


def test_the_page_has_every_path_and_loads_nothing_from_elsewhere(client: FlaskClient) -> None:
    reply = client.get("/docs")
    assert reply.mimetype == "text/html"
    for path in client.get("/openapi.json").json["paths"]:
        assert path in reply.text
    assert "://" not in reply.text


def test_neither_needs_a_key(configure: Callable[..., None]) -> None:
    configure(TTS_API_KEY="secret")
    client = create_tts(StandInEngine()).test_client()
    assert client.get("/openapi.json").status_code == 200
    assert client.get("/tts/docs").status_code == 200
    assert client.get("/v1/models").status_code == 401
