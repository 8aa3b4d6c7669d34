"""The whisperx backend on tiny random checkpoints: the contract, and what the package itself answers."""

from __future__ import annotations

import socket
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from servers.audio.files import read
from servers.backends._whisper import transcription
from servers.backends._whisper.options import WhisperRequest
from servers.backends.base import About
from servers.backends.whisperx import Whisperx
from servers.errors import InvalidRequest, OutOfMemory, SkylarkError, UnsupportedAudio
from servers.speech import AlignRequest, Progress, Transcript
from servers.text.alignment import text_score

from .conftest import PARAGRAPH, Spoken, WhisperxFolders
from .contract import BackendContract, Bad, Good, items, result

TEXT = "Good morning, and welcome. We have three things to talk about."


@pytest.fixture
def backend(loaded_whisperx: tuple[Whisperx, About]) -> Whisperx:
    return loaded_whisperx[0]


@pytest.fixture
def about(loaded_whisperx: tuple[Whisperx, About]) -> About:
    return loaded_whisperx[1]


@pytest.fixture(scope="session")
def greeting(speak: Callable[[str], Spoken]) -> Spoken:
    return speak(TEXT)


@pytest.fixture(scope="session")
def other(speak: Callable[[str], Spoken]) -> Spoken:
    return speak("It rained all day.")


@pytest.fixture(scope="session")
def long(greeting: Spoken, other: Spoken, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three things that are said so far apart that no chunk of 30 s has two of them."""
    first, rate = soundfile.read(greeting.path, dtype="int16")
    last, _ = soundfile.read(other.path, dtype="int16")
    path = tmp_path_factory.mktemp("long") / "long.wav"
    quiet = np.zeros(28 * rate, np.int16)
    soundfile.write(path, np.concatenate([first, quiet, first, quiet, last]), rate)
    return path


def silence(path: Path, seconds: float) -> Path:
    soundfile.write(path, np.zeros(int(seconds * 16000), np.int16), 16000)
    return path


def transcribed(backend: Whisperx, path: Path, **wanted: object) -> Transcript:
    return result(backend, "transcribe", WhisperRequest.model_validate({"audio_path": path} | wanted))


class TestWhisperx(BackendContract):
    kind = Whisperx

    @pytest.fixture
    def good(self, greeting: Spoken, other: Spoken) -> Good:
        spoken = (greeting, other)
        return {
            "transcribe": [WhisperRequest(audio_path=each.path) for each in spoken],
            "align": [AlignRequest(audio_path=each.path, text=TEXT) for each in spoken],
        }

    @pytest.fixture
    def bad(self, greeting: Spoken, tmp_path: Path) -> Bad:
        path, no_audio = greeting.path, tmp_path / "no.wav"
        no_audio.write_text("not audio at all")
        brief = silence(tmp_path / "brief.wav", 0.05)

        def request(**wanted: object) -> WhisperRequest:
            return WhisperRequest.model_validate({"audio_path": path} | wanted)

        return [
            ("transcribe", request(audio_path=no_audio), UnsupportedAudio, "audio_path"),
            ("transcribe", request(audio_path=tmp_path / "nothing.wav"), UnsupportedAudio, "audio_path"),
            ("transcribe", request(language="xx"), InvalidRequest, "language"),
            ("transcribe", request(translate=True, words=True), InvalidRequest, "words"),
            ("transcribe", request(diarize=True), InvalidRequest, "diarize"),
            ("transcribe", request(max_speakers=2), InvalidRequest, "max_speakers"),
            ("align", AlignRequest(audio_path=no_audio, text="Hi."), UnsupportedAudio, "audio_path"),
            ("align", AlignRequest(audio_path=path, text="Hi.", language="xx"), InvalidRequest, "language"),
            ("align", AlignRequest(audio_path=path, text="— 🙂"), InvalidRequest, "text"),
            ("align", AlignRequest(audio_path=path, text="你好"), InvalidRequest, "text"),
            ("align", AlignRequest(audio_path=path, text=TEXT * 30), InvalidRequest, "text"),
            ("align", AlignRequest(audio_path=brief, text="Hi."), InvalidRequest, "text"),
        ]


def test_it_recognises_what_whisperx_does(backend, whisperx_folders: WhisperxFolders, paragraph):
    import whisperx

    theirs = whisperx.load_model(
        str(whisperx_folders.whisper),
        "cpu",
        compute_type="float32",
        asr_options={"beam_size": 2},
        language="en",
    )
    theirs.model.max_length = 4 + whisperx_folders.tokens  # the prompt has four
    expected = theirs.transcribe(read(paragraph.path, 16000)[0], batch_size=4)["segments"]
    found = transcribed(backend, paragraph.path, language="en", words=False).segments
    assert [segment.text for segment in found] == [segment["text"].strip() for segment in expected]
    for segment, each in zip(found, expected, strict=True):
        assert (segment.start, segment.end) == pytest.approx((each["start"], each["end"]), abs=0.05)
        assert segment.avg_logprob == pytest.approx(each["avg_logprob"], abs=0.02)


def test_it_aligns_as_whisperx_does(backend, whisperx_folders: WhisperxFolders, greeting, monkeypatch):
    import nltk
    import whisperx

    monkeypatch.setattr(nltk.data, "path", [str(whisperx_folders.punkt)])
    text = "good morning and welcome we have three things to talk about"  # no mark for either to place
    samples, _ = read(greeting.path, 16000)
    model, metadata = whisperx.load_align_model("en", "cpu", model_name=str(whisperx_folders.english))
    segment = {"text": text, "start": 0.0, "end": len(samples) / 16000}
    expected = whisperx.align([segment], model, metadata, samples, "cpu")["word_segments"]
    found = result(backend, "align", AlignRequest(audio_path=greeting.path, text=text)).words
    assert [word.word for word in found] == [word["word"] for word in expected]
    for word, each in zip(found, expected, strict=True):
        assert (word.start, word.end) == pytest.approx((each["start"], each["end"]), abs=0.025)
        assert word.score == pytest.approx(each["score"], abs=0.01)


def test_an_alignment_has_every_word_as_written_with_numerals_timed_and_dashes_interpolated(
    backend, paragraph
):
    text = "His name — Thomas — was 45, $45.50 in 三 years!\n\nIt said so. 🙂"
    found = result(backend, "align", AlignRequest(audio_path=paragraph.path, text=text, language="en-GB"))
    assert [word.word for word in found.words] == text.split()
    assert [word.word for word in found.words if word.interpolated] == ["—", "—", "三", "🙂"]
    assert found.score == text_score(found.words)
    assert all((word.score is None) is word.interpolated for word in found.words)
    assert (found.text, found.language) == (text, "en")
    assert found.segments[0].text.endswith("三 years!")
    assert found.duration_s == pytest.approx(paragraph.duration_s, abs=0.001)


def test_a_language_aligns_with_its_own_model(backend, greeting):
    words = {
        language: result(
            backend, "align", AlignRequest(audio_path=greeting.path, text=TEXT, language=language)
        ).words
        for language in ("en", "de")
    }
    assert words["en"] != words["de"]


def test_a_long_recording_is_aligned_block_by_block(backend, paragraph, monkeypatch):
    request = AlignRequest(audio_path=paragraph.path, text=PARAGRAPH)
    at_once = result(backend, "align", request)
    monkeypatch.setattr("servers.backends.whisperx.BLOCK_S", 6.0)
    *progress, in_blocks = items(backend, "align", request)
    assert [item.fraction * paragraph.duration_s for item in progress] == pytest.approx(
        [6, 12, 18, paragraph.duration_s], abs=0.01
    )
    assert [word.word for word in in_blocks.words] == [word.word for word in at_once.words]
    assert in_blocks.duration_s == at_once.duration_s


def test_several_recordings_are_transcribed_at_once_as_each_is_alone(
    backend, greeting, other, long, tmp_path
):
    paths = [greeting.path, silence(tmp_path / "silence.wav", 3.0), long, other.path]
    requests = [WhisperRequest(audio_path=path) for path in paths]
    together = {index: item for index, item in backend.transcribe(requests) if isinstance(item, Transcript)}
    assert [together[index] for index in range(4)] == [transcribed(backend, path) for path in paths]


def test_a_transcript_has_words_with_times_and_what_whisper_says_of_each_chunk(backend, long):
    found = transcribed(backend, long)
    assert found.words
    assert found.language == "en"
    assert found.text == " ".join(segment.text for segment in found.segments)
    assert all(before.end <= after.start for before, after in pairwise(found.segments))
    assert found.segments[-1].start > 60
    for segment in found.segments:
        assert segment.text == " ".join(word.word for word in segment.words)
        assert segment.avg_logprob < 0
        assert 0 <= segment.no_speech_prob <= 1
        assert segment.compression_ratio > 0
        assert segment.speaker is None


@pytest.mark.parametrize("wanted", [{"words": False}, {"translate": True}])
def test_without_times_of_words_a_chunk_is_a_segment(backend, greeting, wanted):
    found = transcribed(backend, greeting.path, **wanted)
    assert found.words == ()
    assert found.text
    assert found.language == "en"


def test_a_language_that_is_not_named_is_detected_in_the_recording(
    backend, greeting, about, whisperx_folders
):
    by_name = transcribed(backend, greeting.path, language="auto", words=False)
    assert by_name.language in about.languages
    assert by_name.language != "en"  # what the tiny model takes everything for
    as_spoken = transcribed(backend, greeting.path, language=by_name.language, words=False)
    assert as_spoken == by_name


def test_where_no_alignment_model_is_for_the_language_the_words_are_timed_all_the_same(backend, greeting):
    heard = transcribed(backend, greeting.path, language="fr")
    assert heard.words
    assert [word.word for word in heard.words] == heard.text.split()
    detected = transcribed(backend, greeting.path, language="auto")
    assert detected.language not in ("en", "de")
    assert detected.words
    for language in ("fr", "auto"):
        request = AlignRequest(audio_path=greeting.path, text=TEXT, language=language)
        aligned = result(backend, "align", request)
        assert [word.word for word in aligned.words] == TEXT.split()
        assert aligned.words[-1].end <= aligned.duration_s
        assert aligned.score is not None


def test_prompt_and_temperature_reach_the_model(backend, greeting):
    plain = transcribed(backend, greeting.path, words=False).text
    assert transcribed(backend, greeting.path, words=False, prompt="Skylark, Wickhambly").text != plain
    assert transcribed(backend, greeting.path, words=False, temperature=1.0).text != plain
    assert transcribed(backend, greeting.path, words=False, temperature=0.0, prompt=" ").text == plain


def test_a_prompt_of_any_length_is_possible(backend, greeting):
    assert transcribed(backend, greeting.path, prompt="once upon a time " * 500, words=False).duration_s > 1


@pytest.mark.parametrize("seconds", [0.001, 0.02, 0.09, 0.11, 0.5, 4.0])
def test_silence_of_any_length_is_an_empty_transcript(backend, tmp_path, seconds):
    found = transcribed(backend, silence(tmp_path / "silence.wav", seconds))
    assert (found.text, found.words, found.segments, found.language) == ("", (), (), "en")
    assert found.duration_s == pytest.approx(seconds, abs=0.001)


def test_silence_is_in_no_language(backend, tmp_path):
    assert transcribed(backend, silence(tmp_path / "silence.wav", 1.0), language="auto").language == "und"


def test_a_recording_longer_than_a_block_has_the_same_transcript(backend, long, monkeypatch):
    at_once = transcribed(backend, long)
    monkeypatch.setattr(transcription, "VAD_BLOCK_S", 35.0)
    assert transcribed(backend, long).text == at_once.text


def test_progress_comes_with_every_chunk(backend, long):
    request = WhisperRequest(audio_path=long, batch_size=1)
    told = items(backend, "transcribe", request)[:-1]
    fractions = [item.fraction for item in told if isinstance(item, Progress)]
    assert len(fractions) >= 3
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)


def test_full_memory_is_one_type_of_error_and_not_the_end(backend, greeting, monkeypatch):
    def full(*_: object) -> None:
        raise RuntimeError("CUDA failed with error out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(backend._model.recogniser, "decode", full)
        with pytest.raises(OutOfMemory):
            transcribed(backend, greeting.path)
    assert transcribed(backend, greeting.path).words


def test_nothing_is_downloaded(whisperx_folders: WhisperxFolders, greeting, monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("somebody wanted to connect")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    backend = Whisperx()
    backend.load(whisperx_folders.spec(), "cpu")
    backend.warm_up("Hello.")
    assert transcribed(backend, greeting.path).words


def test_about_lists_languages_as_bcp_47(about):
    assert {"en", "de", "jv"} <= set(about.languages)
    assert "jw" not in about.languages
    assert about.device == "cpu"


def test_an_error_is_never_raised_for_one_recording(backend, greeting, tmp_path):
    ends = dict(backend.transcribe([WhisperRequest(audio_path=tmp_path / "no.wav")]))
    assert isinstance(ends[0], SkylarkError)
