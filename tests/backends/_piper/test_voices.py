"""Which voice is meant by a name or a language, and which can read a text."""

from __future__ import annotations

from pathlib import Path

import pytest

from servers.backends._piper.packs import Broken, Pack
from servers.backends._piper.voices import Voices
from servers.errors import InvalidRequest, ModelLoadFailed, UnknownVoice


def pack(name: str, *languages: str, rate_hz: int = 22_050, speakers: tuple[str, ...] = ()) -> Pack:
    numbers = {speaker: number for number, speaker in enumerate(speakers)}
    some = 0 if speakers else None
    return Pack(name, Path("m"), Path("c"), rate_hz, languages, "MIT", numbers, some)


PACKS = [
    pack("en_GB-alan-low", "en-GB", rate_hz=16_000),
    pack("en_US-many", "en-US", speakers=("ann", "bob")),
    pack("ru_RU-irina", "ru-RU"),
    Broken("en_US-bad", ModelLoadFailed("it has no model", param="voice")),
]
VOICES = Voices(PACKS)


@pytest.mark.parametrize(
    ("voice", "language", "name", "speaker"),
    [
        (None, None, "en_GB-alan-low", None),
        ("", "auto", "en_GB-alan-low", None),
        (None, "English", "en_GB-alan-low", None),
        (None, "en-AU", "en_GB-alan-low", None),
        (None, "en_us", "en_US-many", 0),
        (None, "ru", "ru_RU-irina", None),
        (None, "Russian", "ru_RU-irina", None),
        ("en_US-many", None, "en_US-many", 0),
        ("EN-us-MANY:Bob", None, "en_US-many", 1),
        ("en_US-many:ann", "Russian", "en_US-many", 0),
    ],
)
def test_a_voice_is_chosen_by_its_name_else_by_the_language(voice, language, name, speaker):
    chosen = VOICES.chosen(voice, language)
    assert (chosen.pack.name, chosen.speaker) == (name, speaker)


def test_a_pack_of_the_region_goes_before_others_of_the_language():
    voices = Voices([pack("ru", "ru-RU"), pack("gb", "en-GB"), pack("us", "en-US")])
    assert voices.chosen(None, "en_us").pack.name == "us"
    assert voices.chosen(None, "en-AU").pack.name == "gb"


def test_an_unknown_voice_names_the_nearest_and_an_unknown_language_those_there_are():
    with pytest.raises(UnknownVoice, match="near it is ru_RU-irina"):
        VOICES.chosen("ru_RU-irine", None)
    with pytest.raises(UnknownVoice, match="en_US-many:ann"):
        VOICES.chosen("en_US-many:carl", None)
    with pytest.raises(InvalidRequest, match="possible are english, russian"):
        VOICES.chosen(None, "de")


def test_a_broken_pack_says_why_when_it_is_asked_for():
    with pytest.raises(ModelLoadFailed, match="it has no model"):
        VOICES.chosen("en_US-bad", None)
    with pytest.raises(ModelLoadFailed, match="it has no model"):
        Voices([PACKS[-1]])


def test_a_default_voice_is_a_pack_or_a_speaker_of_one():
    assert Voices(PACKS, "en_US-many:bob").chosen(None, None).speaker == 1
    with pytest.raises(UnknownVoice):
        Voices(PACKS, "nobody")


def test_a_text_in_a_script_that_the_voice_cannot_read_says_who_can():
    english = VOICES.chosen(None, None)
    with pytest.raises(InvalidRequest, match="ru_RU-irina can; ") as raised:
        VOICES.check_script(english, "Привет, как дела?")
    assert raised.value.param == "text"
    with pytest.raises(InvalidRequest, match="no other Piper voice here can either"):
        VOICES.check_script(english, "今天天气很好")
    VOICES.check_script(VOICES.named("ru_RU-irina"), "Привет, как дела?")


def test_every_voice_and_speaker_is_told_with_languages_and_licence():
    assert [voice.name for voice in VOICES.known()] == [
        "en_GB-alan-low", "en_US-many", "en_US-many:ann", "en_US-many:bob", "ru_RU-irina",
    ]  # fmt: skip
    assert {voice.licence for voice in VOICES.known()} == {"MIT"}
    assert VOICES.languages() == ("en-GB", "en-US", "ru-RU")
    assert VOICES.sample_rate == 22_050
