"""The embedded synthesiser: the contract, its voices, and the times of its words."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from servers.backends._espeak_ng.library import LONGEST_DATA_PATH, shared_library, short_path
from servers.backends.base import About
from servers.backends.espeak import Espeak, EspeakOptions, EspeakUtterance
from servers.errors import InvalidRequest, UnknownVoice
from servers.speech import Chunk, ModelSpec, Speech

from .contract import Bad, Good, SpeakingContract, items, result

TEXT = "The end of the road — is $45.50, Mr. O'Neil!"


@pytest.fixture
def backend(loaded_espeak: tuple[Espeak, About]) -> Espeak:
    return loaded_espeak[0]


@pytest.fixture
def about(loaded_espeak: tuple[Espeak, About]) -> About:
    return loaded_espeak[1]


class TestEspeak(SpeakingContract):
    kind = Espeak

    @pytest.fixture
    def good(self) -> Good:
        return {"synthesize": [EspeakUtterance(text=TEXT), EspeakUtterance(text="Hallo.", language="de")]}

    @pytest.fixture
    def bad(self) -> Bad:
        return [
            ("synthesize", EspeakUtterance(text="Hi.", voice="klat4"), UnknownVoice, "voice"),
            ("synthesize", EspeakUtterance(text="Hi.", voice="en-US+nobody"), UnknownVoice, "voice"),
            ("synthesize", EspeakUtterance(text="Hi.", language="tlhx"), InvalidRequest, "language"),
            ("synthesize", EspeakUtterance(text="🙂 — …"), InvalidRequest, "text"),
        ]


def audio(backend: Espeak, **wanted: object) -> np.ndarray:
    yielded = items(backend, "synthesize", EspeakUtterance.model_validate({"text": TEXT} | wanted))
    return np.concatenate([item.samples for item in yielded if isinstance(item, Chunk)])


def speech(backend: Espeak, **wanted: object) -> Speech:
    return result(backend, "synthesize", EspeakUtterance.model_validate({"text": TEXT} | wanted))


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    length = min(len(one), len(other))
    return float(np.corrcoef(one[:length], other[:length])[0, 1])


def test_every_word_of_the_text_is_there_as_written(backend):
    assert [word.word for word in speech(backend).words] == TEXT.split()


def test_words_come_with_the_audio_and_not_all_at_the_end(backend):
    chunks = [
        item
        for item in items(backend, "synthesize", EspeakUtterance(text="One word after the other. " * 10))
        if isinstance(item, Chunk)
    ]
    heard_s, late_s, words = 0.0, [], 0
    for chunk in chunks:
        heard_s += chunk.duration_s
        words += len(chunk.words)
        late_s += [heard_s - word.end for word in chunk.words]
    assert words >= 10 * 5 - 1
    assert max(late_s) < 1.5


def test_words_that_the_library_says_in_one_breath_each_have_their_time(backend):
    words = {word.word: word for word in speech(backend, text="at the end of the long road").words}
    assert words["of"].end - words["of"].start > 0.03
    assert words["of"].end <= words["long"].start


def test_a_word_ends_where_the_pause_after_it_begins(backend):
    first, second = speech(backend, text="Hello. There.").words
    samples = audio(backend, text="Hello. There.").astype(float)
    pause = samples[int(first.end * 22050) + 1102 : int(second.start * 22050) - 220]
    assert second.start - first.end > 0.15
    assert np.sqrt(np.mean(pause**2)) < np.sqrt(np.mean(samples**2)) / 20


def test_a_number_takes_the_time_of_all_its_words(backend):
    words = {word.word: word for word in speech(backend).words}
    assert words["$45.50,"].end - words["$45.50,"].start > 1.0


def test_what_looks_like_markup_is_said_as_text(backend):
    plain = speech(backend, text="one <break time='9s'/> &amp; [[h@'l]] two")
    assert plain.words[-1].word == "two"
    assert plain.words[-1].end < 6
    assert plain.words[1].end - plain.words[1].start > 0.2


def test_speed_and_pitch_are_heard(backend):
    normal, fast = audio(backend), audio(backend, speed=2.0)
    assert len(fast) / len(normal) == pytest.approx(0.5, abs=0.1)
    assert correlation(normal, audio(backend, pitch=90)) < 0.5


def test_the_settings_of_one_request_do_not_leak_into_the_next(backend):
    before = len(audio(backend))
    audio(backend, speed=3.0, pitch=99, voice="de")
    assert len(audio(backend)) == pytest.approx(before, rel=0.01)


def test_instruct_and_seed_are_accepted_and_change_nothing(backend):
    assert len(audio(backend, instruct="angry", seed=7)) == pytest.approx(len(audio(backend)), rel=0.01)


@pytest.mark.parametrize("voice", ["en-US", "gmw/en-us", "English (America)", "EN-us+KLATT4", "Andrea", "f3"])
def test_a_voice_is_found_by_any_of_its_names(backend, voice):
    assert len(audio(backend, voice=voice)) > 22050


@pytest.mark.parametrize(
    ("language", "like"),
    [("en", "en-US+klatt4"), ("English", "en-US+klatt4"), ("auto", "en-US+klatt4"), ("en-AU", "en-US+klatt4"),
     ("de-AT", "de"), ("German", "de"), ("pt-BR", "pt-BR"), ("pt_PT", "pt"), ("zh-CN", "cmn"), ("no", "nb")],
)  # fmt: skip
def test_a_language_finds_its_voice(backend, language, like):
    by_language, by_voice = audio(backend, language=language), audio(backend, voice=like)
    assert len(by_language) == pytest.approx(len(by_voice), rel=0.01)


def test_a_timbre_is_put_on_the_voice_of_the_language(backend):
    timbre, plain = audio(backend, voice="f3", language="de"), audio(backend, language="de")
    named = audio(backend, voice="de+f3")
    assert len(timbre) == pytest.approx(len(named), rel=0.01)
    assert correlation(timbre, plain) < 0.5


def test_a_voice_with_a_language_decides_over_the_language_that_clients_send_by_default(backend):
    with_default = audio(backend, voice="de", language="English")
    assert len(with_default) == pytest.approx(len(audio(backend, voice="de")), rel=0.01)


def test_an_unknown_voice_names_the_nearest(backend):
    with pytest.raises(UnknownVoice, match="klatt4"):
        speech(backend, voice="klat4")


def test_every_voice_that_is_listed_can_speak(backend, about):
    assert len(about.voices) > 240
    for voice in about.voices:
        chunk = next(iter(backend.synthesize([EspeakUtterance(text="1 a 2", voice=voice.name)])))[1]
        assert isinstance(chunk, Chunk), voice


def test_a_default_voice_that_does_not_exist_refuses_to_start():
    with pytest.raises(UnknownVoice):
        Espeak().load(ModelSpec(backend="espeak", name="x", options={"default_voice": "nobody"}), "cpu")
    assert EspeakOptions(default_voice="de").default_voice == "de"


def test_closing_stops_a_long_text_at_once_and_frees_the_library(backend):
    generator = backend.synthesize([EspeakUtterance(text="One more sentence to be said. " * 5000)])
    next(generator)
    generator.close()
    assert "espeak-ng" not in [thread.name for thread in threading.enumerate()]
    assert len(audio(backend)) > 22050


def test_a_slow_listener_gets_every_sample(backend):
    text = (
        "Twenty words of a longer text that is made faster than anybody could ever want to listen to it. " * 4
    )
    chunks = [
        item for item in items(backend, "synthesize", EspeakUtterance(text=text)) if isinstance(item, Chunk)
    ]
    assert len(chunks) > 64
    words = speech(backend, text=text).words
    assert words[-1].end == pytest.approx(sum(chunk.duration_s for chunk in chunks), abs=0.5)


def test_a_data_path_that_is_too_long_for_the_library_is_reached_through_a_link(tmp_path):
    deep = tmp_path / ("x" * LONGEST_DATA_PATH) / "espeak-ng-data"
    deep.mkdir(parents=True)
    (deep / "phontab").touch()
    short = short_path(deep)
    assert len(str(short)) <= LONGEST_DATA_PATH
    assert (short / "phontab").exists()
    assert short_path(Path("/usr/share")) == Path("/usr/share")


def test_phonemes_come_word_by_word():
    assert shared_library().phonemes("hello there", "gmw/en-US") == [["h", "@", "l", "'oU"], ["D", "'e@"]]
