"""The same request again, with tts.enable_cache."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from servers.spoken.recall import EXTENSION
from servers.tts.app import create_app
from tests.jobs.stand_in_engine import StandInEngine, speech
from tests.web.fixtures import Configure

TTS, SPEECH = "/v1/tts", "/v1/audio/speech"
KEYS = ",".join(f"{name}:{sha256(name.encode()).hexdigest()}" for name in ("alice", "bob"))


@pytest.fixture
def app(configure: Configure, engine: StandInEngine) -> Iterator[Flask]:
    configure(TTS_ENABLE_CACHE="true")
    app = create_app(engine)
    yield app
    app.extensions[EXTENSION].cache.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def asked(client: FlaskClient, path: str = TTS, **fields: Any) -> Any:
    text = "text" if path == TTS else "input"
    headers = fields.pop("headers", {})
    return client.post(path, json={text: "Hello."} | fields, headers=headers, buffered=True)


def was(reply: Any) -> str:
    assert reply.status_code == 200, reply.json
    return str(reply.headers["X-Cache"])


def test_the_same_again_is_the_same_audio_and_nobody_speaks(
    client: FlaskClient, engine: StandInEngine
) -> None:
    first, again = asked(client), asked(client)
    assert (was(first), was(again)) == ("miss", "hit")
    assert (first.json["cached"], again.json["cached"]) == (False, True)
    own = ("id", "request_id", "cached")
    assert {k: v for k, v in first.json.items() if k not in own} == {
        k: v for k, v in again.json.items() if k not in own
    }
    assert first.json["id"] != again.json["id"]
    assert len(engine.jobs) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"text": "Hello!"},
        {"voice": "de"},
        {"language": "en"},
        {"speed": 1.1},
        {"seed": 1},
        {"instruct": "sad"},
        {"format": "flac"},
        {"sample_rate": 16_000},
        {"stream": True},
    ],
)
def test_whatever_changes_the_audio_is_another_request(client: FlaskClient, other: dict[str, Any]) -> None:
    asked(client)
    assert was(asked(client, **other)) == "miss"


@pytest.mark.parametrize("other", [{"priority": 3}, {"application_id": "book"}, {"output_mode": "file"}])
def test_how_it_is_queued_and_sent_is_not_part_of_it(client: FlaskClient, other: dict[str, Any]) -> None:
    asked(client)
    assert was(asked(client, **other)) == "hit"


def test_a_file_has_the_same_bytes(client: FlaskClient) -> None:
    audio = base64.b64decode(asked(client).json["audio"])
    url = asked(client, output_mode="file").json["url"]
    assert client.get(url, buffered=True).data == audio


@pytest.mark.parametrize("path", [TTS, SPEECH])
@pytest.mark.parametrize("format", ["wav", "mp3", "pcm"])
def test_a_stream_is_kept_once_it_has_ended(client: FlaskClient, path: str, format: str) -> None:
    fields = {"stream": True, "format": format} if path == TTS else {"response_format": format}
    first, again = asked(client, path, **fields), asked(client, path, **fields)
    assert (was(first), was(again)) == ("miss", "hit")
    assert first.data == again.data
    for name in ("Content-Type", "X-Model", "X-Voice", "X-Sample-Rate"):
        assert first.headers[name] == again.headers[name]
    assert again.headers["X-Finish-Reason"] == "stop"


def test_events_of_what_was_kept_bear_the_same_audio(client: FlaskClient) -> None:
    plain = asked(client, SPEECH, response_format="wav").data
    reply = asked(client, SPEECH, response_format="wav", stream_format="sse")
    assert was(reply) == "hit"
    events = [json.loads(line[6:]) for line in reply.data.split(b"\n") if line.startswith(b"data: ")]
    *deltas, done = events
    pieces = [base64.b64decode(each["audio"]) for each in deltas]
    assert b"".join(pieces) == plain
    ids = [int(line[4:]) for line in reply.data.split(b"\n") if line.startswith(b"id: ")]
    assert ids == [(sum(map(len, pieces[: place + 1])) - 44) // 2 for place in range(len(pieces))]
    assert (done["type"], done["finish_reason"], done["duration_s"]) == ("speech.audio.done", "stop", 1.0)
    assert done["words"] == speech({"text": "x"})["words"]


@pytest.mark.parametrize("path", [TTS, SPEECH])
def test_what_was_cut_is_not_kept(client: FlaskClient, engine: StandInEngine, path: str) -> None:
    engine.outcome = lambda payload: speech(payload) | {"finish_reason": "length"}  # type: ignore[operator]
    assert [was(asked(client, path)) for _ in range(2)] == ["miss", "miss"]


def test_a_client_that_names_its_request_has_its_own_job(client: FlaskClient, engine: StandInEngine) -> None:
    asked(client)
    assert was(asked(client, headers={"Idempotency-Key": "k"})) == "miss"
    assert len(engine.jobs) == 2


def test_two_keys_share_nothing(configure: Configure, engine: StandInEngine) -> None:
    configure(TTS_ENABLE_CACHE="true", SKYLARK_API_KEYS=KEYS)
    app = create_app(engine)
    client = app.test_client()
    told = [was(asked(client, headers={"X-API-Key": name})) for name in ("alice", "bob", "alice", "bob")]
    assert told == ["miss", "miss", "hit", "hit"]
    app.extensions[EXTENSION].cache.close()


def test_another_server_of_the_same_folder_answers_from_it(
    client: FlaskClient, engine: StandInEngine
) -> None:
    asked(client)
    other = create_app(engine)
    assert was(asked(other.test_client())) == "hit"
    other.extensions[EXTENSION].cache.close()


def test_a_hit_needs_no_engine(client: FlaskClient, engine: StandInEngine) -> None:
    asked(client)
    engine.away_calls = 100
    assert was(asked(client)) == "hit"


def test_the_number_of_entries_is_the_settings(configure: Configure, engine: StandInEngine) -> None:
    configure(TTS_ENABLE_CACHE="true", TTS_CACHE_SIZE="1")
    app = create_app(engine)
    client = app.test_client()
    told = [was(asked(client, text=text)) for text in ("a", "b", "b", "a")]
    assert told == ["miss", "miss", "hit", "miss"]
    app.extensions[EXTENSION].cache.close()


def test_health_says_what_the_cache_is_worth(client: FlaskClient) -> None:
    asked(client)
    asked(client)
    cache = client.get("/health").json["cache"]
    assert (cache["hits"], cache["misses"], cache["entries"]) == (1, 1, 1)
    assert cache["bytes"] > 48_044


def test_health_has_no_cache_where_there_is_none(configure: Configure, engine: StandInEngine) -> None:
    assert "cache" not in create_app(engine).test_client().get("/health").json
