"""The embedded recogniser and aligner: the contract, its accuracy, and what it does with bad input."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from statistics import mean, median

import numpy as np
import pytest
import soundfile

from servers.backends.base import About
from servers.backends.pocketsphinx import PocketSphinx
from servers.errors import InvalidRequest, UnsupportedAudio
from servers.speech import Alignment, AlignRequest, ModelSpec, Progress, TranscribeRequest, Transcript
from servers.text.score import word_error_rate

from .conftest import PARAGRAPH, Spoken
from .contract import BackendContract, Bad, Good, items, result

OTHER_TEXT = (
    "Good morning everyone, and welcome to the meeting. We have three things to talk about today, and the "
    "first is money. The company sold more shoes in the last month than ever before."
)


@pytest.fixture
def backend(loaded_pocketsphinx: tuple[PocketSphinx, About]) -> PocketSphinx:
    return loaded_pocketsphinx[0]


@pytest.fixture
def about(loaded_pocketsphinx: tuple[PocketSphinx, About]) -> About:
    return loaded_pocketsphinx[1]


@pytest.fixture(scope="session")
def greeting(speak) -> Spoken:
    return speak("Good morning, and welcome. We have three things to talk about.")


@pytest.fixture(scope="session")
def found(loaded_pocketsphinx: tuple[PocketSphinx, About], paragraph: Spoken) -> Alignment:
    """The paragraph, aligned."""
    return aligned(loaded_pocketsphinx[0], paragraph.path, PARAGRAPH)


@pytest.fixture(scope="session")
def transcription(
    loaded_pocketsphinx: tuple[PocketSphinx, About], paragraph: Spoken
) -> list[Progress | Transcript]:
    """Everything that transcribing the paragraph yields."""
    return items(loaded_pocketsphinx[0], "transcribe", TranscribeRequest(audio_path=paragraph.path))


def silence(path: Path, seconds: float) -> Path:
    soundfile.write(path, np.zeros(int(seconds * 16000), np.int16), 16000)
    return path


class TestPocketSphinx(BackendContract):
    kind = PocketSphinx

    @pytest.fixture
    def good(self, greeting: Spoken) -> Good:
        align = AlignRequest(audio_path=greeting.path, text=" ".join(word.word for word in greeting.words))
        transcribe = TranscribeRequest(audio_path=greeting.path)
        return {"transcribe": [transcribe, transcribe], "align": [align, align]}

    @pytest.fixture
    def bad(self, greeting: Spoken, tmp_path: Path) -> Bad:
        nothing, path = tmp_path / "nothing.wav", greeting.path
        brief = silence(tmp_path / "brief.wav", 0.05)
        return [
            ("transcribe", TranscribeRequest(audio_path=nothing), UnsupportedAudio, "audio_path"),
            ("transcribe", TranscribeRequest(audio_path=path, language="de"), InvalidRequest, "language"),
            ("align", AlignRequest(audio_path=path, text="Hi.", language="de"), InvalidRequest, "language"),
            ("align", AlignRequest(audio_path=path, text="— 🙂"), InvalidRequest, "text"),
            ("align", AlignRequest(audio_path=path, text=PARAGRAPH * 3), InvalidRequest, "text"),
            ("align", AlignRequest(audio_path=brief, text="Hello."), InvalidRequest, "text"),
        ]


def aligned(backend: PocketSphinx, path: Path, text: str) -> Alignment:
    return result(backend, "align", AlignRequest(audio_path=path, text=text))


def transcribed(backend: PocketSphinx, path: Path) -> Transcript:
    return result(backend, "transcribe", TranscribeRequest(audio_path=path))


def mean_score(transcript: Transcript) -> float:
    return mean(word.score for word in transcript.words if word.score is not None)


def test_alignment_finds_the_words_within_30_ms(found, paragraph):
    pairs = [(a, b) for a, b in zip(found.words, paragraph.words, strict=True) if a.score is not None]
    starts = [abs(word.start - truth.start) for word, truth in pairs]
    ends = [abs(word.end - truth.end) for word, truth in pairs]
    assert mean(starts) < 0.03
    assert median(starts) < 0.015
    assert max(starts) < 0.3
    assert mean(ends) < 0.03


def test_alignment_gives_back_every_word_as_written(found):
    assert [word.word for word in found.words] == PARAGRAPH.split()
    assert found.text == PARAGRAPH


def test_a_dash_lies_between_its_neighbours_and_has_no_score(found):
    place = PARAGRAPH.split().index("—")
    before, dash, after = found.words[place - 1 : place + 2]
    assert dash.score is None
    assert before.end <= dash.start <= dash.end <= after.start


def test_the_segments_of_an_alignment_are_the_sentences(found):
    assert len(found.segments) == 4
    assert found.segments[1].text.startswith("His name was")
    assert found.segments[1].text.endswith("45 years.")


def fresh() -> PocketSphinx:
    made = PocketSphinx()
    made.load(ModelSpec(backend="pocketsphinx", name="pocketsphinx"), "cpu")
    return made


@pytest.fixture
def noise(tmp_path) -> Path:
    samples = np.random.default_rng(1).standard_normal(5 * 16000) * 0.1
    soundfile.write(tmp_path / "noise.wav", samples, 16000)
    return tmp_path / "noise.wav"


def test_a_recording_is_heard_as_if_it_were_the_first_whatever_came_before(greeting, noise, paragraph):
    text = " ".join(word.word for word in greeting.words)
    expected = transcribed(fresh(), greeting.path), aligned(fresh(), greeting.path, text)
    backend = fresh()
    for before in (noise, paragraph.path, greeting.path):
        transcribed(backend, before)
        with suppress(InvalidRequest):  # the noise cannot be made to hold the text
            aligned(backend, before, text)
        assert (transcribed(backend, greeting.path), aligned(backend, greeting.path, text)) == expected


@pytest.mark.parametrize("gain_db", [-30, -50])
def test_a_quiet_recording_is_understood_as_a_loud_one(backend, paragraph, transcription, gain_db, tmp_path):
    samples, rate = soundfile.read(paragraph.path)
    soundfile.write(tmp_path / "quiet.wav", samples * 10 ** (gain_db / 20), rate, subtype="FLOAT")
    as_ever = word_error_rate(PARAGRAPH, transcription[-1].text)
    assert word_error_rate(PARAGRAPH, transcribed(backend, tmp_path / "quiet.wav").text) < as_ever + 0.1
    assert aligned(backend, tmp_path / "quiet.wav", PARAGRAPH).score > 0.7


@pytest.mark.parametrize("level_dbfs", [-70, -50, -20])
def test_noise_of_any_level_holds_no_words(backend, level_dbfs, tmp_path):
    samples = np.random.default_rng(3).standard_normal(8 * 16000) * 10 ** (level_dbfs / 20)
    soundfile.write(tmp_path / "noise.wav", samples, 16000, subtype="FLOAT")
    assert transcribed(backend, tmp_path / "noise.wav").text == ""


def test_stereo_in_antiphase_is_heard_as_mono_is(backend, greeting, tmp_path):
    samples, rate = soundfile.read(greeting.path, dtype="int16")
    soundfile.write(tmp_path / "antiphase.wav", np.stack([samples, -samples], axis=1), rate)
    assert transcribed(backend, tmp_path / "antiphase.wav") == transcribed(backend, greeting.path)


def test_the_right_text_fits_and_another_one_is_warned_of(backend, found, paragraph):
    wrong = aligned(backend, paragraph.path, OTHER_TEXT)
    assert (found.score > 0.7, found.warning) == (True, None)
    assert wrong.score < 0.3
    assert "does not fit the recording" in wrong.warning


def test_a_text_that_is_right_in_one_half_is_warned_of(backend, paragraph):
    middle = len(PARAGRAPH) // 2
    assert aligned(backend, paragraph.path, PARAGRAPH[:middle] + OTHER_TEXT).warning
    assert aligned(backend, paragraph.path, OTHER_TEXT + PARAGRAPH[middle:]).warning


def test_a_text_that_leaves_out_most_of_what_is_said_is_warned_of(backend, paragraph):
    assert aligned(backend, paragraph.path, PARAGRAPH.partition(",")[0]).warning


def test_one_wrong_word_is_no_reason_to_warn(backend, paragraph):
    assert aligned(backend, paragraph.path, PARAGRAPH.replace("the storm.", "the elephant.")).warning is None


def test_the_right_text_scores_far_above_a_wrong_one(backend, found, paragraph):
    wrong = aligned(backend, paragraph.path, OTHER_TEXT)
    assert mean_score(found) > 0.8
    assert mean_score(wrong) < 0.5


def test_one_wrong_word_is_aligned_with_a_low_score_and_leaves_the_others(backend, found, paragraph):
    other = aligned(backend, paragraph.path, PARAGRAPH.replace("the storm.", "the elephant."))
    place = PARAGRAPH.split().index("storm.")
    assert other.words[place].score < 0.3
    assert mean_score(other) > 0.8
    assert all(
        word.start == pytest.approx(truth.start, abs=0.05)
        for word, truth in zip(other.words[place + 3 :], found.words[place + 3 :], strict=True)
    )


def test_a_text_that_cannot_fit_says_what_to_give(backend, greeting):
    with pytest.raises(InvalidRequest, match="all of them and nothing else"):
        aligned(backend, greeting.path, PARAGRAPH * 3)


def test_a_name_in_another_script_is_aligned_as_well(backend, greeting):
    words = aligned(
        backend, greeting.path, "Good morning, and Wójcik. We have 三 things to talk about."
    ).words
    assert [word.word for word in words][3:7] == ["Wójcik.", "We", "have", "三"]


def test_clear_speech_is_mostly_understood(transcription, paragraph):
    transcript = transcription[-1]
    assert word_error_rate(PARAGRAPH, transcript.text) < 0.35
    assert all(word.score is not None for word in transcript.words)
    assert transcript.duration_s == pytest.approx(paragraph.duration_s, abs=0.001)


def test_a_recording_is_cut_at_its_pauses(transcription):
    segments = transcription[-1].segments
    assert len(segments) >= 3
    assert all(before.end <= after.start for before, after in pairwise(segments))


def test_progress_comes_for_every_stretch(transcription):
    *progress, transcript = transcription
    assert len(progress) >= len(transcript.segments)
    assert progress[-1].fraction == pytest.approx(1.0)


@pytest.mark.parametrize("seconds", [0.001, 0.02, 0.09, 0.11, 0.5, 4.0])
def test_silence_of_any_length_is_an_empty_transcript(backend, tmp_path, seconds):
    found = transcribed(backend, silence(tmp_path / "silence.wav", seconds))
    assert (found.text, found.words, found.segments) == ("", (), ())
    assert found.duration_s == pytest.approx(seconds, abs=0.001)


def test_digital_silence_around_speech_does_not_break_it(backend, paragraph, transcription, tmp_path):
    samples, rate = soundfile.read(paragraph.path, dtype="int16")
    quiet = np.zeros(rate * 2, np.int16)
    soundfile.write(tmp_path / "quiet.wav", np.concatenate([quiet, samples, quiet]), rate)
    quietly = aligned(backend, tmp_path / "quiet.wav", PARAGRAPH)
    assert quietly.words[0].start == pytest.approx(2.0, abs=0.1)
    # 0.1 is seven words: what other noise around them changes is two or three.
    without = word_error_rate(PARAGRAPH, transcription[-1].text)
    assert word_error_rate(PARAGRAPH, transcribed(backend, tmp_path / "quiet.wav").text) < without + 0.1


@pytest.mark.parametrize("language", [None, "en", "en-GB", "English", "auto"])
def test_every_way_to_say_english_is_english(backend, tmp_path, language):
    path = silence(tmp_path / "silence.wav", 0.2)
    assert (
        result(backend, "transcribe", TranscribeRequest(audio_path=path, language=language)).language == "en"
    )


def test_another_language_is_refused_naming_what_is_possible(backend, tmp_path):
    with pytest.raises(InvalidRequest, match='"en"'):
        result(backend, "transcribe", TranscribeRequest(audio_path=tmp_path / "a.wav", language="ens"))
