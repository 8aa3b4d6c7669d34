"""Piper on tiny random voices: the contract, its voices, its seeds, and how it streams."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from servers.backends._piper.packs import Pack
from servers.backends.base import About
from servers.backends.piper import LONGEST_CHARS, Piper, PiperOptions, PiperUtterance
from servers.errors import InvalidRequest, MissingExtra, ModelLoadFailed, UnknownVoice
from servers.settings import settings
from servers.speech import Chunk, ModelSpec, Speech, Word
from servers.text.normalize import spoken_words
from tests.backends import onnx_files, tiny_piper
from tests.backends.contract import ArrivalsContract, Bad, Good, Same, SpeakingContract, items, result

TEXT = "The end of the road — is $45.50, Mr. O'Neil! It was a long one. Nobody went there again."
RUSSIAN = "Привет, как дела? Я дома. А ты?"


def piper_installed() -> None:
    pytest.importorskip("piper", reason="needs the extra [piper], for piper-tts is not installed")


@pytest.fixture(scope="module")
def voicepacks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voicepacks")
    tiny_piper.write_pack(folder, "en-us-tiny")
    tiny_piper.write_pack(folder, "low", language="en-GB", rate_hz=16_000)
    tiny_piper.write_pack(folder, "many", speakers=("ann", "bob"))
    tiny_piper.write_pack(folder, "ru-tiny", language="ru")
    return folder


@pytest.fixture(scope="module")
def loaded(voicepacks: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Piper, About]:
    piper_installed()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYLARK_VOICEPACKS_DIR", str(voicepacks))
        patch.setenv("SKYLARK_MODELS_DIR", str(tmp_path_factory.mktemp("models")))
        settings.cache_clear()
        backend = Piper()
        about = backend.load(spec(cpu_threads=1, at_once=2), "cpu")
    settings.cache_clear()
    return backend, about


def spec(**options: object) -> ModelSpec:
    return ModelSpec(backend="piper", name="piper", options=options)


@pytest.fixture
def backend(loaded: tuple[Piper, About]) -> Piper:
    return loaded[0]


@pytest.fixture
def about(loaded: tuple[Piper, About]) -> About:
    return loaded[1]


class TestPiper(SpeakingContract, ArrivalsContract):
    kind = Piper

    @pytest.fixture
    def good(self) -> Good:
        some = [
            PiperUtterance(text=TEXT),
            PiperUtterance(text=RUSSIAN, language="ru"),
            PiperUtterance(text="Hello.", voice="many:bob", seed=3),
        ]
        return {"synthesize": some}

    @pytest.fixture
    def same(self) -> Same:
        return [PiperUtterance(text=TEXT, seed=1), PiperUtterance(text=RUSSIAN, language="ru", seed=2)]

    @pytest.fixture
    def bad(self) -> Bad:
        return [
            ("synthesize", PiperUtterance(text="Hi.", voice="en-us-tony"), UnknownVoice, "voice"),
            ("synthesize", PiperUtterance(text="Hi.", voice="many:carl"), UnknownVoice, "voice"),
            ("synthesize", PiperUtterance(text="Hi.", language="de"), InvalidRequest, "language"),
            ("synthesize", PiperUtterance(text="🙂 — …"), InvalidRequest, "text"),
            ("synthesize", PiperUtterance(text=RUSSIAN), InvalidRequest, "text"),
            ("synthesize", PiperUtterance(text=f"Hello. {RUSSIAN}"), InvalidRequest, "text"),
        ]


def chunks(backend: Piper, **wanted: object) -> list[np.ndarray]:
    yielded = items(backend, "synthesize", PiperUtterance.model_validate({"text": TEXT} | wanted))
    assert isinstance(yielded[-1], Speech), yielded
    return [item.samples for item in yielded if isinstance(item, Chunk)]


def audio(backend: Piper, **wanted: object) -> np.ndarray:
    return np.concatenate(chunks(backend, **wanted))


def test_each_sentence_is_a_chunk_and_is_spoken_when_it_is_asked_for(backend, monkeypatch):
    from piper import PiperVoice as kind  # noqa: N813

    said = []
    synthesize = kind.synthesize
    monkeypatch.setattr(
        kind, "synthesize", lambda self, text, *a, **k: said.append(text) or synthesize(self, text, *a, **k)
    )
    generator = backend.synthesize([PiperUtterance(text=TEXT)])
    assert isinstance(next(generator)[1], Chunk)
    assert len(said) == 1, "the first sentence is heard before the second is begun"
    assert said[0].endswith("forty-five dollars fifty cents, mister O'Neil!")
    assert len([item for _, item in generator if isinstance(item, Chunk)]) == 2


def test_a_sentence_without_end_is_spoken_in_pieces(backend):
    text = "and one more word " * (3 * LONGEST_CHARS // 18)
    assert len(chunks(backend, text=text)) >= 3


def words(backend: Piper, **wanted: object) -> tuple[Word, ...]:
    return result(backend, "synthesize", PiperUtterance.model_validate({"text": TEXT} | wanted)).words


@pytest.mark.parametrize(
    "text", [TEXT, "— one — two … — 🙂 three —", "word" * LONGEST_CHARS, "A dog.It ran."]
)
def test_every_word_of_the_text_has_its_time_and_only_those_without_sound_are_guessed(backend, text):
    spoken = words(backend, text=text)
    assert [word.word for word in spoken] == text.split()
    assert [word.word for word in spoken if word.interpolated] == [
        word.word for word in spoken_words(text) if not word.spoken
    ]
    assert all(word.start < word.end for word in spoken if not word.interpolated)


def test_the_words_of_a_sentence_come_with_its_audio(backend):
    given = [
        [word.word for word in item.words]
        for item in items(backend, "synthesize", PiperUtterance(text=TEXT))
        if isinstance(item, Chunk)
    ]
    sentences = [
        "The end of the road — is $45.50, Mr. O'Neil!",
        "It was a long one.",
        "Nobody went there again.",
    ]
    assert given == [sentence.split() for sentence in sentences]


def test_words_are_said_in_their_sentences(backend):
    """Each sentence's words lie in the audio of its chunk, whatever the rate it is brought to."""
    text = "One two three. Four five six. Seven."
    for voice in ("en-us-tiny", "low"):
        begin_s = 0.0
        for chunk in items(backend, "synthesize", PiperUtterance(text=text, voice=voice, speed=1.3))[:-1]:
            end_s = begin_s + chunk.duration_s
            assert begin_s < chunk.words[0].start < chunk.words[-1].end < end_s
            assert chunk.words[-1].end > end_s - 0.3 * chunk.duration_s
            begin_s = end_s


def test_words_are_as_long_as_the_speed_makes_them(backend):
    normal, slow = (words(backend, speed=speed, seed=1) for speed in (1.0, 0.5))
    ratios = [
        (b.end - b.start) / (a.end - a.start) for a, b in zip(normal, slow, strict=True) if not a.interpolated
    ]
    assert min(ratios) > 1.5
    assert max(ratios) < 2.1


def test_a_seed_gives_the_same_times_each_time(backend):
    assert words(backend, seed=7) == words(backend, seed=7) != ()


def test_a_voice_that_does_not_tell_its_durations_speaks_without_words(home):
    piper_installed()
    folder = tiny_piper.write_checkpoint(home / "models" / "joe", "joe.onnx")
    (folder / "joe.onnx").write_bytes(tiny_piper.onnx().replace(b"Ceil", b"Relu"))
    tiny_piper.as_pulled(folder)
    backend = Piper()
    backend.load(spec(checkpoint="joe", cpu_threads=1), "cpu")
    *chunks, speech = items(backend, "synthesize", PiperUtterance(text=TEXT))
    assert sum(chunk.duration_s for chunk in chunks) > 1
    assert [chunk.words for chunk in chunks] == [()] * len(chunks)
    assert speech.words == ()


def test_weights_in_a_file_of_their_own_are_found(backend, tmp_path):
    weights = np.array([1.5, 2.5], np.float32)
    (tmp_path / "model.onnx.data").write_bytes(weights.tobytes())
    (tmp_path / "model.onnx").write_bytes(
        onnx_files.model(
            [onnx_files.node("Ceil", ["w"], ["up"]), onnx_files.node("Neg", ["up"], ["y"])],
            {},
            [],
            [onnx_files.value("y", onnx_files.FLOAT, (2,))],
            [onnx_files.tensor_elsewhere("w", weights.shape, "model.onnx.data")],
        )
    )
    pack = Pack("apart", tmp_path / "model.onnx", tmp_path / "config.json", 22_050, ("en",))
    assert [each.tolist() for each in backend._session(pack).run(None, {})] == [[-2, -3], [2, 3]]


def test_a_model_is_not_held_in_memory_a_second_time(backend):
    assert all(voice.session._model_bytes is None for voice in backend._loaded.values())


def test_speed_is_heard(backend):
    normal, fast, slow = (len(audio(backend, speed=speed)) for speed in (1.0, 2.0, 0.5))
    assert fast < 0.75 * normal
    assert slow > 1.5 * normal


def test_a_seed_gives_the_same_samples_each_time_and_another_one_others(backend):
    first, again, other = (audio(backend, seed=seed) for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(audio(backend), audio(backend)), "without one, lots are drawn"


def test_a_seed_of_any_size_is_taken(backend):
    assert np.array_equal(audio(backend, seed=-(2**70)), audio(backend, seed=-(2**70)))


def test_the_speakers_of_a_pack_differ(backend):
    ann, bob = (audio(backend, voice=f"many:{name}", seed=1) for name in ("ann", "bob"))
    default = audio(backend, voice="many", seed=1)
    assert np.array_equal(ann, default)
    assert len(ann) != len(bob) or not np.array_equal(ann, bob)


def test_a_voice_of_another_rate_is_brought_to_the_models(backend, about):
    assert about.sample_rate == 22_050
    yielded = items(backend, "synthesize", PiperUtterance(text="Hello there.", voice="low"))
    assert {item.sample_rate for item in yielded if isinstance(item, Chunk)} == {22_050}


def test_every_voice_says_its_languages_and_its_licence(about):
    assert [voice.name for voice in about.voices] == [
        "en-us-tiny", "low", "many", "many:ann", "many:bob", "ru-tiny",
    ]  # fmt: skip
    assert {voice.licence for voice in about.voices} == {"CC0-1.0"}
    assert about.languages == ("en-US", "en-GB", "ru")
    assert about.default_voice == "en-us-tiny"


def test_only_so_many_packs_stay_loaded(backend):
    for voice in ("low", "many", "ru-tiny", "en-us-tiny"):
        result(backend, "synthesize", PiperUtterance(text="one 1", voice=voice))
    assert list(backend._loaded) == ["ru-tiny", "en-us-tiny"]


def test_what_looks_like_phonemes_is_said_as_text(backend):
    plain, marked = (len(audio(backend, text=text, seed=1)) for text in ("one two", "one [[two]]"))
    assert plain == marked


def test_texts_are_spoken_at_once_and_sound_as_if_each_were_alone(backend):
    wanted = [
        {"text": TEXT, "seed": 1},
        {"text": RUSSIAN, "language": "ru", "seed": 2},
        {"voice": "low", "seed": 3},
        {"voice": "many:bob", "seed": 4},
    ]
    asked = [PiperUtterance.model_validate({"text": TEXT} | each) for each in wanted]
    together: dict[int, list[np.ndarray]] = {}
    for index, item in backend.synthesize(asked):
        if isinstance(item, Chunk):
            together.setdefault(index, []).append(item.samples)
    for index, each in enumerate(wanted):
        assert np.array_equal(np.concatenate(together[index]), audio(backend, **each))


def test_so_many_texts_are_spoken_at_once_as_its_options_say():
    assert Piper.batch_limit(PiperOptions(at_once=3)) == 3
    assert Piper.batch_limit(PiperOptions()) == os.cpu_count()


def test_closing_stops_a_long_text(backend):
    generator = backend.synthesize([PiperUtterance(text="One more sentence to be said. " * 5000)])
    next(generator)
    generator.close()
    assert len(audio(backend)) > 22_050


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("models", "voicepacks"):
        monkeypatch.setenv(f"SKYLARK_{name.upper()}_DIR", str(tmp_path / name))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def test_without_the_package_it_says_how_to_install_it(monkeypatch, home):
    monkeypatch.setattr("servers.extras.find_spec", lambda module: None)
    with pytest.raises(MissingExtra, match=r"'\.\[piper\]'"):
        Piper.check(PiperOptions())


def test_without_any_voice_it_says_where_one_belongs(home):
    piper_installed()
    with pytest.raises(ModelLoadFailed, match=r"there is no Piper voice: .*voicepacks/piper"):
        Piper.check(PiperOptions())


def test_what_it_lacks_is_told_before_the_library_is_imported(home, monkeypatch):
    piper_installed()
    monkeypatch.setitem(sys.modules, "piper", None)
    monkeypatch.setattr("servers.extras.find_spec", lambda module: module)
    with pytest.raises(ModelLoadFailed, match="run `skylark models pull joe`"):
        Piper().load(spec(checkpoint="joe"), "cpu")


def test_a_model_that_differs_from_its_hash_is_refused_when_it_is_loaded(home):
    piper_installed()
    folder = tiny_piper.write_pack(home / "voicepacks", "tiny")
    (folder / "model.onnx").write_bytes(tiny_piper.onnx(seed=99))
    with pytest.raises(ModelLoadFailed, match=r"tiny/model\.onnx: sha256: the file differs"):
        Piper().load(spec(), "cpu")


def test_a_voice_that_espeak_does_not_have_is_refused_with_its_file_and_field(home):
    piper_installed()
    tiny_piper.write_pack(home / "voicepacks", "tiny", language="xx")
    with pytest.raises(ModelLoadFailed, match=r"tiny/config\.json: espeak\.voice: "):
        Piper().load(spec(), "cpu")


def test_a_model_that_is_none_is_refused_with_its_file(home):
    piper_installed()
    folder = tiny_piper.write_checkpoint(home / "models" / "joe", "joe.onnx")
    (folder / "joe.onnx").write_bytes(b"no model")
    tiny_piper.as_pulled(folder)
    with pytest.raises(ModelLoadFailed, match=r"joe\.onnx is no model that can be run"):
        Piper().load(spec(checkpoint="joe"), "cpu")
