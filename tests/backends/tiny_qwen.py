"""Random Qwen3-TTS checkpoints of every variant, tiny ones unless a shape says otherwise.

They are folders as the published ones are: qwen_tts loads them and runs all of its code on them, and what they
say is noise. The codec keeps the real rates (24 kHz, 1,920 samples a frame, a window of 72 frames), so that
durations are real. Nothing is imported before it is needed, for importing qwen_tts takes seconds.

`write_checkpoints` makes the four of them: for tests through the fixture `qwen_checkpoints`, for other
processes and benchmarks as it is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from qwen_tts.core.models import Qwen3TTSConfig, Qwen3TTSForConditionalGeneration
    from qwen_tts.core.tokenizer_12hz.modeling_qwen3_tts_tokenizer_v2 import Qwen3TTSTokenizerV2Model
    from torch import nn

VARIANTS = ("custom_voice", "voice_design", "base")
FINE_TUNED = "fine_tuned"
FINE_TUNED_SPEAKER = "narrator"
FINE_TUNED_SPEAKER_ID = 3000
"""Where upstream's fine-tuning script (finetuning/sft_12hz.py) puts the one speaker that it trained."""

SPEAKERS = {"vivian": 3065, "ryan": 3061, "dylan": 2878}
DIALECTS = {"dylan": "beijing_dialect"}
LANGUAGES = {
    "chinese": 2055,
    "english": 2050,
    "german": 2053,
    "italian": 2070,
    "portuguese": 2071,
    "spanish": 2054,
    "japanese": 2058,
    "korean": 2064,
    "french": 2061,
    "russian": 2069,
    "beijing_dialect": 2074,
    "sichuan_dialect": 2062,
}
SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<tts_pad>",
    "<tts_text_bos>",
    "<tts_text_eod>",
    "<tts_text_bos_single>",
    "<|audio_start|>",
    "<|audio_end|>",
)
WHOLE_WORDS = ("assistant", "user")
"""One token each, as in the real vocabulary: the model cuts the prompt by counting tokens."""


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
    """The sizes of the codec's decoder; `encoder` is the part of a MimiConfig that differs from its defaults."""

    codebook_dim: int
    latent: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    head_dim: int
    decoder_dim: int
    encoder: Mapping[str, Any]


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
SPEAKER_ENCODER = {
    "enc_channels": [16, 16, 16, 16, 48],
    "enc_attention_channels": 8,
    "enc_res2net_scale": 2,
    "enc_se_channels": 8,
    "mel_dim": 128,
    "sample_rate": 24000,
}


def write_checkpoints(folder: Path) -> dict[str, Path]:
    """The folder of each variant and of a fine-tuned voice, by name, all under `folder`."""
    written = {variant: write_checkpoint(folder / variant, variant) for variant in VARIANTS}
    return written | {FINE_TUNED: write_fine_tuned(folder / FINE_TUNED, written["base"])}


def write_checkpoint(folder: Path, variant: str, seed: int = 0) -> Path:
    """A tiny checkpoint of one of `VARIANTS`."""
    token_ids = write_text_tokenizer(folder)
    model = talker_model(model_config(variant, token_ids), seed)
    model.save_pretrained(folder, safe_serialization=True)
    _make_config_readable(folder / "config.json")
    _write_json(folder / "generation_config.json", GENERATION)
    write_codec(folder / "speech_tokenizer", seed=seed)
    return folder


def write_fine_tuned(folder: Path, base: Path, speaker: str = FINE_TUNED_SPEAKER, seed: int = 1) -> Path:
    """What upstream's fine-tuning script leaves: the base checkpoint, of type custom_voice, with one speaker.

    The speaker encoder's weights are dropped, and what it made of the speaker's recording is a row of the
    codec's embedding.
    """
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(base, folder, dirs_exist_ok=True)
    config = json.loads((folder / "config.json").read_text())
    config["tts_model_type"] = "custom_voice"
    config["talker_config"]["spk_id"] = {speaker: FINE_TUNED_SPEAKER_ID}
    config["talker_config"]["spk_is_dialect"] = {speaker: False}
    _write_json(folder / "config.json", config)
    weights = load_file(folder / "model.safetensors")
    weights = {name: weight for name, weight in weights.items() if not name.startswith("speaker_encoder")}
    embedding = weights["talker.model.codec_embedding.weight"]
    drawn = torch.randn(embedding.shape[1], generator=torch.Generator().manual_seed(seed))
    embedding[FINE_TUNED_SPEAKER_ID] = drawn * embedding.std()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


# The text's tokenizer


def write_text_tokenizer(folder: Path) -> dict[str, int]:
    """A byte-level BPE that knows two whole words; returns the ids of the special tokens."""
    vocabulary, merges = _vocabulary()
    ids = {token: len(vocabulary) + index for index, token in enumerate(SPECIAL_TOKENS)}
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(ids))
    return ids


def _vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

    vocabulary = {character: index for index, character in enumerate(bytes_to_unicode().values())}
    merges: list[tuple[str, str]] = []
    for word in WHOLE_WORDS:
        for end in range(1, len(word)):
            pair = (word[:end], word[end])
            merges += [] if pair in merges else [pair]
            vocabulary.setdefault(word[: end + 1], len(vocabulary))
    return vocabulary, merges


def _tokenizer_config(ids: Mapping[str, int]) -> dict[str, Any]:
    flags = {"special": True, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False}
    return {
        "tokenizer_class": "Qwen2Tokenizer",
        "processor_class": "Qwen3TTSProcessor",
        "add_prefix_space": False,
        "add_bos_token": False,
        "errors": "replace",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "bos_token": None,
        "unk_token": None,
        "model_max_length": 131072,
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": False,
        "added_tokens_decoder": {str(index): {"content": token} | flags for token, index in ids.items()},
    }


# The talker

GENERATION = {
    "do_sample": True,
    "top_k": 50,
    "top_p": 1.0,
    "temperature": 0.9,
    "repetition_penalty": 1.05,
    "subtalker_dosample": True,
    "subtalker_top_k": 50,
    "subtalker_top_p": 1.0,
    "subtalker_temperature": 0.9,
    "max_new_tokens": 8192,
}
"""The published generation_config.json."""


def model_config(
    variant: str,
    token_ids: Mapping[str, int],
    shape: TalkerShape = TINY_TALKER,
    text_vocabulary: int | None = None,
    speaker_encoder: Mapping[str, Any] = SPEAKER_ENCODER,
) -> Qwen3TTSConfig:
    """The configuration of a checkpoint, with every key that the package needs and does not default."""
    from qwen_tts.core.models import Qwen3TTSConfig

    config = Qwen3TTSConfig(
        talker_config=_talker_config(variant, shape, text_vocabulary or max(token_ids.values()) + 1),
        speaker_encoder_config={**speaker_encoder, "enc_dim": shape.hidden},
        tokenizer_type="qwen3_tts_tokenizer_12hz",
        tts_model_size=shape.size,
        tts_model_type=variant,
        im_start_token_id=token_ids["<|im_start|>"],
        im_end_token_id=token_ids["<|im_end|>"],
        tts_pad_token_id=token_ids["<tts_pad>"],
        tts_bos_token_id=token_ids["<tts_text_bos>"],
        tts_eos_token_id=token_ids["<tts_text_eod>"],
    )
    config.architectures = ["Qwen3TTSForConditionalGeneration"]
    return config


def _talker_config(variant: str, shape: TalkerShape, text_vocabulary: int) -> dict[str, Any]:
    speakers = SPEAKERS if variant == "custom_voice" else {}
    return {
        "vocab_size": 3072,
        "text_vocab_size": text_vocabulary,
        "text_hidden_size": shape.text_hidden,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "max_position_embeddings": 32768,
        "rope_theta": 1000000,
        "rope_scaling": {
            "type": "default",
            "rope_type": "default",
            "mrope_section": list(shape.mrope_section),
            "interleaved": True,
        },
        "num_code_groups": 16,
        "position_id_per_seconds": 13,
        "codec_pad_id": 2148,
        "codec_bos_id": 2149,
        "codec_eos_token_id": 2150,
        "codec_think_id": 2154,
        "codec_nothink_id": 2155,
        "codec_think_bos_id": 2156,
        "codec_think_eos_id": 2157,
        "codec_language_id": LANGUAGES,
        "spk_id": speakers,
        "spk_is_dialect": {name: DIALECTS.get(name, False) for name in speakers},
        "code_predictor_config": _predictor_config(shape),
    }


def _predictor_config(shape: TalkerShape) -> dict[str, Any]:
    return {
        "vocab_size": 2048,
        "hidden_size": shape.predictor_hidden,
        "intermediate_size": shape.predictor_intermediate,
        "num_hidden_layers": shape.predictor_layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "num_code_groups": 16,
        "max_position_embeddings": 65536,
        "rope_theta": 1000000,
    }


def talker_model(config: Qwen3TTSConfig, seed: int = 0) -> Qwen3TTSForConditionalGeneration:
    """The model with random weights and without its codec."""
    from qwen_tts.core.models import Qwen3TTSForConditionalGeneration

    with seeded(seed):
        return Qwen3TTSForConditionalGeneration(config).eval()


def _make_config_readable(path: Path) -> None:
    """The package cannot read back what it wrote: its speaker encoder's config refuses the keys of all configs."""
    import inspect

    from qwen_tts.core.models.configuration_qwen3_tts import Qwen3TTSSpeakerEncoderConfig

    known = inspect.signature(Qwen3TTSSpeakerEncoderConfig.__init__).parameters
    config = json.loads(path.read_text())
    speaker_encoder = config["speaker_encoder_config"]
    config["speaker_encoder_config"] = {key: value for key, value in speaker_encoder.items() if key in known}
    _write_json(path, config)


# The codec


def write_codec(folder: Path, shape: CodecShape = TINY_CODEC, seed: int = 0) -> None:
    """The folder `speech_tokenizer` of a checkpoint."""
    codec_model(shape, seed).save_pretrained(folder, safe_serialization=True)
    _write_json(folder / "preprocessor_config.json", FEATURES)


FEATURES = {
    "feature_extractor_type": "EncodecFeatureExtractor",
    "feature_size": 1,
    "sampling_rate": 24000,
    "padding_side": "right",
    "padding_value": 0.0,
    "return_attention_mask": True,
    "chunk_length_s": None,
    "overlap": None,
}


def codec_model(shape: CodecShape = TINY_CODEC, seed: int = 0) -> Qwen3TTSTokenizerV2Model:
    """The 12 Hz codec with random weights, each of which can be heard in what it decodes."""
    from qwen_tts.core.tokenizer_12hz.configuration_qwen3_tts_tokenizer_v2 import Qwen3TTSTokenizerV2Config
    from qwen_tts.core.tokenizer_12hz.modeling_qwen3_tts_tokenizer_v2 import Qwen3TTSTokenizerV2Model

    config = Qwen3TTSTokenizerV2Config(
        encoder_config=ENCODER_RATES | dict(shape.encoder), decoder_config=_decoder_config(shape)
    )
    with seeded(seed):
        model = Qwen3TTSTokenizerV2Model(config).eval()
        make_audible(model)
    return model


ENCODER_RATES = {
    "sampling_rate": 24000,
    "frame_rate": 12.5,
    "upsampling_ratios": [8, 6, 5, 4],
    "compress": 2,
    "num_residual_layers": 1,
    "num_semantic_quantizers": 1,
    "use_causal_conv": True,
    "max_position_embeddings": 8000,
    "sliding_window": 250,
}


def _decoder_config(shape: CodecShape) -> dict[str, Any]:
    return {
        "codebook_size": 2048,
        "codebook_dim": shape.codebook_dim,
        "latent_dim": shape.latent,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.head_dim,
        "max_position_embeddings": 8000,
        "sliding_window": 72,
        "num_quantizers": 16,
        "upsample_rates": [8, 5, 4, 3],
        "upsampling_ratios": [2, 2],
        "decoder_dim": shape.decoder_dim,
        "layer_scale_initial_scale": 0.01,
    }


def make_audible(codec: Qwen3TTSTokenizerV2Model) -> None:
    """Draws the weights anew, so that no layer is too faint for a mistake in it to be heard.

    As they are made, the codebooks are zero, the transformer adds a hundredth and the ConvNeXt blocks a
    millionth to what goes past them.
    """
    import torch

    with torch.no_grad():
        for name, parameter in codec.named_parameters():
            _draw(name, parameter)
        for name, buffer in codec.named_buffers():
            if name.endswith("embed_sum"):
                buffer.normal_()
        _set_loudness(codec.decoder)


def _draw(name: str, parameter: nn.Parameter) -> None:
    if name.endswith("embedding_sum"):
        parameter.normal_()
    elif name.endswith(("layer_scale.scale", "gamma")):
        parameter.normal_(std=0.5)
    elif parameter.dim() > 1:
        parameter.normal_(std=parameter[0].numel() ** -0.5)


def _set_loudness(decoder: nn.Module, rms: float = 0.1) -> None:
    """Scales the last convolution: beyond −1…1 the decoder clips, and what is clipped hides differences."""
    codes = random_codes(8, rows=1).transpose(1, 2).to(decoder.device)
    last = decoder.decoder[-1].conv
    last.weight.mul_(1e-6)
    last.weight.mul_(rms / decoder(codes).float().square().mean().sqrt())


def random_codes(frames: int, seed: int = 0, rows: int | None = None) -> torch.Tensor:
    """Codes as the talker makes them, shape (frames, 16), or (rows, frames, 16) where rows are named."""
    import torch

    shape = (frames, 16) if rows is None else (rows, frames, 16)
    return torch.randint(0, 2048, shape, generator=torch.Generator().manual_seed(seed))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, torch draws what `seed` says; outside it goes on as if nothing had happened."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1), encoding="utf-8")
