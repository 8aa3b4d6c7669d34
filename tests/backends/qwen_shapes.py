"""Sizes of Qwen3-TTS models: the published ones, and tiny ones that have a little of everything.

The published sizes are those of the config.json files of Qwen3-TTS-12Hz-0.6B and -1.7B and of their codec.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class TalkerShape:
    """The sizes of the talker and of its code predictor, which share the size of a head."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    mrope_section: tuple[int, int, int]
    predictor_hidden: int
    predictor_intermediate: int
    predictor_layers: int
    text_hidden: int
    size: str
    """`tts_model_size`: "0b6" takes no instruct, "1b7" does."""


@dataclass(frozen=True)
class CodecShape:
    """The sizes of the codec's decoder; `encoder` is what differs from a MimiConfig's defaults."""

    codebook_dim: int
    latent: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    head_dim: int
    decoder_dim: int
    encoder: Mapping[str, Any] = field(default_factory=dict)


TINY_TALKER = TalkerShape(
    hidden=32,
    intermediate=64,
    layers=2,
    heads=2,
    kv_heads=1,
    head_dim=16,
    mrope_section=(4, 2, 2),
    predictor_hidden=24,
    predictor_intermediate=48,
    predictor_layers=1,
    text_hidden=40,
    size="1b7",
)
TINY_CODEC = CodecShape(
    codebook_dim=16,
    latent=16,
    hidden=16,
    intermediate=32,
    layers=2,
    heads=2,
    head_dim=8,
    decoder_dim=32,
    encoder={
        "hidden_size": 16,
        "num_filters": 2,
        "codebook_size": 64,
        "codebook_dim": 8,
        "num_quantizers": 16,
        "vector_quantization_hidden_dimension": 8,
        "num_hidden_layers": 1,
        "intermediate_size": 32,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "upsample_groups": 16,
    },
)


SMALL_TALKER = TalkerShape(
    hidden=1024,
    intermediate=3072,
    layers=28,
    heads=16,
    kv_heads=8,
    head_dim=128,
    mrope_section=(24, 20, 20),
    predictor_hidden=1024,
    predictor_intermediate=3072,
    predictor_layers=5,
    text_hidden=2048,
    size="0b6",
)
LARGE_TALKER = replace(SMALL_TALKER, hidden=2048, intermediate=6144, size="1b7")
PUBLISHED_CODEC = CodecShape(
    codebook_dim=512,
    latent=1024,
    hidden=512,
    intermediate=1024,
    layers=8,
    heads=16,
    head_dim=64,
    decoder_dim=1536,
)
