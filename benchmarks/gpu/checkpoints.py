"""Random checkpoints of the published sizes, made on the device where they are to run."""

from __future__ import annotations

from pathlib import Path

from tests.backends.qwen_models import Place, codec_model, model_config, talker_model
from tests.backends.qwen_shapes import (
    LARGE_TALKER,
    PUBLISHED_CODEC,
    SMALL_TALKER,
    TINY_CODEC,
    TINY_TALKER,
    CodecShape,
    TalkerShape,
)
from tests.backends.tiny_qwen import write_models, write_text_tokenizer

SIZES: dict[str, tuple[TalkerShape, CodecShape]] = {
    "tiny": (TINY_TALKER, TINY_CODEC),
    "0.6B": (SMALL_TALKER, PUBLISHED_CODEC),
    "1.7B": (LARGE_TALKER, PUBLISHED_CODEC),
}
TEXT_VOCABULARY = 151_936
END = 2150
"""The code with which the talker ends."""


def write_endless(folder: Path, size: str, place: Place) -> Path:
    """A custom_voice checkpoint that never ends of itself, so that all that is spoken is of equal length."""
    import torch

    talker_shape, codec_shape = SIZES[size]
    tokens = write_text_tokenizer(folder)
    config = model_config("custom_voice", tokens, talker_shape, TEXT_VOCABULARY)
    talker = talker_model(config, place=place)
    with torch.no_grad():
        talker.talker.codec_head.weight[END] = 0  # never among the fifty likeliest of 2,049
    return write_models(folder, talker, codec_model(codec_shape, place=place))
