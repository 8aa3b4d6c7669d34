"""A named voice from a recording, over real HTTP: made, listed, spoken with everywhere, owned, removed."""

from __future__ import annotations

import base64
import hashlib
import io

import numpy as np
import pytest
import soundfile

from tests.acceptance.processes import running_appliance

RATE = 24_000
KEYS = {"anna": "anna's key", "bert": "bert's key"}
NAMED = {
    "name": "Narrator",
    "reference_text": "So it is.",
    "consent": "It is my own voice.",
    "language": "en",
    "description": "a tone",
}


@pytest.fixture(scope="module")
def appliance():
    hashes = [f"{owner}:{hashlib.sha256(key.encode()).hexdigest()}" for owner, key in KEYS.items()]
    with running_appliance(SKYLARK_API_KEYS=",".join(hashes), SKYLARK_TTS__ENABLE_CACHE="true") as appliance:
        yield appliance


@pytest.fixture
def narrator(appliance):
    """Anna's, a tone of 440 Hz."""
    assert make(appliance).status_code == 200
    yield tone(440)
    ask(appliance, "DELETE", "/v1/voices/Narrator")


def tone(hz: float, seconds: float = 1.5, level: float = 0.3) -> np.ndarray:
    return np.rint(level * 32767 * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)).astype(
        np.int16
    )


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV")
    return file.getvalue()


def ask(appliance, method: str, path: str, who: str = "anna", **options):
    headers = {"X-API-Key": KEYS[who]}
    return appliance.http.request(method, appliance.url("tts", path), headers=headers, **options)


def make(appliance, who: str = "anna", clip: bytes | None = None, **fields):
    files = {"file": ("clip.wav", wav(tone(440)) if clip is None else clip)}
    return ask(appliance, "POST", "/v1/voices", who, data=NAMED | fields, files=files)


def error(reply) -> tuple[int, str, str | None]:
    return reply.status_code, reply.json()["error"]["code"], reply.json()["error"]["param"]


def heard(audio: bytes) -> np.ndarray:
    return soundfile.read(io.BytesIO(audio), dtype="int16")[0]


def speech(appliance, who: str = "anna", voice: str = "narrator", **fields):
    body = {"input": "Good morning.", "voice": voice, "response_format": "wav"} | fields
    return ask(appliance, "POST", "/v1/audio/speech", who, json=body)


def batch(appliance, **fields) -> np.ndarray:
    (result,) = ask(appliance, "POST", "/generate_batch", json={"texts": ["Good morning."]} | fields).json()[
        "results"
    ]
    return heard(base64.b64decode(result["audio"]))


def test_every_endpoint_that_speaks_speaks_with_it(appliance, narrator):
    assert np.array_equal(batch(appliance, voice="Narrator"), narrator)
    assert np.array_equal(heard(speech(appliance).content), narrator)
    assert np.array_equal(heard(speech(appliance, voice={"id": "Narrator"}).content), narrator)
    spoken = ask(appliance, "POST", "/v1/tts", json={"text": "Hello.", "voice": "Narrator"}).json()
    assert (spoken["model"], spoken["voice"]) == ("cloner/parrot", "Narrator")
    assert np.array_equal(heard(base64.b64decode(spoken["audio"])), narrator)
    path = "/v1/text-to-speech/Narrator?output_format=pcm_24000"
    theirs = ask(appliance, "POST", path, json={"text": "Hello."}).content
    assert np.array_equal(np.frombuffer(theirs, "<i2"), narrator)


def test_a_job_of_its_owner_may_name_it_too(appliance, narrator):
    job = {"model_type": "cloner", "payload": {"text": "Hello.", "voice": "narrator"}}
    pcm = b"".join(getattr(event, "pcm", b"") for event in appliance.jobs.stream([job], owner="anna"))
    assert np.array_equal(np.frombuffer(pcm, "<i2"), narrator)


def test_it_is_listed_for_its_owner_with_what_it_was_made_of(appliance, narrator):
    (listed,) = (
        each for each in ask(appliance, "GET", "/v1/voices").json()["voices"] if each["category"] == "cloned"
    )
    assert (listed["id"], listed["voice_id"], listed["model"]) == ("Narrator", "Narrator", "cloner/parrot")
    assert (listed["languages"], listed["description"]) == (["en"], "a tone")
    assert "Narrator" in [each["id"] for each in ask(appliance, "GET", "/v1/audio/voices").json()["voices"]]
    one = ask(appliance, "GET", "/v1/voices/narrator").json()
    assert {name: one[name] for name in NAMED if name != "language"} == {
        name: text for name, text in NAMED.items() if name != "language"
    }
    assert one["duration_s"] == 1.5


def test_for_another_key_it_does_not_exist(appliance, narrator):
    assert error(speech(appliance, "bert")) == (400, "unknown_voice", "voice")
    assert error(ask(appliance, "GET", "/v1/voices/Narrator", "bert"))[:2] == (404, "not_found")
    assert error(ask(appliance, "DELETE", "/v1/voices/Narrator", "bert"))[:2] == (404, "not_found")
    listed = ask(appliance, "GET", "/v1/voices", "bert").json()["voices"]
    assert "cloned" not in {each["category"] for each in listed}
    assert make(appliance, "bert", wav(tone(880))).status_code == 200
    assert np.array_equal(heard(speech(appliance, "bert").content), tone(880))
    assert np.array_equal(heard(speech(appliance).content), narrator)
    ask(appliance, "DELETE", "/v1/voices/Narrator", "bert")


def test_a_voice_that_was_removed_speaks_no_more_and_one_made_anew_is_another(appliance, narrator):
    fields = {"text": "Once more.", "voice": "Narrator"}
    ask(appliance, "POST", "/v1/tts", json=fields)
    assert ask(appliance, "POST", "/v1/tts", json=fields).json()["cached"] is True
    assert ask(appliance, "DELETE", "/v1/voices/Narrator").json()["deleted"] is True
    assert error(ask(appliance, "POST", "/v1/tts", json=fields)) == (422, "unknown_voice", "voice")
    assert make(appliance, clip=wav(tone(220))).status_code == 200
    anew = ask(appliance, "POST", "/v1/tts", json=fields).json()
    assert anew["cached"] is False
    assert np.array_equal(heard(base64.b64decode(anew["audio"])), tone(220))


def test_json_with_base64_is_as_good_as_a_form(appliance):
    body = NAMED | {"name": "by-json", "audio": base64.b64encode(wav(tone(330))).decode()}
    made = ask(appliance, "POST", "/v1/voices", json=body)
    assert (made.status_code, made.json()["id"]) == (200, "by-json")
    assert np.array_equal(batch(appliance, voice="by-json"), tone(330))
    ask(appliance, "DELETE", "/v1/voices/by-json")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": ""}, (422, "invalid_request", "name")),
        ({"name": "../../etc"}, (422, "invalid_request", "name")),
        ({"name": "default"}, (422, "invalid_request", "name")),
        ({"name": "Alloy"}, (422, "invalid_request", "name")),
        ({"name": "de"}, (422, "invalid_request", "name")),
        ({"consent": "  "}, (422, "invalid_request", "consent")),
        ({"consent": "true"}, (422, "invalid_request", "consent")),
        ({"reference_text": ""}, (422, "invalid_request", "reference_text")),
        ({"more": "x"}, (422, "invalid_request", "more")),
        ({"clip": b""}, (422, "unsupported_audio", "file")),
        ({"clip": b"no audio at all"}, (422, "unsupported_audio", "file")),
        ({"clip": wav(tone(440, 0.5))}, (422, "invalid_request", "file")),
        ({"clip": wav(tone(440, 61))}, (413, "audio_too_long", "file")),
        ({"clip": wav(tone(440, level=0))}, (422, "invalid_request", "file")),
    ],
)
def test_what_can_be_no_voice_is_refused_by_its_field(appliance, fields, expected):
    assert error(make(appliance, **fields)) == expected
    cloned = [
        each for each in ask(appliance, "GET", "/v1/voices").json()["voices"] if each["category"] == "cloned"
    ]
    assert cloned == []


@pytest.mark.parametrize("field", ["name", "reference_text", "consent"])
def test_what_is_needed_is_asked_for(appliance, field):
    fields = {name: text for name, text in NAMED.items() if name != field}
    reply = ask(appliance, "POST", "/v1/voices", data=fields, files={"file": ("a.wav", wav(tone(440)))})
    assert error(reply) == (422, "invalid_request", field)


def test_a_name_is_taken_once(appliance, narrator):
    assert error(make(appliance, name="NARRATOR")) == (409, "conflict", "name")


def test_without_a_key_there_is_nothing(appliance):
    for method, path in (("POST", "/v1/voices"), ("GET", "/v1/voices/x"), ("DELETE", "/v1/voices/x")):
        assert appliance.http.request(method, appliance.url("tts", path)).status_code == 401


def test_a_model_that_cannot_clone_says_so(appliance, narrator):
    reply = ask(
        appliance,
        "POST",
        "/generate_batch",
        json={"texts": ["Hi."], "voice": "Narrator", "model": "espeak-ng"},
    )
    assert error(reply) == (422, "invalid_request", "voice")
    assert "cannot clone" in reply.json()["error"]["message"]


def own_clip(appliance, **fields):
    body = {"texts": ["One.", "Two."], "reference_audio": base64.b64encode(wav(tone(550))).decode()}
    return ask(appliance, "POST", "/generate_batch", json=body | fields)


def test_a_batch_may_bring_a_clip_of_its_own_that_is_not_kept(appliance):
    results = own_clip(appliance, reference_text="So it is.", batch=True).json()["results"]
    for result in results:
        assert np.array_equal(heard(base64.b64decode(result["audio"])), tone(550))
    assert list((appliance.folder / "uploads").iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"reference_audio": ""}, (422, "invalid_request", "reference_audio")),
        ({"reference_audio": "*"}, (400, "malformed_body", "reference_audio")),
        ({"reference_audio": "bm8gYXVkaW8="}, (422, "unsupported_audio", "reference_audio")),
        ({"reference_audio": None, "reference_text": "So."}, (422, "invalid_request", "reference_text")),
        ({"reference_audio": None, "x_vector_only": True}, (422, "invalid_request", "x_vector_only")),
        ({"voice": "de"}, (422, "invalid_request", "reference_audio")),
        ({"model": "espeak-ng"}, (422, "invalid_request", "reference_audio")),
        ({"x_vector_only": True}, (422, "invalid_request", "x_vector_only")),
    ],
)
def test_what_is_wrong_with_a_batchs_clip_is_refused_by_its_field(appliance, fields, expected):
    assert error(own_clip(appliance, **fields)) == expected
    assert list((appliance.folder / "uploads").iterdir()) == []
