"""Tiny random voices for Piper, with the inputs, the output and the configuration of real ones.

Each phoneme becomes some frames by its random width, and each frame HOP samples.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from servers.checkpoints.verify import listed, write_manifest
from tests.backends.onnx_files import FLOAT, INT64, model, node, value

HOP, WIDTH, SYMBOLS = 256, 16, 256
FRAMES_A_PHONEME = 4.0
PHONEMES = "_^$ !'(),-.:;?abcdefhijklmnopqrstuvwxyzæçðøħŋœɐɑɒɔəɚɛɜɡɪɨɫɭɕɣɹɾʃʊʌʒʑˈˌːθʲ\u0303\u0329"
LICENCE = "CC0-1.0"
ESPEAK_VOICES = {"en-GB": "en-gb-x-rp"}
"""Where espeak's name is not the language's."""


def onnx(speakers: int = 1, seed: int = 0) -> bytes:
    """A model that speaks: from phonemes, scales of noise, length and width, and who of several."""
    lots = np.random.default_rng(seed)
    constants = {
        "embedding": lots.normal(0, 0.3, (SYMBOLS, WIDTH)).astype(np.float32),
        "decoder": lots.normal(0, 0.3, (WIDTH, HOP)).astype(np.float32),
        "frames": np.array(FRAMES_A_PHONEME, np.float32),
        **{f"i{n}": np.array([n], np.int64) for n in (0, 1, 2)},
        **{name: np.array(n, np.int64) for name, n in (("zero", 0), ("one", 1))},
        "flat": np.array([-1], np.int64),
        "column": np.array([1, -1, 1], np.int64),
        "spoken": np.array([1, 1, 1, -1], np.int64),
    }
    if speakers > 1:
        constants["speakers"] = lots.normal(0, 0.3, (speakers, WIDTH)).astype(np.float32)
    who = [node("Gather", ["speakers", "sid"], ["who"]), node("Add", ["e0", "who"], ["e"])]
    nodes = [
        node("Gather", ["embedding", "input"], ["e0"]),
        *(who if speakers > 1 else [node("Identity", ["e0"], ["e"])]),
        node("Slice", ["scales", "i0", "i1"], ["noise_scale"]),
        node("Slice", ["scales", "i1", "i2"], ["length_scale"]),
        node("ReduceMean", ["e"], ["mean"], axes=[2], keepdims=0),
        node("Abs", ["mean"], ["wide"]),
        node("Add", ["wide", "frames"], ["plain"]),
        node("Mul", ["plain", "length_scale"], ["wider"]),
        node("Ceil", ["wider"], ["widths"]),
        node("ReduceMax", ["widths"], ["widest"], keepdims=0),
        node("Cast", ["widest"], ["most"], to=INT64),
        node("Range", ["zero", "most", "one"], ["places"]),
        node("Cast", ["places"], ["at"], to=FLOAT),
        node("Reshape", ["widths", "column"], ["rows"]),
        node("Less", ["at", "rows"], ["there"]),
        node("NonZero", ["there"], ["where"]),
        node("Slice", ["where", "i1", "i2", "i0"], ["found"]),
        node("Reshape", ["found", "flat"], ["phonemes"]),
        node("Gather", ["e", "phonemes"], ["mel"], axis=1),
        node("RandomNormalLike", ["mel"], ["lots"]),
        node("Mul", ["lots", "noise_scale"], ["noise"]),
        node("Add", ["mel", "noise"], ["noisy"]),
        node("MatMul", ["noisy", "decoder"], ["wave"]),
        node("Tanh", ["wave"], ["soft"]),
        node("Reshape", ["soft", "spoken"], ["output"]),
    ]
    inputs = [
        value("input", INT64, ("batch", "phonemes")),
        value("input_lengths", INT64, ("batch",)),
        value("scales", FLOAT, (3,)),
    ]
    if speakers > 1:
        inputs.append(value("sid", INT64, ("batch",)))
    return model(nodes, constants, inputs, [value("output", FLOAT, ("batch", 1, 1, "time"))])


def config(language: str, rate_hz: int, speakers: Mapping[str, int]) -> dict[str, Any]:
    """As Piper's own training writes it."""
    return {
        "audio": {"sample_rate": rate_hz, "quality": "tiny"},
        "espeak": {"voice": ESPEAK_VOICES.get(language, language.lower())},
        "language": {"code": language.replace("-", "_")},
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "num_symbols": SYMBOLS,
        "num_speakers": max(1, len(speakers)),
        "phoneme_id_map": {phoneme: [number] for number, phoneme in enumerate(PHONEMES)},
        "speaker_id_map": dict(speakers),
        "piper_version": "1.0.0",
    }


def metadata(name: str, language: str, rate_hz: int) -> dict[str, Any]:
    """As seed 001 has it, and the licence."""
    return {
        "family": "piper",
        "model_id": name,
        "version": "2.0",
        "capabilities": {"streaming": True, "zero_shot": False, "lora": False, "cpu_ok": True},
        "languages": [language],
        "audio": {"sample_rate": rate_hz, "channels": 1},
        "size": {"vram_mb": 0, "disk_mb": 1},
        "tags": ["tiny"],
        "licence": LICENCE,
    }


def write_pack(
    voicepacks: Path,
    name: str,
    language: str = "en-US",
    rate_hz: int = 22_050,
    speakers: tuple[str, ...] = (),
) -> Path:
    """voicepacks/piper/<name>/{model.onnx, config.json, metadata.yaml}, with the hash of its model."""
    folder = voicepacks / "piper" / name
    folder.mkdir(parents=True)
    numbers = {speaker: number for number, speaker in enumerate(speakers)}
    model_file = onnx(max(1, len(speakers)), seed=len(name))
    (folder / "model.onnx").write_bytes(model_file)
    (folder / "config.json").write_text(json.dumps(config(language, rate_hz, numbers)))
    said = metadata(name, language, rate_hz) | {"sha256": {"model.onnx": sha256(model_file).hexdigest()}}
    (folder / "metadata.yaml").write_text(yaml.safe_dump(said))
    return folder


def write_checkpoint(folder: Path, model: str, config_file: str = "{}.json", language: str = "en-US") -> Path:
    """A folder as a pull leaves it; `config_file` may have the model's name in it."""
    folder.mkdir(parents=True)
    (folder / model).write_bytes(onnx())
    (folder / config_file.format(model)).write_text(json.dumps(config(language, 22_050, {})))
    return as_pulled(folder)


def as_pulled(folder: Path) -> Path:
    """The folder, with a manifest of the files that are in it now."""
    write_manifest(folder, listed(folder, sorted(file.name for file in folder.iterdir()), "hub", "main"))
    return folder
