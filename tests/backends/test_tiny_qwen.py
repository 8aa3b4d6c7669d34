"""The tiny checkpoints are real ones as far as the model's own package is concerned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends import tiny_qwen
from tests.backends.qwen_models import Place, codec_skeleton, model_config, talker_model
from tests.backends.qwen_shapes import LARGE_TALKER, PUBLISHED_CODEC, SMALL_TALKER, TalkerShape

FRAME = 1920
TWO_SECONDS = (0.1 * np.sin(2 * np.pi * 220 * np.arange(48_000) / 24_000)).astype(np.float32)


@pytest.fixture
def load(qwen_checkpoints: dict[str, Path]) -> Any:
    import torch
    from qwen_tts import Qwen3TTSModel

    return lambda name: Qwen3TTSModel.from_pretrained(
        str(qwen_checkpoints[name]), device_map="cpu", dtype=torch.float32
    )


def assert_speaks(heard: tuple[list[np.ndarray], int], frames: int) -> None:
    (samples,), sample_rate = heard
    assert sample_rate == 24_000
    assert len(samples) == frames * FRAME
    assert 0.02 < np.sqrt(np.mean(samples**2)) < 0.5
    assert np.abs(samples).max() < 1


def test_custom_voice_speaks_with_an_instruct(load: Any) -> None:
    model = load("custom_voice")
    assert model.get_supported_speakers() == ["dylan", "ryan", "vivian"]
    assert_speaks(
        model.generate_custom_voice("Hello.", speaker="Vivian", instruct="gladly", max_new_tokens=6), 5
    )


def test_voice_design_speaks(load: Any) -> None:
    assert_speaks(load("voice_design").generate_voice_design("第三句。", instruct="low", max_new_tokens=6), 5)


@pytest.mark.parametrize("x_vector_only", [False, True])
def test_base_clones(load: Any, x_vector_only: bool) -> None:
    model = load("base")
    prompt = model.create_voice_clone_prompt((TWO_SECONDS, 24_000), "two seconds", x_vector_only)
    assert_speaks(model.generate_voice_clone("Hello.", voice_clone_prompt=prompt, max_new_tokens=6), 5)


def test_the_fine_tuned_voice_is_a_custom_voice_without_a_speaker_encoder(
    load: Any, qwen_checkpoints: dict[str, Path]
) -> None:
    model = load(tiny_qwen.FINE_TUNED)
    assert model.get_supported_speakers() == ["narrator"]
    assert model.model.speaker_encoder is None
    assert_speaks(model.generate_custom_voice("Hello.", speaker="narrator", max_new_tokens=6), 5)
    config = json.loads((qwen_checkpoints[tiny_qwen.FINE_TUNED] / "config.json").read_text())
    assert config["talker_config"]["spk_id"] == {"narrator": 3000}


def test_what_is_built_is_the_same_each_time(tmp_path: Path, qwen_checkpoints: dict[str, Path]) -> None:
    tiny_qwen.write_checkpoint(tmp_path, "base")
    for name in ("model.safetensors", "speech_tokenizer/model.safetensors", "config.json"):
        assert (tmp_path / name).read_bytes() == (qwen_checkpoints["base"] / name).read_bytes()


@pytest.mark.parametrize(("talker", "weights"), [(SMALL_TALKER, 402), (LARGE_TALKER, 404)])
def test_a_published_size_has_the_weights_of_the_published_checkpoint(
    qwen_tts: None, talker: TalkerShape, weights: int
) -> None:
    token_ids = dict.fromkeys(tiny_qwen.SPECIAL_TOKENS, 0)
    config = model_config("custom_voice", token_ids, talker, text_vocabulary=151_936)
    model = talker_model(config, place=Place("meta"))
    assert len(model.state_dict()) == weights
    assert model.talker.model.text_embedding.weight.shape == (151_936, 2048)
    assert model.talker.text_projection.linear_fc2.weight.shape == (talker.hidden, 2048)


def test_the_published_codec_has_the_weights_of_the_published_checkpoint(qwen_tts: None) -> None:
    weights = codec_skeleton(PUBLISHED_CODEC, Place("meta")).state_dict()
    assert len(weights) == 496
    assert len([name for name in weights if name.startswith("decoder.")]) == 271
    assert weights["decoder.decoder.1.block.1.conv.weight"].shape == (1536, 768, 16)
    assert weights["decoder.pre_transformer.layers.7.mlp.down_proj.weight"].shape == (512, 1024)
    assert weights["encoder.encoder.layers.12.conv.weight"].shape == (1024, 512, 16)
