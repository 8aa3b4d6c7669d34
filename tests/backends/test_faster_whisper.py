"""The backend faster_whisper on a tiny random checkpoint: the contract, long recordings, what it needs."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import soundfile

from servers.backends._whisper import chunks, transcription
from servers.backends._whisper.options import WhisperOptions, WhisperRequest
from servers.backends._whisper.recogniser import Recogniser
from servers.backends.base import About
from servers.backends.faster_whisper import FasterWhisper
from servers.errors import (
    InvalidRequest,
    MissingExtra,
    ModelLoadFailed,
    NothingRecognised,
    UnsupportedAudio,
)
from servers.settings import ROOT
from servers.speech import AlignRequest, ModelSpec, Transcript
from tests.backends import tiny_whisperx

from .conftest import Spoken
from .contract import BackendContract, Bad, Good, items, result

TEXT = "Good morning, and welcome. We have three things to talk about."
QUIET_S = 28
TOKENS = 12


def spec(checkpoint: Path, **options: object) -> ModelSpec:
    usual = {"checkpoint": checkpoint, "compute_type": "float32", "max_new_tokens": TOKENS, "cpu_threads": 1}
    return ModelSpec(backend="faster_whisper", name="tiny", options=usual | {"beam_size": 2} | options)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for module in ("faster_whisper", "transformers"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"needs faster_whisper, and transformers to make a checkpoint: {module} is missing")
    return tiny_whisperx.whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def loaded(checkpoint: Path) -> tuple[FasterWhisper, About]:
    backend = FasterWhisper()
    return backend, backend.load(spec(checkpoint), "cpu")


@pytest.fixture
def backend(loaded: tuple[FasterWhisper, About]) -> FasterWhisper:
    return loaded[0]


@pytest.fixture
def about(loaded: tuple[FasterWhisper, About]) -> About:
    return loaded[1]


@pytest.fixture(scope="module")
def greeting(speak) -> Spoken:
    return speak(TEXT)


@pytest.fixture(scope="module")
def other(speak) -> Spoken:
    return speak("It rained all day.")


@pytest.fixture(scope="module")
def long(greeting: Spoken, other: Spoken, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three things that are said so far apart that no chunk of 30 s has two of them."""
    first, rate = soundfile.read(greeting.path, dtype="int16")
    last, _ = soundfile.read(other.path, dtype="int16")
    path = tmp_path_factory.mktemp("long") / "long.wav"
    quiet = np.zeros(QUIET_S * rate, np.int16)
    soundfile.write(path, np.concatenate([first, quiet, first, quiet, last]), rate)
    return path


def transcribed(backend: FasterWhisper, path: Path, **wanted: object) -> Transcript:
    return result(backend, "transcribe", WhisperRequest.model_validate({"audio_path": path} | wanted))


class TestFasterWhisper(BackendContract):
    kind: ClassVar = FasterWhisper

    @pytest.fixture
    def good(self, greeting: Spoken, other: Spoken) -> Good:
        spoken = (greeting, other)
        return {
            "transcribe": [WhisperRequest(audio_path=each.path) for each in spoken],
            "align": [AlignRequest(audio_path=each.path, text=TEXT) for each in spoken],
        }

    @pytest.fixture
    def bad(self, greeting: Spoken, tmp_path: Path) -> Bad:
        path, no_audio, brief = greeting.path, tmp_path / "no.wav", tmp_path / "brief.wav"
        no_audio.write_text("not audio at all")
        soundfile.write(brief, np.zeros(800, np.int16), 16_000)

        def request(**wanted: object) -> WhisperRequest:
            return WhisperRequest.model_validate({"audio_path": path} | wanted)

        return [
            ("transcribe", request(audio_path=no_audio), UnsupportedAudio, "audio_path"),
            ("transcribe", request(language="xx"), InvalidRequest, "language"),
            ("transcribe", request(translate=True, words=True), InvalidRequest, "words"),
            ("transcribe", request(diarize=True), InvalidRequest, "diarize"),
            ("align", AlignRequest(audio_path=no_audio, text="Hi."), UnsupportedAudio, "audio_path"),
            ("align", AlignRequest(audio_path=path, text="Hi.", language="xx"), InvalidRequest, "language"),
            ("align", AlignRequest(audio_path=path, text="— 🙂"), InvalidRequest, "text"),
            ("align", AlignRequest(audio_path=path, text=TEXT * 60), InvalidRequest, "text"),
            ("align", AlignRequest(audio_path=brief, text="Hi."), InvalidRequest, "text"),
        ]


def test_it_knows_whispers_languages_by_their_tags(about):
    assert len(about.languages) >= 99
    assert {"en", "de", "zh", "jv"} <= set(about.languages)


@pytest.mark.parametrize("language", ["en", "de", "zh", "auto"])
def test_a_text_is_aligned_word_for_word_in_every_language(backend, greeting, language):
    text = "你好 世界" if language == "zh" else "His name — Thomas — was 45. 🙂"
    request = AlignRequest(audio_path=greeting.path, text=text, language=language)
    found = result(backend, "align", request)
    written = list("你好世界") if language == "zh" else text.split()
    assert [word.word for word in found.words] == written
    assert [word.word for word in found.words if word.interpolated] == [
        word for word in written if word in "—🙂"
    ]
    assert found.text == text
    assert found.score is not None


def test_a_long_recording_is_aligned_stretch_by_stretch(backend, long, greeting):
    text = f"{TEXT} {TEXT} It rained all day."
    *progress, found = items(backend, "align", AlignRequest(audio_path=long, text=text))
    assert len(progress) >= 3
    assert [word.word for word in found.words] == text.split()
    speech = [(0.0, greeting.duration_s)]
    for _ in range(2):
        speech.append((speech[-1][1] + QUIET_S, speech[-1][1] + QUIET_S + greeting.duration_s))
    near_s = 1.0  # what a detector of speech leaves around it
    assert all(
        any(start - near_s <= word.start <= end + near_s for start, end in speech) for word in found.words
    )
    assert found.words[-1].start > speech[1][1]


def test_a_recording_longer_than_a_block_is_heard_as_at_once(backend, long, monkeypatch):
    at_once = transcribed(backend, long, language="en")
    assert len(at_once.segments) >= 3
    monkeypatch.setattr(transcription, "VAD_BLOCK_S", 35.0)
    assert transcribed(backend, long, language="en").text == at_once.text


def test_a_transcript_has_words_with_times_without_an_alignment_model(backend, greeting):
    for language in ("en", "fr"):
        found = transcribed(backend, greeting.path, language=language)
        assert [word.word for word in found.words] == found.text.split()
    assert transcribed(backend, greeting.path, words=False).words == ()
    assert transcribed(backend, greeting.path, translate=True).words == ()


def test_several_recordings_share_batches_and_are_heard_as_each_alone(backend, greeting, other, long):
    paths = [greeting.path, long, other.path]
    requests = [WhisperRequest(audio_path=path) for path in paths]
    together = {index: item for index, item in backend.transcribe(requests) if isinstance(item, Transcript)}
    assert [together[index].text for index in range(3)] == [transcribed(backend, path).text for path in paths]


def test_on_a_cpu_the_first_are_answered_before_the_last_are_heard(backend, greeting, monkeypatch):
    decoded = []
    decode = Recogniser.decode
    monkeypatch.setattr(Recogniser, "decode", lambda *a: decoded.append(len(a[1])) or decode(*a))
    known = {
        index: list(decoded)
        for index, item in backend.transcribe([WhisperRequest(audio_path=greeting.path, language="en")] * 4)
        if isinstance(item, Transcript)
    }
    assert known == {0: [2], 1: [2], 2: [2, 2], 3: [2, 2]}


def test_prompt_and_temperature_reach_the_model(backend, greeting):
    plain = transcribed(backend, greeting.path, words=False).text
    assert transcribed(backend, greeting.path, words=False, prompt="Skylark, Wickhambly").text != plain
    assert transcribed(backend, greeting.path, words=False, temperature=1.0).text != plain


def test_a_loud_recording_of_which_nothing_was_recognised_is_an_error(backend, greeting, monkeypatch):
    decode = backend._model.recogniser.decode

    def nothing(samples, options):
        return [each.__class__("", 0.0, 0.0, 0.0) for each in decode(samples, options)]

    monkeypatch.setattr(backend._model.recogniser, "decode", nothing)
    with pytest.raises(NothingRecognised, match="somebody speaks for"):
        transcribed(backend, greeting.path)


def test_loud_noise_in_which_nobody_speaks_is_an_error_and_silence_is_none(backend, tmp_path):
    noise, silence = tmp_path / "noise.wav", tmp_path / "silence.wav"
    soundfile.write(noise, np.random.default_rng(0).normal(0, 0.1, 32_000), 16_000)
    soundfile.write(silence, np.zeros(32_000, np.int16), 16_000)
    with pytest.raises(NothingRecognised, match="nobody is heard to speak") as raised:
        transcribed(backend, noise)
    assert raised.value.param == "audio_path"
    assert transcribed(backend, silence).text == ""


def test_torch_is_not_imported(checkpoint, greeting):
    code = f"""
import sys
from pathlib import Path
from servers.backends._whisper.options import WhisperOptions, WhisperRequest
from servers.backends._whisper.recogniser import Recogniser
from servers.backends.faster_whisper import FasterWhisper
from servers.speech import AlignRequest, ModelSpec
backend = FasterWhisper()
options = {{"checkpoint": {str(checkpoint)!r}, "max_new_tokens": 4, "cpu_threads": 1}}
backend.load(ModelSpec(backend="faster_whisper", name="tiny", options=options), "cpu")
backend.warm_up("Hello.")
path = Path({str(greeting.path)!r})
list(backend.transcribe([WhisperRequest(audio_path=path, language="auto")]))
list(backend.align([AlignRequest(audio_path=path, text="Good morning.")]))
assert not {{"torch", "whisperx", "transformers"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=300)


def test_without_the_package_the_error_names_the_extra(checkpoint, monkeypatch):
    monkeypatch.setattr("servers.extras.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match="'faster-whisper' is not installed"):
        FasterWhisper().load(spec(checkpoint), "cpu")


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json", "config.json"])
def test_a_checkpoint_that_lacks_a_file_says_which_and_what_mends_it(checkpoint, tmp_path, name):
    for file in checkpoint.iterdir():
        if file.name != name:
            (tmp_path / file.name).symlink_to(file)
    with pytest.raises(ModelLoadFailed, match=f"lacks {name}.*models.yaml"):
        FasterWhisper().load(spec(tmp_path), "cpu")


def test_a_device_that_is_not_there_lists_those_that_are(checkpoint):
    with pytest.raises(ModelLoadFailed, match="possible here are cpu"):
        FasterWhisper().load(spec(checkpoint), "cuda:63")


def test_how_much_is_decoded_at_once_is_the_devices_unless_it_is_said():
    assert WhisperOptions(checkpoint="a").chunks_at_once("cuda") == 16
    assert WhisperOptions(checkpoint="a", batch_size=5).chunks_at_once("cpu") == 5


def test_what_is_read_at_once_is_more_than_a_window():
    assert transcription.VAD_BLOCK_S * chunks.SAMPLE_RATE > 2 * chunks.LONGEST
