"""Who speaks: every variant takes what it can do and names what it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("qwen_tts", reason="needs the extra [qwen]")

from servers.backends._qwen3_tts.folder import Checkpoint
from servers.backends._qwen3_tts.request import QwenUtterance
from servers.backends._qwen3_tts.speakers import Languages
from servers.backends._qwen3_tts.voices import Voices
from servers.errors import InvalidRequest, UnknownVoice
from tests.backends.qwen_models import LANGUAGES

SPEAKERS = {"Vivian": 1, "uncle_fu": 2, "Eric": 3}


class FakePromptBuilder:
    def speaker(self, row: int) -> int:
        return row


def voices(variant: str = "custom_voice", size: str = "1b7", default: str | None = None) -> Voices:
    talker = {"codec_language_id": LANGUAGES, "spk_id": {}, "spk_is_dialect": {}}
    if variant == "custom_voice":
        talker |= {"spk_id": SPEAKERS, "spk_is_dialect": {"Eric": "sichuan_dialect", "Vivian": False}}
    config = {"tts_model_type": variant, "tts_model_size": size, "talker_config": talker}
    checkpoint = Checkpoint("mine", Path("mine"), Path("mine"), config, {})
    return Voices(checkpoint, FakePromptBuilder(), None, default)  # type: ignore[arg-type]


def asked(**fields: Any) -> QwenUtterance:
    return QwenUtterance.model_validate({"text": "Hello."} | fields)


def refused(who: Voices, **fields: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        who.chosen(asked(**fields))
    return raised.value


@pytest.mark.parametrize("voice", ["vivian", "VIVIAN", " Vivian "])
def test_a_speaker_is_found_however_it_is_written(voice):
    assert voices().chosen(asked(voice=voice))[0].speaker == 1


def test_nobody_named_is_the_default_or_the_first():
    assert voices().chosen(asked())[0].speaker == 1
    assert voices(default="UNCLE_FU").chosen(asked(voice=""))[0].speaker == 2
    assert voices(default="UNCLE_FU").default_voice == "uncle_fu"


def test_an_unknown_speaker_lists_all_and_the_nearest():
    error = refused(voices(), voice="vivien")
    assert isinstance(error, UnknownVoice)
    assert "possible are Eric, Vivian, uncle_fu; near it is Vivian" in error.message


@pytest.mark.parametrize(
    ("voice", "language", "spoken"),
    [
        ("eric", None, "sichuan_dialect"),
        ("eric", "zh", "sichuan_dialect"),
        ("eric", "en", "english"),
        ("vivian", "zh", "chinese"),
        ("vivian", None, None),
        ("vivian", "zh-BJ", "beijing_dialect"),
    ],
)
def test_a_speaker_with_a_dialect_speaks_it_where_it_may_be_chinese(voice, language, spoken):
    assert voices().chosen(asked(voice=voice, language=language))[1] == spoken


def test_a_speakers_own_dialect_is_listed_first():
    languages = {voice.name: voice.languages for voice in voices().voices}
    assert languages["Eric"][0] == "zh-SC"
    assert languages["Vivian"][0] != "zh-SC"
    assert set(languages["Eric"]) == set(languages["Vivian"])


def test_the_small_custom_voice_refuses_an_instruct_that_its_package_would_drop():
    assert voices().chosen(asked(instruct="gladly"))[0].instruct == "gladly"
    error = refused(voices(size="0b6"), instruct="gladly")
    assert error.param == "instruct"
    assert "1.7B" in error.message
    assert voices(size="0b6").chosen(asked(instruct=""))[0].speaker == 1


@pytest.mark.parametrize(
    ("variant", "fields", "param", "possible"),
    [
        ("custom_voice", {"reference_audio_path": "/a.wav"}, "reference_audio_path", "a Base checkpoint can"),
        ("custom_voice", {"reference_text": "a"}, "reference_text", "name one of its speakers"),
        ("custom_voice", {"x_vector_only": True}, "x_vector_only", "cannot clone"),
        ("voice_design", {"instruct": "low", "voice": "vivian"}, "voice", "describe the voice in instruct"),
        ("voice_design", {"instruct": "  "}, "instruct", "describe the voice in instruct"),
        ("voice_design", {"instruct": "low", "reference_text": "a"}, "reference_text", "cannot clone"),
        ("base", {"voice": "vivian"}, "voice", "give reference_audio_path"),
        ("base", {"instruct": "low"}, "instruct", "VoiceDesign can"),
        ("base", {}, "reference_audio_path", "with reference_text or x_vector_only"),
        ("base", {"reference_audio_path": "/a.wav"}, "reference_text", "words of the reference"),
        ("base", {"reference_audio_path": "/a.wav", "reference_text": " "}, "reference_text", "words"),
    ],
)
def test_what_a_variant_cannot_do_is_refused_with_what_it_can(variant, fields, param, possible):
    error = refused(voices(variant), **fields)
    assert error.param == param
    assert "mine" in error.message
    assert possible in error.message


KNOWN = Languages(LANGUAGES)


@pytest.mark.parametrize(
    ("language", "name"),
    [("en", "english"), ("en-US", "english"), ("EN_gb", "english"), ("English", "english"),
     ("zh", "chinese"), ("zh-CN", "chinese"), ("zh-Hant-TW", "chinese"), ("pt-BR", "portuguese"),
     ("zh-SC", "sichuan_dialect"), ("zh-BJ", "beijing_dialect"), ("beijing_dialect", "beijing_dialect"),
     ("auto", None), ("Auto", None), ("", None), (None, None)],
)  # fmt: skip
def test_a_language_has_many_names(language, name):
    assert KNOWN.named(language) == name


@pytest.mark.parametrize("language", ["nl", "Klingon", "x", "e", "🙂"])
def test_an_unknown_language_lists_the_possible_ones(language):
    with pytest.raises(InvalidRequest, match=r"possible are .*en.*zh-SC, auto") as raised:
        KNOWN.named(language)
    assert raised.value.param == "language"


def test_dialects_come_last():
    assert KNOWN.tags[-2:] == ("zh-BJ", "zh-SC")
    assert len(KNOWN.tags) == len(LANGUAGES)
