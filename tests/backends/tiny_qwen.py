"""Tiny random Qwen3-TTS checkpoints of every variant, in folders as the published ones are.

qwen_tts loads them and runs all of its code on them; what they say is noise. `write_checkpoints` makes the
four: for tests of backends through the fixture `qwen_checkpoints`, for other processes as it is.
"""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.backends.qwen_models import VARIANTS, codec_model, model_config, talker_model

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FINE_TUNED = "fine_tuned"
FINE_TUNED_SPEAKER = "narrator"
FINE_TUNED_SPEAKER_ID = 3000
"""Where upstream's fine-tuning script (finetuning/sft_12hz.py) puts the one speaker that it trained."""

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


def write_checkpoints(folder: Path) -> dict[str, Path]:
    """The folder of each variant and of a fine-tuned voice, by name, all under `folder`."""
    written = {variant: write_checkpoint(folder / variant, variant) for variant in VARIANTS}
    return written | {FINE_TUNED: write_fine_tuned(folder / FINE_TUNED, written["base"])}


def write_checkpoint(folder: Path, variant: str, seed: int = 0) -> Path:
    """A tiny checkpoint of one of `VARIANTS`."""
    config = model_config(variant, write_text_tokenizer(folder))
    return write_models(folder, talker_model(config, seed), codec_model(seed=seed))


def write_models(folder: Path, talker: PreTrainedModel, codec: PreTrainedModel) -> Path:
    """A checkpoint of these models, in the folder of its text tokenizer."""
    talker.save_pretrained(folder, safe_serialization=True)
    _make_config_readable(folder / "config.json")
    _write_json(folder / "generation_config.json", GENERATION)
    codec.save_pretrained(folder / "speech_tokenizer", safe_serialization=True)
    _write_json(folder / "speech_tokenizer" / "preprocessor_config.json", FEATURES)
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


def _make_config_readable(path: Path) -> None:
    """Mends what the package cannot read back: its speaker encoder's config refuses the keys of all."""
    from qwen_tts.core.models.configuration_qwen3_tts import Qwen3TTSSpeakerEncoderConfig

    known = inspect.signature(Qwen3TTSSpeakerEncoderConfig.__init__).parameters
    config = json.loads(path.read_text())
    speaker_encoder = config["speaker_encoder_config"]
    config["speaker_encoder_config"] = {key: value for key, value in speaker_encoder.items() if key in known}
    _write_json(path, config)


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1), encoding="utf-8")
