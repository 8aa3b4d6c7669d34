"""OpenAI's own client against both servers, over real HTTP: nothing of it is changed but its base URL."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile

from servers.audio.encode import FORMATS
from tests.acceptance.processes import Appliance, eventually, running_appliance
from tests.audio.decoded import decoded
from tests.stand_ins.fake import numbered

openai = pytest.importorskip("openai")

TEXT = "Good morning, and welcome. We have three things to talk about."
SAID = set(re.findall(r"\w+", TEXT.casefold()))
VOICES = {"alloy": None, "fable": "en-GB-scotland+f3"}
NUMBER = 77


@pytest.fixture(scope="module")
def appliance() -> Iterator[Appliance]:
    with running_appliance(SKYLARK_OPENAI__VOICES=json.dumps(VOICES)) as appliance:
        yield appliance


@pytest.fixture(scope="module", params=["tts", "whisperx"])
def client(request, appliance):
    """The same base URL is enough for all of it, whichever server it is of."""
    with openai.OpenAI(base_url=appliance.url(request.param, "/v1"), api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def recording(appliance) -> bytes:
    reply = appliance.post("tts", "/v1/audio/speech", json={"input": TEXT, "response_format": "wav"})
    assert reply.status_code == 200, reply.text
    return reply.content


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_spoken(client, format):
    reply = client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT, response_format=format)
    assert reply.response.headers["Content-Type"] == FORMATS[format].content_type
    samples, rate = decoded(reply.read(), format)
    assert rate == int(reply.response.headers["X-Sample-Rate"])
    assert 2 < len(samples) / rate < 8
    assert np.abs(samples).max() > 0.1


def test_mp3_is_what_is_sent_where_no_format_is_named(appliance):
    reply = appliance.post("tts", "/v1/audio/speech", json={"input": "Hello."})
    assert reply.headers["Content-Type"] == "audio/mpeg"
    assert reply.headers["X-Voice"] == "en-US+klatt4"
    assert reply.headers["X-Model"] == "espeak/espeak-ng"


def test_a_voice_of_openais_is_the_one_in_the_table_and_is_told(client):
    for voice, spoken in (("fable", "en-GB-scotland+f3"), ({"id": "alloy"}, "en-US+klatt4"), ("de", "de")):
        reply = client.audio.speech.create(model="tts-1-hd", voice=voice, input="Hello.", speed=1.5)
        assert reply.response.headers["X-Voice"] == spoken


def test_speed_makes_it_shorter(client):
    spoken = [
        client.audio.speech.create(
            model="tts-1", voice="alloy", input=TEXT, response_format="pcm", speed=speed
        ).read()
        for speed in (1.0, 2.0)
    ]
    assert len(spoken[1]) < 0.7 * len(spoken[0])


def test_audio_arrives_while_the_rest_is_made(appliance):
    body = {"input": "x", "model": "fake/paced", "response_format": "pcm"}
    with appliance.post("tts", "/v1/audio/speech", json=body, stream=True) as reply:
        assert next(reply.iter_content(1))
        assert appliance.jobs.get(reply.headers["X-Job-Id"])["status"] == "running"


def test_a_client_that_goes_away_ends_its_job(appliance):
    body = {"input": "x", "model": "fake/long", "response_format": "pcm"}
    with appliance.post("tts", "/v1/audio/speech", json=body, stream=True) as reply:
        job_id = reply.headers["X-Job-Id"]
        next(reply.iter_content(1))
    eventually(lambda: appliance.jobs.get(job_id)["status"] == "cancelled", "the job is cancelled", 10)


def events(reply) -> list[tuple[str | None, dict]]:
    """Each event's id and its data."""
    return events_of(reply.text)


def events_of(text: str) -> list[tuple[str | None, dict]]:
    found = []
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((lines.get("id"), json.loads(lines["data"])))
    return found


def sse(appliance, **headers: str):
    body = {"input": f"{NUMBER}", "model": "fake/numbered", "response_format": "wav", "stream_format": "sse"}
    reply = appliance.post("tts", "/v1/audio/speech", json=body, headers=headers)
    assert reply.status_code == 200, reply.text
    assert reply.headers["Content-Type"].startswith("text/event-stream")
    return events(reply)


def heard(told: list[tuple[str | None, dict]]) -> bytes:
    return b"".join(
        base64.b64decode(data["audio"]) for _, data in told if data["type"] == "speech.audio.delta"
    )


def test_events_carry_positions_and_a_stream_goes_on_after_any_of_them(appliance):
    whole = sse(appliance, **{"Idempotency-Key": "events"})
    *deltas, (_, done) = whole
    assert done["type"] == "speech.audio.done"
    assert done["finish_reason"] == "stop"
    assert done["usage"]["input_tokens"] > 0
    samples, _ = soundfile.read(io.BytesIO(heard(whole)), dtype="int16")
    assert np.array_equal(samples, numbered(NUMBER, 0, len(samples)))
    position = deltas[0][0]
    assert position is not None
    rest = sse(appliance, **{"Idempotency-Key": "events", "Last-Event-ID": position})
    assert heard(whole).endswith(heard(rest)[44:])
    assert len(heard(rest)) - 44 == 2 * (len(samples) - int(position))


def test_events_tell_each_word_with_its_audio_and_all_of_them_at_the_end(appliance):
    body = {"input": TEXT, "model": "espeak/espeak-ng", "response_format": "pcm", "stream_format": "sse"}
    named = {"Idempotency-Key": "words"}
    *deltas, (_, done) = events(appliance.post("tts", "/v1/audio/speech", json=body, headers=named))
    assert [word["word"] for word in done["words"]] == TEXT.split()
    early = [word for _, data in deltas for word in data.get("words", [])]
    assert len(early) > len(done["words"]) / 2
    assert early == done["words"][: len(early)]
    whole_s = int(deltas[-1][0]) / 24_000
    assert whole_s == pytest.approx(done["duration_s"], abs=0.001)
    *_, last = done["words"]
    assert 0 < last["start"] < last["end"] <= whole_s
    rest = events(appliance.post("tts", f"/v1/audio/speech?from={deltas[-1][0]}", json=body, headers=named))
    assert rest[-1][1]["words"] == done["words"]


def test_who_goes_on_after_the_runner_was_killed_is_told_that_this_is_another_attempt(appliance):
    """From any sample on, and also where nothing is left to be heard."""
    body = {"input": "x", "model": "fake/paced", "response_format": "pcm", "stream_format": "sse"}
    request = {"json": body, "headers": {"Idempotency-Key": "killed"}}
    with appliance.post("tts", "/v1/audio/speech", stream=True, **request) as reply:
        pieces = reply.iter_content(None)
        first = next(pieces)
        for runner in appliance.named("servers.runner"):
            runner.kill()
        *deltas, (_, failure) = events_of((first + b"".join(pieces)).decode())
    assert failure["error"]["code"] == "engine_unavailable"
    assert "begun again" in failure["error"]["message"]
    assert {delta["attempt"] for _, delta in deltas} == {1}
    position, _ = deltas[-1]
    told = events(appliance.post("tts", f"/v1/audio/speech?from={position}", **request))
    assert {each["attempt"] for _, each in told} == {2}
    assert [each["type"] for _, each in told][-2:] == ["speech.audio.delta", "speech.audio.done"]
    assert int(told[-2][0]) == 24_000 * 10
    ((_, done),) = events(appliance.post("tts", f"/v1/audio/speech?from={24_000 * 10}", **request))
    assert (done["type"], done["attempt"]) == ("speech.audio.done", 2)


@pytest.mark.parametrize("start", [0, 1, 1_600, 4_799, 4_800, 9_999])
def test_a_reply_can_be_asked_for_again_from_any_sample(appliance, start):
    body = {"input": f"{NUMBER}", "model": "fake/numbered", "response_format": "wav"}
    headers = {"Idempotency-Key": "from"}
    reply = appliance.post("tts", f"/v1/audio/speech?from={start}", json=body, headers=headers)
    samples, rate = soundfile.read(io.BytesIO(reply.content), dtype="int16")
    assert rate == 16_000
    assert np.array_equal(samples, numbered(NUMBER, start, max(0, 4_800 - start)))


@pytest.mark.parametrize(
    ("query", "headers", "format", "param"),
    [
        ("?from=x", {"Idempotency-Key": "k"}, "wav", "from"),
        ("?from=10", {}, "wav", "Idempotency-Key"),
        ("?from=10", {"Idempotency-Key": "k"}, "mp3", "response_format"),
        ("", {"Last-Event-ID": "-1", "Idempotency-Key": "k"}, "wav", "Last-Event-ID"),
    ],
)
def test_where_it_cannot_go_on_that_is_said(appliance, query, headers, format, param):
    body = {"input": "x", "response_format": format}
    reply = appliance.post("tts", f"/v1/audio/speech{query}", json=body, headers=headers)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


def test_a_failure_in_mid_stream_is_an_event(appliance):
    appliance.jobs.load_model("fake/one")
    told = appliance.post(
        "tts", "/v1/audio/speech", json={"input": "x", "model": "fake/crashing", "stream_format": "sse"}
    )
    assert told.status_code == 503
    assert told.json()["error"]["type"] == "server_error"


@pytest.mark.parametrize("format", ["json", "text", "srt", "verbose_json", "vtt"])
def test_a_recording_is_transcribed_in_every_format(client, recording, format):
    heard = client.audio.transcriptions.create(
        model="whisper-1", file=("a.wav", recording), response_format=format
    )
    text = heard if isinstance(heard, str) else heard.text
    assert len(SAID & set(text.casefold().split())) >= 3, text  # pocketsphinx mishears some
    if format == "srt":
        assert text.startswith("1\n00:00:0")
    if format == "vtt":
        assert text.startswith("WEBVTT\n\n00:00:0")
    if format == "verbose_json":
        assert heard.language == "english"
        assert heard.segments[0].start < heard.segments[-1].end <= heard.duration
        assert heard.words is None


def test_words_have_their_times_where_they_are_asked_for(client, recording):
    heard = client.audio.transcriptions.create(
        model="whisper-1",
        file=("a.wav", recording),
        response_format="verbose_json",
        timestamp_granularities=["word"],
    )
    assert [word.word for word in heard.words] == heard.text.split()
    assert heard.segments is None


def test_a_transcript_is_streamed_as_events(client, recording):
    stream = client.audio.transcriptions.create(
        model="gpt-4o-mini-transcribe", file=("a.wav", recording), stream=True
    )
    *deltas, done = stream
    assert {each.type for each in deltas} == {"transcript.text.delta"}
    assert "".join(each.delta for each in deltas) == done.text
    assert done.type == "transcript.text.done"


def test_models_and_voices_are_listed(client, appliance):
    models = client.models.list().data
    assert {"espeak/espeak-ng", "pocketsphinx/en-us", "tts-1", "whisper-1"} <= {model.id for model in models}
    assert client.models.retrieve("espeak-ng").id == "espeak/espeak-ng"
    voices = appliance.http.get(appliance.url("whisperx", "/v1/audio/voices")).json()["voices"]
    assert voices[0]["id"] == "default"
    by_id = {voice["id"]: voice for voice in voices}
    assert by_id["fable"]["alias_of"] == "en-GB-scotland+f3"
    assert by_id["de"]["languages"] == ["de"]
    assert by_id["de"]["model"] == "espeak/espeak-ng"


@pytest.mark.parametrize(
    ("fields", "kind", "param"),
    [
        ({"voice": "nobody"}, "BadRequestError", "voice"),
        ({"model": "tts-9"}, "NotFoundError", "model"),
        ({"model": "pocketsphinx/en-us"}, "BadRequestError", "model"),
        ({"speed": 9}, "BadRequestError", "speed"),
        ({"speed": 0.2}, "BadRequestError", "speed"),
        ({"response_format": "mp9"}, "BadRequestError", "response_format"),
        ({"input": ""}, "BadRequestError", "input"),
        ({"input": "x" * 20_001}, "APIStatusError", "input"),
        ({"stream_format": "lines"}, "BadRequestError", "stream_format"),
        ({"extra_body": {"pitch": 3}}, "BadRequestError", "pitch"),
    ],
    ids=str,
)
def test_what_cannot_be_spoken_is_openais_error_with_the_field(client, fields, kind, param):
    with pytest.raises(getattr(openai, kind)) as raised:
        client.audio.speech.create(**{"model": "tts-1", "voice": "alloy", "input": "Hello."} | fields)
    assert raised.value.body["param"] == param
    assert raised.value.body["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"file": ("a.wav", b"")}, "file"),
        ({"file": ("a.wav", b"no audio at all")}, "file"),
        ({"model": "espeak"}, "model"),
        ({"response_format": "xml"}, "response_format"),
        ({"response_format": "text", "timestamp_granularities": ["word"]}, "timestamp_granularities[]"),
        (
            {"response_format": "verbose_json", "timestamp_granularities": ["line"]},
            "timestamp_granularities[].0",
        ),
        ({"response_format": "srt", "stream": True}, "response_format"),
        ({"response_format": "diarized_json"}, "response_format"),
        ({"temperature": 2}, "temperature"),
    ],
    ids=str,
)
def test_what_cannot_be_transcribed_is_openais_error_with_the_field(client, recording, fields, param):
    with pytest.raises(openai.APIStatusError) as raised:
        client.audio.transcriptions.create(**{"model": "whisper-1", "file": ("a.wav", recording)} | fields)
    assert raised.value.status_code in (400, 404)
    assert raised.value.body["param"] == param


def test_a_model_that_cannot_translate_says_so(client, recording):
    with (
        pytest.raises(openai.BadRequestError) as raised,
        pytest.warns(DeprecationWarning, match="deprecated"),
    ):
        client.audio.translations.create(model="whisper-1", file=("a.wav", recording))
    assert raised.value.body["param"] == "model"


def test_a_key_is_needed_where_there_is_one():
    with running_appliance(TTS_API_KEY="secret") as appliance:
        url = appliance.url("tts", "/v1")
        with (
            openai.OpenAI(base_url=url, api_key="wrong", max_retries=0) as stranger,
            pytest.raises(openai.AuthenticationError) as raised,
        ):
            stranger.models.list()
        assert raised.value.body["type"] == "authentication_error"
        with openai.OpenAI(base_url=url, api_key="secret", max_retries=0) as known:
            assert known.models.list().data
