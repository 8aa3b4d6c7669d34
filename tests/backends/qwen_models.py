"""Random Qwen3-TTS models in memory, of any size: the configurations that the package needs, and weights.

The codec of any size has the real rates: 24 kHz, 1,920 samples a frame, a window of 72 frames.
Nothing is imported before it is needed, for importing qwen_tts takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.backends.qwen_shapes import TINY_CODEC, TINY_TALKER, CodecShape, TalkerShape

if TYPE_CHECKING:
    import torch
    from qwen_tts.core.models import Qwen3TTSConfig, Qwen3TTSForConditionalGeneration
    from qwen_tts.core.tokenizer_12hz.modeling_qwen3_tts_tokenizer_v2 import Qwen3TTSTokenizerV2Model
    from torch import nn

VARIANTS = ("custom_voice", "voice_design", "base")
SPEAKERS = {"vivian": 3065, "ryan": 3061, "dylan": 2878}
DIALECTS = {"dylan": "beijing_dialect"}
LANGUAGES = {"chinese": 2055, "english": 2050, "german": 2053, "italian": 2070, "portuguese": 2071}
LANGUAGES |= {"spanish": 2054, "japanese": 2058, "korean": 2064, "french": 2061, "russian": 2069}
LANGUAGES |= {"beijing_dialect": 2074, "sichuan_dialect": 2062}


@dataclass(frozen=True)
class Place:
    """Where weights are made, and of which dtype, as torch names them."""

    device: str = "cpu"
    dtype: str = "float32"

    @contextmanager
    def default(self) -> Iterator[None]:
        """Inside, torch makes tensors here."""
        import torch

        before = torch.get_default_dtype()
        torch.set_default_dtype(getattr(torch, self.dtype))
        try:
            with torch.device(self.device):
                yield
        finally:
            torch.set_default_dtype(before)


CPU = Place()


SPEAKER_ENCODER = {
    "enc_channels": [16, 16, 16, 16, 48],
    "enc_attention_channels": 8,
    "enc_res2net_scale": 2,
    "enc_se_channels": 8,
    "mel_dim": 128,
    "sample_rate": 24000,
}


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


def talker_model(
    config: Qwen3TTSConfig, seed: int = 0, place: Place = CPU
) -> Qwen3TTSForConditionalGeneration:
    """The model with random weights and without its codec."""
    from qwen_tts.core.models import Qwen3TTSForConditionalGeneration

    with seeded(seed), place.default():
        return Qwen3TTSForConditionalGeneration(config).eval()


def codec_model(
    shape: CodecShape = TINY_CODEC, seed: int = 0, place: Place = CPU
) -> Qwen3TTSTokenizerV2Model:
    """The 12 Hz codec with random weights, each of which can be heard in what it decodes."""
    import torch

    with seeded(seed):
        model = codec_skeleton(shape, Place(place.device))
        make_audible(model)
    return model.to(getattr(torch, place.dtype))


def codec_skeleton(shape: CodecShape, place: Place) -> Qwen3TTSTokenizerV2Model:
    """The codec as its package makes it, which is silent."""
    from qwen_tts.core.tokenizer_12hz.configuration_qwen3_tts_tokenizer_v2 import Qwen3TTSTokenizerV2Config
    from qwen_tts.core.tokenizer_12hz.modeling_qwen3_tts_tokenizer_v2 import Qwen3TTSTokenizerV2Model

    config = Qwen3TTSTokenizerV2Config(
        encoder_config=ENCODER_RATES | dict(shape.encoder), decoder_config=_decoder_config(shape)
    )
    with place.default():
        return Qwen3TTSTokenizerV2Model(config).eval()


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
    """Inside, torch draws what `seed` says; after it, what it would have drawn without."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
