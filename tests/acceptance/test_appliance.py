"""The whole appliance, under supervisord, over real HTTP: it speaks, listens, aligns, and refuses."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import soundfile

from servers.audio.encode import FORMATS
from servers.text.score import word_error_rate
from tests.acceptance.processes import running_appliance
from tests.audio.decoded import decoded

SENTENCE = "Good morning, Margaret. The train to Oxford leaves at 9 and takes 45 minutes."
KEY = "correct horse battery staple"


@pytest.fixture(scope="module")
def appliance():
    with running_appliance(TTS_API_KEY=KEY, SKYLARK_LIMITS__MAX_AUDIO_S="60") as appliance:
        appliance.http.headers["X-API-Key"] = KEY
        yield appliance


@pytest.fixture(scope="module")
def spoken(appliance) -> dict:
    reply = appliance.post("tts", "/generate_batch", json={"texts": [SENTENCE]})
    assert reply.status_code == 200, reply.text
    return reply.json()["results"][0]


@pytest.fixture(scope="module")
def recording(spoken) -> bytes:
    return base64.b64decode(spoken["audio"])


def wav(samples: np.ndarray, rate: int = 16_000, **options) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", **options)
    return file.getvalue()


def test_a_text_is_spoken_with_the_time_of_each_word_as_written(spoken, recording):
    samples, rate = soundfile.read(io.BytesIO(recording))
    assert rate == spoken["sample_rate"]
    assert len(samples) / rate == pytest.approx(spoken["duration_s"])
    assert np.abs(samples).max() > 0.1
    assert [word["word"] for word in spoken["words"]] == SENTENCE.split()
    starts = [word["start"] for word in spoken["words"]]
    assert starts == sorted(starts)
    assert spoken["words"][-1]["end"] <= spoken["duration_s"]


def test_what_was_spoken_is_aligned_to_the_text_as_written(appliance, spoken, recording):
    reply = appliance.post("whisperx", "/align", files={"file": recording}, data={"text": SENTENCE}).json()
    assert [word["word"] for word in reply["words"]] == SENTENCE.split()
    errors = [abs(a["start"] - b["start"]) for a, b in zip(reply["words"], spoken["words"], strict=True)]
    assert np.mean(errors) < 0.1  # the figure that is aimed at is measured in benchmarks/
    assert [word for segment in reply["segments"] for word in segment["words"]] == reply["words"]


def test_what_was_spoken_is_heard_again(appliance, recording):
    body = {"audio": base64.b64encode(recording).decode()}
    reply = appliance.post("whisperx", "/whisperx/transcribe", json=body).json()
    assert word_error_rate(SENTENCE, reply["text"]) < 0.6
    assert reply["language"].startswith("en")
    assert all(0 <= word["score"] <= 1 for word in reply["words"])


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_recording_of_any_rate_mono_or_stereo_is_read(appliance, rate, channels):
    noise = np.random.default_rng(0).normal(0, 0.01, (rate, channels))
    reply = appliance.post("whisperx", "/transcribe", files={"file": wav(noise, rate)})
    assert reply.status_code == 200
    assert reply.json()["duration_s"] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("format", FORMATS)
def test_speech_comes_in_every_format(appliance, format):
    if format == "aac":
        pytest.importorskip("av", reason="needs the extra [av]")
    body = {"texts": ["Hello there."], "format": format}
    result = appliance.post("tts", "/tts/generate_batch", json=body).json()["results"][0]
    samples, rate = decoded(base64.b64decode(result["audio"]), format)
    assert (result["format"], rate) == (format, result["sample_rate"])
    assert len(samples) / rate == pytest.approx(result["duration_s"], abs=0.15)


@pytest.mark.parametrize("batch", [False, True])
def test_many_texts_come_back_in_their_order(appliance, batch):
    texts = ["One.", "Two, which is much longer than one.", "Three."]
    reply = appliance.post("tts", "/generate_batch", json={"texts": texts, "batch": batch}).json()
    assert [result["text"] for result in reply["results"]] == texts
    assert len(set(reply["job_ids"])) == 3
    durations = [result["duration_s"] for result in reply["results"]]
    assert durations[1] > max(durations[0], durations[2])


@pytest.mark.parametrize("bad", ["", " \n", "🙂 🙂", "<speak>Hello.</speak>"])
def test_a_text_in_which_there_is_nothing_to_say_leaves_the_others(appliance, bad):
    body = {"texts": ["Hello.", bad, "There."]}
    first, between, last = appliance.post("tts", "/generate_batch", json=body).json()["results"]
    assert first["audio"]
    assert last["audio"]
    assert between["text"] == bad
    assert (between["error"]["code"], between["error"]["param"]) == ("invalid_request", "texts.1")


def test_a_style_that_the_model_does_not_take_is_named_in_the_answer(appliance):
    body = {"texts": ["Hello."], "instruct": "whisper", "seed": 7, "language": "en"}
    (result,) = appliance.post("tts", "/generate_batch", json=body).json()["results"]
    assert result["ignored"] == ["instruct", "seed"]


def test_a_recording_that_cannot_be_sought_in_is_read(appliance, recording):
    samples, rate = soundfile.read(io.BytesIO(recording))
    gsm = wav(samples, rate, subtype="GSM610")
    reply = appliance.post("whisperx", "/align", files={"file": gsm}, data={"text": SENTENCE})
    assert [word["word"] for word in reply.json()["words"]] == SENTENCE.split()


def test_recordings_come_back_in_their_order_with_an_error_in_its_place(appliance, recording):
    audio = base64.b64encode(recording).decode()
    items = [{"audio": audio, "text": SENTENCE}, {"audio": audio, "text": SENTENCE, "language": "de"}]
    good, bad = appliance.post("whisperx", "/align_batch", json={"items": items}).json()["results"]
    assert len(good["words"]) == len(SENTENCE.split())
    assert bad["error"]["param"] == "items.1.language"


def test_health_needs_no_key_and_says_what_runs(appliance):
    tts = appliance.http.get(appliance.url("tts", "/tts/health"), headers={"X-API-Key": ""}).json()
    assert (tts["status"], tts["model"], tts["device"], tts["gpu_name"]) == ("ok", "espeak-ng", "cpu", None)
    heard = appliance.http.get(appliance.url("whisperx", "/health"), headers={"X-API-Key": ""}).json()
    assert (heard["engine"], heard["backend"]) == ("whisperx", "pocketsphinx")


def test_metrics_count_the_requests(appliance, spoken):
    text = appliance.http.get(appliance.url("tts", "/metrics")).text
    assert "skylark_http_request_duration_seconds_count" in text
    assert "generate_batch" in text


def test_no_text_and_no_key_reaches_a_log(appliance, spoken):
    appliance.post("tts", "/generate_batch", json={"texts": ["the secret of Monte Cristo"], "voice": "none"})
    logs = b"".join(file.read_bytes() for file in (appliance.folder / "logs").iterdir())
    assert b"Margaret" not in logs
    assert b"Monte Cristo" not in logs
    assert KEY.encode() not in logs


A_TEXT = {"texts": ["Hello."]}
SPEAK = [
    ({}, 422, "invalid_request", "texts"),
    ({"texts": []}, 422, "invalid_request", "texts"),
    ({"texts": [""]}, 422, "invalid_request", "texts.0"),
    ({"texts": ["<speak>a</speak>"]}, 422, "invalid_request", "texts.0"),
    ({"texts": "Hello."}, 422, "invalid_request", "texts"),
    ({"texts": ["a" * 1_000_000]}, 413, "too_large", "texts.0"),
    ({"texts": ["🙂"]}, 422, "invalid_request", "texts.0"),
    (A_TEXT | {"voice": "nobody"}, 422, "unknown_voice", "voice"),
    (A_TEXT | {"language": "tlh"}, 422, "invalid_request", "language"),
    (A_TEXT | {"instructs": ["a", "b"]}, 422, "invalid_request", "instructs"),
    (A_TEXT | {"format": "aiff"}, 422, "invalid_request", "format"),
    (A_TEXT | {"batch": "yes"}, 422, "invalid_request", "batch"),
    (A_TEXT | {"model": "gpt"}, 422, "unknown_model", "model"),
    (A_TEXT | {"pitch": 2}, 422, "invalid_request", "pitch"),
    ([1], 422, "invalid_request", None),
    ("text", 422, "invalid_request", None),
]


@pytest.mark.parametrize(("body", "status", "code", "param"), SPEAK)
def test_bad_input_to_speak_is_a_typed_error_that_names_the_field(appliance, body, status, code, param):
    error = refusal(appliance.post("tts", "/generate_batch", json=body), status)
    assert (error["code"], error["param"]) == (code, param)


def test_an_unknown_voice_is_told_some_that_exist(appliance):
    body = A_TEXT | {"voice": "en-us-klat"}
    assert "en-us" in refusal(appliance.post("tts", "/generate_batch", json=body), 422)["message"]


PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
TONE = np.sin(np.arange(16_000) / 10) / 4
LISTEN = [
    ({"files": {"file": PNG}}, 422, "unsupported_audio", "file"),
    ({"files": {"file": b""}}, 422, "unsupported_audio", "file"),
    ({"files": {"file": wav(np.zeros(0))}}, 422, "unsupported_audio", "file"),
    ({"files": {"file": wav(TONE)[:30]}}, 422, "unsupported_audio", "file"),
    ({"files": {"file": wav(TONE, 3_999)}}, 422, "unsupported_audio", "file"),
    ({"files": {"sound": wav(TONE)}}, 422, "invalid_request", "sound"),
    ({"files": {"file": wav(np.zeros(61 * 8000), 8000)}}, 413, "audio_too_long", "file"),
    ({"json": {"audio": "!!!"}}, 400, "malformed_body", "audio"),
    ({"json": {"audio": 7}}, 422, "invalid_request", "audio"),
    ({"json": {}}, 422, "invalid_request", "audio"),
    ({"data": b"{not json"}, 400, "malformed_body", None),
    ({"data": b"\xff\xfe"}, 400, "malformed_body", None),
    ({"files": {"file": wav(TONE)}, "data": {"language": "de"}}, 422, "invalid_request", "language"),
    ({"files": {"file": wav(TONE)}, "data": {"speed": "2"}}, 422, "invalid_request", "speed"),
]


@pytest.mark.parametrize(("request_", "status", "code", "param"), LISTEN)
def test_bad_input_to_listen_is_a_typed_error_that_names_the_field(appliance, request_, status, code, param):
    error = refusal(appliance.post("whisperx", "/transcribe", **request_), status)
    assert (error["code"], error["param"]) == (code, param)


@pytest.mark.parametrize("data", [{}, {"text": ""}, {"text": " "}])
def test_an_alignment_without_a_text_is_refused(appliance, data):
    error = refusal(appliance.post("whisperx", "/align", files={"file": wav(TONE)}, data=data), 422)
    assert (error["code"], error["param"]) == ("invalid_request", "text")


@pytest.mark.parametrize(
    "headers", [{"X-API-Key": "wrong"}, {"Authorization": "Bearer wrong"}, {"X-API-Key": ""}]
)
@pytest.mark.parametrize(("door", "path"), [("tts", "/tts/generate_batch"), ("whisperx", "/align")])
def test_a_wrong_or_missing_key_is_refused(appliance, door, path, headers):
    reply = appliance.http.post(appliance.url(door, path), json=A_TEXT, headers={"X-API-Key": "", **headers})
    assert refusal(reply, 401)["code"] == "unauthorized"


def test_a_bearer_token_is_a_key(appliance):
    headers = {"X-API-Key": "", "Authorization": f"Bearer {KEY}"}
    assert appliance.post("tts", "/generate_batch", json=A_TEXT, headers=headers).status_code == 200


@pytest.mark.parametrize("door", ["tts", "whisperx"])
def test_an_unknown_path_and_a_wrong_method_are_typed_errors(appliance, door):
    assert refusal(appliance.post(door, "/nothing", json={}), 404)["code"] == "not_found"
    reply = appliance.http.delete(appliance.url(door, "/health"))
    assert refusal(reply, 405)["code"] == "method_not_allowed"


def refusal(reply, status: int) -> dict:
    """The typed error of a reply with that status."""
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    assert error["message"]
    assert error["request_id"] == reply.headers["X-Request-ID"]
    return error
