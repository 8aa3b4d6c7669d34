"""Folders that are no checkpoint, or not a whole one: each is one error that says what to do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from servers.backends.qwen3_tts import Qwen3Tts
from servers.errors import MissingExtra, ModelLoadFailed
from servers.speech import ModelSpec

Spoil = Callable[[Path], object]


def load(folder: Path, device: str = "cpu", **options: Any) -> object:
    spec = ModelSpec(backend="qwen3_tts", name="mine", options={"checkpoint": folder, **options})
    return Qwen3Tts().load(spec, device)


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def drop_weights(path: Path, beginning: str) -> None:
    from safetensors.torch import load_file, save_file

    weights = {name: weight for name, weight in load_file(path).items() if not name.startswith(beginning)}
    save_file(weights, path, metadata={"format": "pt"})


SPOILT: dict[str, tuple[Spoil, str]] = {
    "gone": (shutil.rmtree, "no checkpoint at"),
    "empty": (lambda at: (shutil.rmtree(at), at.mkdir()), "no checkpoint at"),
    "without weights": (lambda at: (at / "model.safetensors").unlink(), r"lacks \*.safetensors"),
    "without its codec": (lambda at: shutil.rmtree(at / "speech_tokenizer"), "lacks speech_tokenizer/"),
    "with half its weights": (lambda at: truncate(at / "model.safetensors"), "cannot be loaded"),
    "with half its codec": (
        lambda at: truncate(at / "speech_tokenizer" / "model.safetensors"),
        "cannot be loaded",
    ),
    "with half its config": (lambda at: truncate(at / "config.json"), "config.json that cannot be read"),
    "with half its vocabulary": (lambda at: truncate(at / "vocab.json"), "cannot be loaded"),
    "of another model": (lambda at: edit(at / "config.json", model_type="whisper"), "type 'whisper'"),
    "of another variant": (lambda at: edit(at / "config.json", tts_model_type="x"), "known are custom_voice"),
    "with another codec": (
        lambda at: edit(at / "speech_tokenizer" / "config.json", model_type="qwen3_tts_tokenizer_25hz"),
        "codec 'qwen3_tts_tokenizer_25hz'",
    ),
    "with a head missing": (
        lambda at: drop_weights(at / "model.safetensors", "talker.codec_head"),
        "lacks 1 weights, talker.codec_head.weight",
    ),
    "without languages": (lambda at: edit(at / "config.json", talker_config={}), "codec_language_id"),
    "without speakers": (
        lambda at: edit(at / "config.json", talker_config={"codec_language_id": {}}),
        "without speakers",
    ),
    "with a list for a config": (lambda at: (at / "config.json").write_text("[]"), "no JSON object"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_folder_that_is_no_whole_checkpoint_says_what_mends_it(how, qwen_checkpoints, tmp_path):
    spoil, message = SPOILT[how]
    folder = tmp_path / "qwen-mine"
    shutil.copytree(qwen_checkpoints["custom_voice"], folder)
    spoil(folder)
    with pytest.raises(ModelLoadFailed, match=message) as raised:
        load(folder)
    assert str(folder) in raised.value.message
    assert "put a whole one there" in raised.value.message


def test_a_checkpoint_that_was_never_pulled_says_the_command(qwen_tts):
    with pytest.raises(ModelLoadFailed, match="run `skylark models pull qwen3-tts-of-mine`"):
        load(Path("qwen3-tts-of-mine"))


@pytest.mark.parametrize("device", ["cuda:7", "tpu", "mps", "cuda:x", ""])
def test_a_device_that_does_not_exist_names_those_that_do(device, qwen_checkpoints):
    with pytest.raises(ModelLoadFailed, match="there are cpu"):
        load(qwen_checkpoints["base"], device)


def test_flash_attention_that_is_not_there_says_what_is(qwen_checkpoints):
    with pytest.raises(ModelLoadFailed, match="sdpa is"):
        load(qwen_checkpoints["base"], attention="flash_attention_2")


def test_a_default_voice_that_is_no_speaker_lists_those_that_are(qwen_checkpoints):
    with pytest.raises(ModelLoadFailed, match="dylan, ryan, vivian"):
        load(qwen_checkpoints["custom_voice"], default_voice="nobody")


def test_what_was_chosen_for_the_device_is_logged(qwen_checkpoints, caplog):
    with caplog.at_level("INFO"):
        load(qwen_checkpoints["voice_design"])
    (record,) = [each for each in caplog.records if each.name.endswith("_qwen3_tts.checkpoint")]
    assert "on cpu: dtype torch.float32, attention sdpa" in record.getMessage()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_halves_speak_too(dtype, qwen_checkpoints):
    from servers.backends._qwen3_tts.request import QwenUtterance
    from servers.speech import Speech

    backend = Qwen3Tts()
    spec = ModelSpec(
        backend="qwen3_tts", name="x", options={"checkpoint": qwen_checkpoints["fine_tuned"], "dtype": dtype}
    )
    backend.load(spec, "cpu")
    *_, (_, speech) = backend.synthesize([QwenUtterance(text="Hello.", max_frames=4)])
    assert isinstance(speech, Speech)


@pytest.mark.parametrize(
    ("capability", "flash", "dtype", "attention"),
    [((7, 5), True, "float16", "sdpa"), ((8, 0), True, "bfloat16", "flash_attention_2"),
     ((9, 0), False, "bfloat16", "sdpa")],
)  # fmt: skip
def test_a_gpu_decides_dtype_and_attention(capability, flash, dtype, attention, qwen_tts, monkeypatch):
    import torch

    from servers.backends._qwen3_tts import checkpoint

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(checkpoint.importlib.util, "find_spec", lambda name: flash or None)
    gpu = torch.device("cuda:0")
    assert checkpoint.chosen_dtype("auto", gpu) == getattr(torch, dtype)
    assert checkpoint.chosen_attention("auto", gpu) == attention
    assert checkpoint.chosen_dtype("float32", gpu) == torch.float32


def test_a_package_that_is_not_installed_is_named_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "qwen_tts", None)
    with pytest.raises(MissingExtra, match=r"uv pip install -e '\.\[qwen\]'"):
        load(Path("any"))


def test_the_engine_reads_the_backend_without_importing_torch():
    looked_at = "import sys, servers.backends.qwen3_tts; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", looked_at], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_loading_prints_nothing(qwen_checkpoints):
    looked_at = (
        "import sys; from servers.backends.qwen3_tts import Qwen3Tts; from servers.speech import ModelSpec;"
        "model = ModelSpec(backend='qwen3_tts', name='x', options={'checkpoint': sys.argv[1]});"
        "Qwen3Tts().load(model, 'cpu')"
    )
    command = [sys.executable, "-c", looked_at, str(qwen_checkpoints["base"])]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout == ""
    assert "SoX could not be found" not in found.stderr
