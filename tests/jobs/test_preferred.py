"""Which of a door's models is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from servers.backends.base import About, Backend, Description, Options
from servers.catalog import Catalog
from servers.errors import MissingExtra, UnknownModel, UnknownVoice
from servers.jobs.preferred import Candidate, Preferred
from servers.settings import Tts, Whisperx
from servers.speech import ModelSpec, Voice

MODELS = """
backends:
  espeak: {default: a, models: {a: {}}}
  piper: {default: b, models: {b: {checkpoint: there-is-none}}}
  pocketsphinx: {default: c, models: {c: {}}}
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    (tmp_path / "models.yaml").write_text(MODELS)
    return Catalog.load(tmp_path / "models.yaml")


def backend(name: str, languages: tuple[str, ...], *voices: str) -> Candidate:
    """One that is described by these."""

    class Described(Backend):
        @classmethod
        def describe(cls, options: Options) -> Description:
            about = About(voices=tuple(Voice(name=voice) for voice in voices), languages=languages)
            return Description(about, lambda voice: voice in voices)

    return Candidate(ModelSpec(backend=name, name="one"), Described)


@pytest.fixture
def two() -> Preferred:
    return Preferred([backend("neural", ("en-US",), "joe"), backend("robot", ("en", "de", "fr"), "rob")])


@pytest.mark.parametrize(
    ("payload", "chosen"),
    [
        ({}, "neural"),
        ({"language": "en"}, "neural"),
        ({"language": "English"}, "neural"),
        ({"language": "auto"}, "neural"),
        ({"language": ""}, "neural"),
        ({"language": "de-AT"}, "robot"),
        ({"language": "german"}, "robot"),
        ({"voice": "rob"}, "robot"),
        ({"voice": "rob", "language": "en"}, "robot"),
        ({"voice": "joe", "language": "de"}, "neural"),
        ({"language": "klingon"}, "robot"),
    ],
)
def test_the_first_that_has_the_voice_or_speaks_the_language_is_asked(two, payload, chosen):
    assert two.choose({"task": "synthesize"} | payload).backend == chosen


def test_a_voice_that_is_nobodys_is_refused_with_those_of_all(two):
    with pytest.raises(UnknownVoice, match=r"there is no voice 'jo'; possible are joe, rob.*near it is joe"):
        two.choose({"voice": "jo"})


def test_a_single_model_is_asked_whatever_the_request_is():
    only = Preferred([backend("neural", ("en-US",), "joe")])
    assert only.choose({"voice": "rob", "language": "de"}).backend == "neural"


def test_one_that_cannot_be_described_takes_what_comes():
    unknown = Candidate(ModelSpec(backend="large", name="one"), Backend)
    both = Preferred([unknown, backend("robot", ("en",), "rob")])
    assert both.choose({"voice": "rob"}).backend == "large"


@pytest.mark.parametrize(
    ("payload", "chosen"),
    [
        ({"task": "align", "language": "en-GB"}, "exact"),
        ({"task": "align", "language": "de"}, "wide"),
        ({"task": "align"}, "wide"),
        ({"task": "align", "language": "auto"}, "wide"),
        ({"task": "transcribe", "language": "en"}, "wide"),
    ],
)
def test_the_aligner_goes_first_where_it_knows_the_language_that_is_named(payload, chosen):
    doors = Preferred([backend("wide", ()), backend("exact", ("en",))], aligner="exact")
    assert doors.choose(payload).backend == chosen


def test_what_a_model_says_of_itself_is_asked_again_after_a_while():
    now = [0.0]
    asked = []

    class Counted(Backend):
        @classmethod
        def describe(cls, options: Options) -> Description:
            asked.append(now[0])
            return Description(About())

    candidate = Candidate(ModelSpec(backend="b", name="one"), Counted, lambda: now[0])
    for now[0] in (0.0, 5.0, 9.0, 11.0):
        candidate.description()
    assert asked == [0.0, 11.0]


def test_one_that_cannot_be_loaded_is_passed_over_and_its_error_kept(catalog):
    found = Preferred.of(Tts(model_type=("piper", "espeak")), catalog)
    assert found.first.key == ("espeak", "a")
    (passed_over,) = found.passed_over
    assert passed_over.model_type == "piper"
    assert "there-is-none" in passed_over.error.message or isinstance(passed_over.error, MissingExtra)


def test_one_that_models_yaml_lacks_is_passed_over(catalog):
    found = Preferred.of(Whisperx(), catalog)
    assert found.first.key == ("pocketsphinx", "c")
    (passed_over,) = found.passed_over
    assert "config/models.example.yaml shows an entry" in passed_over.error.message


def test_where_none_can_be_loaded_the_last_one_is_asked_and_says_why(catalog):
    found = Preferred.of(Tts(model_type=("qwen3_tts", "piper")), catalog)
    assert found.first.key == ("piper", "b")
    assert [each.model_type for each in found.passed_over] == ["qwen3_tts", "piper"]


def test_a_single_one_is_not_checked(catalog):
    assert Preferred.of(Tts(model_type="piper"), catalog).passed_over == []


@pytest.mark.parametrize("names", [("piper", "nope"), ("nope",)])
def test_a_name_that_is_no_backends_is_refused(catalog, names):
    with pytest.raises(UnknownModel, match="nope"):
        Preferred.of(Tts(model_type=names), catalog)


def test_whether_a_model_has_a_voice_is_said_as_far_as_it_is_known(two):
    two.check_voice(two.candidates[0].spec, "joe")
    two.check_voice(two.candidates[0].spec, None)
    two.check_voice(ModelSpec(backend="another", name="one"), "rob")
    with pytest.raises(UnknownVoice, match="joe"):
        two.check_voice(two.candidates[0].spec, "rob")
