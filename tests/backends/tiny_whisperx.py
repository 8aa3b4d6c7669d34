"""Tiny random checkpoints that the real packages load: a Whisper, wav2vec2 CTC models, punkt's parameters.

Their text is garbage and always the same. What is not asked for here is the libraries' own default.
"""

from __future__ import annotations

import itertools
import json
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WIDTH = 16
"""The models' hidden size."""
LANGUAGES = """
en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la
mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be
tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su
"""
CODES = LANGUAGES.split()
END_OF_TEXT, START = 50257, 50258
"""The ids that openai/whisper-tiny gives them; ctranslate2 counts the languages by them."""
TIMES = 1501
SPECIAL = [
    "<|endoftext|>",
    "<|startoftranscript|>",
    *(f"<|{code}|>" for code in CODES),
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
]
VOCABULARY = END_OF_TEXT + len(SPECIAL) + TIMES


def whisper(folder: Path, seed: int = 0) -> Path:
    """A multilingual Whisper in ctranslate2's form, in `folder`/ct2; its transformers form beside it."""
    from ctranslate2.converters import TransformersConverter

    source, converted = folder / "hf", folder / "ct2"
    _whisper_tokenizer(source)
    _whisper_model(source, seed)
    TransformersConverter(str(source), copy_files=["tokenizer.json", "preprocessor_config.json"]).convert(
        str(converted), quantization="float32"
    )
    return converted


def _whisper_tokenizer(folder: Path) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import WhisperFeatureExtractor, WhisperTokenizerFast

    tokenizer = Tokenizer(models.BPE(vocab=_vocabulary(), merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    times = [f"<|{place * 0.02:.2f}|>" for place in range(TIMES)]
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in times])
    ends = dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), SPECIAL[0])
    WhisperTokenizerFast(
        tokenizer_object=tokenizer, additional_special_tokens=SPECIAL[1:], **ends
    ).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))  # the plain one is what faster-whisper reads
    WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)


def _vocabulary() -> dict[str, int]:
    """Every byte, then words of two letters and more, as many as Whisper has tokens."""
    from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

    words = (
        f"Ġ{''.join(letters)}"
        for length in (2, 3, 4)
        for letters in itertools.product(string.ascii_lowercase, repeat=length)
    )
    tokens = [*bytes_to_unicode().values(), *words]
    vocabulary = {token: place for place, token in enumerate(tokens[: END_OF_TEXT - 1])}
    # By this empty token ctranslate2 knows that the vocabulary is multilingual.
    return vocabulary | {"": END_OF_TEXT - 1}


def _whisper_model(folder: Path, seed: int) -> None:
    import torch
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    torch.manual_seed(seed)
    ends = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), END_OF_TEXT)
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=VOCABULARY,
            d_model=WIDTH,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=2 * WIDTH,
            decoder_ffn_dim=2 * WIDTH,
            decoder_start_token_id=START,
            **ends,
        )
    )
    _make_lively(model)
    generation = model.generation_config
    generation.suppress_tokens, generation.begin_suppress_tokens = [], [220, END_OF_TEXT]
    generation.lang_to_id = {f"<|{each}|>": START + 1 + place for place, each in enumerate(CODES)}
    generation.is_multilingual = True
    model.save_pretrained(folder)


def _make_lively(model: Any) -> None:
    """Weights large enough that the audio changes the text."""
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "embed_positions" not in name:
                parameter.normal_(0, parameter.shape[-1] ** -0.5)


def wav2vec2(folder: Path, letters: Sequence[str] = string.ascii_lowercase + "'", seed: int = 0) -> Path:
    """A CTC model that knows these letters, and a separator between words."""
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    folder.mkdir(parents=True)
    tokens = ["<pad>", "<s>", "</s>", "<unk>", "|", *letters]
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({token: place for place, token in enumerate(tokens)}))
    Wav2Vec2Processor(
        feature_extractor=Wav2Vec2FeatureExtractor(return_attention_mask=False),
        tokenizer=Wav2Vec2CTCTokenizer(str(vocabulary)),
    ).save_pretrained(folder)
    torch.manual_seed(seed)
    Wav2Vec2ForCTC(
        Wav2Vec2Config(
            vocab_size=len(tokens),
            hidden_size=WIDTH,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=2 * WIDTH,
            conv_dim=(8,) * 7,
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=2,
            pad_token_id=0,
        )
    ).save_pretrained(folder)
    return folder


def punkt(nltk_data: Path) -> Path:
    """The parameters of an untrained sentence splitter, which whisperx.align itself asks for."""
    folder = nltk_data / "tokenizers" / "punkt_tab" / "english"
    folder.mkdir(parents=True)
    for name in ("collocations.tab", "sent_starters.txt", "abbrev_types.txt", "ortho_context.tab"):
        (folder / name).touch()
    return nltk_data
