"""Riva's protocol over a real engine: what is sent, how loud, and what is said of what is not possible."""

import base64
import io
from hashlib import sha256

import grpc
import numpy as np
import pytest
import soundfile

from servers.catalog import Catalog
from servers.cloned_voices import ClonedVoices
from servers.jobs.client import JobsClient
from servers.jobs.requests import Requests
from servers.rpc.riva import riva_tts_pb2 as wire
from servers.rpc.riva.riva_audio_pb2 import ENCODING_UNSPECIFIED, FLAC, LINEAR_PCM, OGGOPUS
from servers.rpc.riva.riva_tts_pb2_grpc import (
    RivaSpeechSynthesisStub,
    add_RivaSpeechSynthesisServicer_to_server,
)
from servers.rpc.riva.service import RivaService
from servers.rpc.threads import Server
from servers.rpc.voice_loudness import VoiceLoudness
from servers.settings import ROOT, Limits, Rpc
from tests.acceptance.processes import eventually
from tests.rpc.worker import CALL_S

from .stock import stock

TEXT = "Good morning! Your order has left our house today; it should be with you on Thursday."
LONG = "This sentence is said again and again until nobody listens to it any more. "
MODEL = "espeak/espeak-ng"
ALIKE = 0.02


@pytest.fixture(scope="module")
def stub(worker):
    return RivaSpeechSynthesisStub(worker.channel)


def asked(text=TEXT, **fields):
    return wire.SynthesizeSpeechRequest(text=text, **{"language_code": "en-US", **fields})


def whole(stub, text=TEXT, **fields):
    return stub.Synthesize(asked(text, **fields), timeout=CALL_S)


def online(stub, *requests):
    return list(stub.SynthesizeOnline(iter(requests), timeout=CALL_S))


def joined(responses):
    return b"".join(response.audio for response in responses)


def samples(audio):
    return np.frombuffer(audio, "<i2")


def loudness_ratio(one, other):
    """Of the same speech; None where it is not. espeak-ng's is never the same to the sample, nor as long."""
    one, other = samples(one), samples(other)
    return np.std(one) / np.std(other) if len(one) == pytest.approx(len(other), rel=ALIKE) else None


SAME = pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("rate", [8_000, 11_025, 48_000])
def test_samples_come_at_the_rate_that_was_asked_for(stub, rate):
    own = samples(whole(stub, encoding=LINEAR_PCM, sample_rate_hz=22_050).audio)
    made = samples(whole(stub, encoding=LINEAR_PCM, sample_rate_hz=rate).audio)
    streamed = samples(joined(online(stub, asked(encoding=LINEAR_PCM, sample_rate_hz=rate))))
    assert len(made) / rate == pytest.approx(len(own) / 22_050, rel=ALIKE)
    assert len(streamed) == pytest.approx(len(made), rel=ALIKE)


def test_without_a_rate_and_an_encoding_they_are_the_models_own(stub):
    unsaid = whole(stub, encoding=ENCODING_UNSPECIFIED)
    assert loudness_ratio(unsaid.audio, whole(stub, encoding=LINEAR_PCM, sample_rate_hz=22_050).audio) == SAME


@pytest.mark.parametrize("rate", [8_000, 24_000])
def test_opus_is_one_file_whether_it_comes_whole_or_as_it_is_made(stub, rate):
    request = asked(encoding=OGGOPUS, sample_rate_hz=rate)
    streamed = joined(online(stub, request, request))
    spoken_s = len(samples(whole(stub, sample_rate_hz=48_000).audio)) / 48_000
    for audio, times in ((whole(stub, encoding=OGGOPUS, sample_rate_hz=rate).audio, 1), (streamed, 2)):
        decoded, decoded_rate = soundfile.read(io.BytesIO(audio))
        assert decoded_rate == rate
        assert len(decoded) / rate == pytest.approx(times * spoken_s, rel=ALIKE)


@pytest.mark.parametrize(
    ("voice", "language", "rate"), [("", "en-US", 16_000), ("en-GB", "en-US", 48_000), ("", "ja", 22_050)]
)
def test_it_is_as_loud_as_the_settings_say(stub, voice, language, rate):
    pyloudnorm = pytest.importorskip("pyloudnorm")
    meter = pyloudnorm.Meter(rate)
    fields = {"voice_name": voice, "language_code": language, "sample_rate_hz": rate}
    one_shot = samples(whole(stub, **fields).audio)
    streamed = samples(joined(online(stub, asked(**fields))))
    assert meter.integrated_loudness(one_shot / 32768) == pytest.approx(-16, abs=1)
    assert meter.integrated_loudness(streamed / 32768) == pytest.approx(-16, abs=1)


def test_words_have_their_times_over_all_texts_of_a_stream(stub):
    fields = {"sample_rate_hz": 16_000, "enable_word_time_offsets": True}
    responses = online(stub, asked("Good morning!", **fields), asked("This is it.", **fields))
    words = [word for response in responses for word in response.meta.words]
    assert [word.word for word in words] == ["Good", "morning!", "This", "is", "it."]
    times = [time for word in words for time in (word.start_time, word.end_time)]
    assert times == sorted(times)
    assert times[-1] <= len(joined(responses)) / 2 / 16
    assert not whole(stub, "Good morning!").meta.words


def test_a_request_gets_its_id_back(stub):
    request = asked("Hi.")
    request.id.value = "abc"
    assert stub.Synthesize(request, timeout=CALL_S).id.value == "abc"
    assert {response.id.value for response in online(stub, request)} == {"abc"}


def test_a_voice_is_named_by_our_name_for_it_or_as_the_list_has_it(stub):
    listed = stub.GetRivaSynthesisConfig(wire.RivaSynthesisConfigRequest(), timeout=CALL_S).model_config
    german = next(each.parameters for each in listed if each.parameters["language_code"] == "de")
    assert (german["voice_name"], german["subvoices"]) == (MODEL, "de:0")
    listed_voice, ours = whole(stub, voice_name=f"{MODEL}.de").audio, whole(stub, voice_name="de").audio
    the_models, nobodys = whole(stub, voice_name=MODEL).audio, whole(stub).audio
    assert loudness_ratio(listed_voice, ours) == SAME
    assert loudness_ratio(the_models, nobodys) == SAME
    assert loudness_ratio(ours, nobodys) is None


def test_the_list_is_of_one_model_where_that_is_asked_for(stub):
    request = wire.RivaSynthesisConfigRequest(model_name=MODEL)
    assert {
        each.model_name for each in stub.GetRivaSynthesisConfig(request, timeout=CALL_S).model_config
    } == {MODEL}
    with pytest.raises(grpc.RpcError) as refused:
        stub.GetRivaSynthesisConfig(wire.RivaSynthesisConfigRequest(model_name="Magpie"), timeout=CALL_S)
    assert MODEL in refused.value.details()


REFUSED = [
    ({"text": ""}, "text", "empty"),
    ({"text": " … "}, "text", "no words"),
    ({"text": "<speak>Hi.</speak>"}, "text", "SSML"),
    ({"text": "x" * 200_000}, "text", "at most 20000"),
    ({"text": "a\0b"}, "text", "NUL"),
    ({"voice_name": "Magpie-Multilingual.EN-US.Leo"}, "voice_name", "possible are en-US"),
    ({"voice_name": f"{MODEL}.nobody"}, "voice_name", "near it are Andy"),
    ({"language_code": "tlh"}, "language_code", "near it"),
    ({"sample_rate_hz": 4_000}, "sample_rate_hz", "8000 to 48000"),
    ({"sample_rate_hz": 96_000}, "sample_rate_hz", "8000 to 48000"),
    ({"sample_rate_hz": -1}, "sample_rate_hz", "8000 to 48000"),
    ({"sample_rate_hz": 22_050, "encoding": OGGOPUS}, "sample_rate_hz", "8000, 12000, 16000, 24000, 48000"),
    ({"encoding": FLAC}, "encoding", "LINEAR_PCM and OGGOPUS"),
    ({"encoding": 77}, "encoding", "LINEAR_PCM and OGGOPUS"),
    ({"zero_shot_data": wire.ZeroShotData(audio_prompt=b"RIFF")}, "zero_shot_data", "POST /v1/voices"),
    ({"custom_dictionary": "NVIDIA  ɛnvɪdiʌ"}, "custom_dictionary", "as it is to be spoken"),
    ({"custom_configuration": {"a": "b"}}, "custom_configuration", "voice_name"),
]


@pytest.mark.parametrize(("fields", "param", "said"), REFUSED)
def test_what_is_not_possible_is_refused_with_what_is(stub, fields, param, said):
    for call in (lambda: whole(stub, **fields), lambda: online(stub, asked(**fields))):
        with pytest.raises(grpc.RpcError) as refused:
            call()
        status = grpc.StatusCode.NOT_FOUND if param == "voice_name" else grpc.StatusCode.INVALID_ARGUMENT
        assert refused.value.code() == status
        assert said in refused.value.details()
        assert dict(refused.value.trailing_metadata())["error-param"] == param


def test_a_stream_keeps_its_encoding(stub):
    with pytest.raises(grpc.RpcError) as refused:
        online(stub, asked(sample_rate_hz=16_000), asked(sample_rate_hz=24_000))
    assert dict(refused.value.trailing_metadata())["error-param"] == "sample_rate_hz"


def test_a_stream_without_texts_ends_without_audio(stub):
    assert online(stub) == []


class Recorded(Requests):
    """Keeps the ids of the jobs that it submits."""

    job_ids: list[str] = []  # noqa: RUF012 - of the only one

    def submit(self, *arguments, **options):
        request = super().submit(*arguments, **options)
        self.job_ids[:] = request.job_ids
        return request


@pytest.fixture(scope="module")
def keyed(worker):
    """The service alone, over the same engine, for those who have a key."""
    folder, own = worker.engine.data_dir, Rpc(model_type=("espeak",), loudness="none")
    catalog = Catalog.load(ROOT / "config" / "models.example.yaml")
    client = JobsClient(folder / "engine.sock", data_dir=folder)
    door = Recorded(client, catalog, own, Limits(), ClonedVoices(folder, 10))
    loudness = VoiceLoudness(door, folder, folder)
    service = RivaService(door, loudness, own, [("ours", sha256(b"secret").hexdigest())])
    server = Server(4, ())
    server.add(add_RivaSpeechSynthesisServicer_to_server, service)
    port = server.aio.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield RivaSpeechSynthesisStub(channel)
    server.stop(0)
    client.close()


@pytest.mark.parametrize("metadata", [("authorization", "Bearer secret"), ("x-api-key", "secret")])
def test_a_key_is_metadata(keyed, metadata):
    spoken = keyed.Synthesize(asked(), timeout=CALL_S, metadata=[metadata, ("function-id", "any")])
    assert spoken.audio


@pytest.mark.parametrize("metadata", [[], [("authorization", "Bearer another")]])
def test_without_a_key_nothing_is_spoken_but_the_list_is_there(keyed, metadata):
    """Agents ask for the list without the key that they have."""
    for call in (
        lambda: keyed.Synthesize(asked(), timeout=CALL_S, metadata=metadata),
        lambda: list(keyed.SynthesizeOnline(iter([asked()]), timeout=CALL_S, metadata=metadata)),
    ):
        with pytest.raises(grpc.RpcError) as refused:
            call()
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
    request = wire.RivaSynthesisConfigRequest()
    assert keyed.GetRivaSynthesisConfig(request, timeout=CALL_S, metadata=metadata).model_config


def test_the_jobs_of_a_client_that_goes_away_are_cancelled(worker, keyed):
    request, key = asked(LONG * 250), [("x-api-key", "secret")]
    call = keyed.SynthesizeOnline(iter([request]), timeout=CALL_S, metadata=key)
    next(call)
    call.cancel()
    last, get = Recorded.job_ids[-1], worker.engine.client.get
    eventually(lambda: get(last)["status"] not in ("queued", "running"), "the last job has ended")
    assert get(last)["status"] == "cancelled"


def test_without_levelling_it_is_as_loud_as_its_model_speaks(stub, keyed):
    key = [("x-api-key", "secret")]
    request = asked(sample_rate_hz=22_050)
    whole_audio = keyed.Synthesize(request, timeout=CALL_S, metadata=key).audio
    streamed = joined(keyed.SynthesizeOnline(iter([request]), timeout=CALL_S, metadata=key))
    assert loudness_ratio(whole_audio, streamed) == SAME
    assert loudness_ratio(whole(stub, sample_rate_hz=22_050).audio, whole_audio) > 1.2


def test_their_client_speaks_with_a_voice_that_it_was_told_of(worker):
    heard = stock("speak", f"127.0.0.1:{worker.port}")
    assert heard["voice"].startswith("espeak/espeak-ng.")
    assert [word for word, _, _ in heard["words"]] == [
        "Good",
        "morning!",
        "This",
        "is",
        "the",
        "first",
        "test.",
    ]
    starts = [start for _, start, _ in heard["words"]]
    assert starts == sorted(starts)
    assert heard["words"][-1][2] <= 1000 * heard["whole_s"]
    online = np.frombuffer(base64.b64decode(heard["online"]), "<i2")
    assert len(online) / 16000 > heard["whole_s"]
    assert np.abs(online).max() > 3000
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(heard["opus"])))
    assert rate == 24000
    assert len(samples) / rate == pytest.approx(heard["whole_s"], rel=0.02)
    code, message = heard["refusal"]
    assert code == "NOT_FOUND"
    assert "possible are en-US" in message
