"""What may be configured and asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from servers.backends._whisper.options import WhisperRequest
from servers.backends._whisperx.options import WhisperxOptions
from servers.errors import InvalidRequest
from servers.settings import ROOT


def example() -> dict[str, object]:
    commented = (ROOT / "config" / "models.example.yaml").read_text(encoding="utf-8")
    entries = yaml.safe_load(re.sub(r"^  #(?! \S)", "  ", commented, flags=re.MULTILINE))
    (model,) = entries["backends"]["whisperx"]["models"].values()
    return {name: value for name, value in model.items() if name != "vram_mb"}


def test_the_example_of_models_yaml_has_every_option_with_its_default():
    assert set(example()) == set(WhisperxOptions.model_fields)
    options = WhisperxOptions.model_validate(example())
    own = {"checkpoint", "align", "diarization"}
    plain = WhisperxOptions(checkpoint=Path("whisper-large-v3"))
    assert options.model_dump(exclude=own) == plain.model_dump(exclude=own)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_size": 0},
        {"beam_size": 100},
        {"vad": {"onset": 1}},
        {"vad": {"chunk_s": 31}},
        {"aling": {}},
    ],
)
def test_an_option_that_cannot_be_refuses_to_start(options):
    wanted = options if options == {} else {"checkpoint": "a"} | options
    with pytest.raises(ValidationError):
        WhisperxOptions.model_validate(wanted)


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ({"temperature": 1.5}, "payload.temperature"),
        ({"temperature": "warm"}, "payload.temperature"),
        ({"batch_size": 0}, "payload.batch_size"),
        ({"vad_onset": 1}, "payload.vad_onset"),
        ({"max_speakers": 0}, "payload.max_speakers"),
        ({"prompt": "x" * 10_001}, "payload.prompt"),
        ({"hotwords": "so"}, "payload.hotwords"),
    ],
)
def test_a_wish_that_cannot_be_names_its_field(wanted, param):
    with pytest.raises(InvalidRequest) as raised:
        WhisperRequest.parse({"audio_path": "a.wav"} | wanted, within="payload")
    assert raised.value.param == param
