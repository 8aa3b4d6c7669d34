"""The backend qwen3_tts on a GPU: every variant, every dtype, the same audio, and memory that comes back."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from servers.backends._qwen3_tts.request import QwenUtterance
from servers.backends.qwen3_tts import Qwen3Tts
from servers.runner.wire import Wire
from servers.speech import Chunk, ModelSpec, Speech

FRAMES = 20
MEBI = 2**20
DTYPES = ["bfloat16", "float16", "float32"]


@pytest.fixture
def load(checkpoints, cuda):
    def loaded(name, **options):
        backend = Qwen3Tts()
        spec = ModelSpec(
            backend="qwen3_tts", name=name, options={"checkpoint": str(checkpoints[name]), **options}
        )
        return backend, backend.load(spec, cuda)

    return loaded


def asked(text="Hello there.", **fields):
    return QwenUtterance(text=text, max_frames=FRAMES, seed=1, **fields)


def spoken(backend, *utterances):
    """The audio of each utterance, and that it has ended."""
    audio = [[] for _ in utterances]
    ended = []
    for index, item in backend.synthesize(utterances):
        if isinstance(item, Chunk):
            audio[index].append(item.samples)
        elif isinstance(item, Speech):
            ended.append(index)
        elif isinstance(item, Exception):
            raise item
    assert sorted(ended) == list(range(len(utterances)))
    return [np.concatenate(chunks) for chunks in audio]


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_dtype_is_loaded_on_the_device_and_speaks(load, dtype, cuda):
    backend, about = load("custom_voice", dtype=dtype)
    assert about.device == cuda
    (samples,) = spoken(backend, asked(voice="vivian"))
    assert np.isfinite(samples).all()
    assert np.sqrt(np.mean(samples**2)) > 0.01


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("custom_voice", {"voice": "ryan", "instruct": "gladly"}),
        ("voice_design", {"instruct": "a low, warm voice"}),
        ("fine_tuned", {"voice": "narrator"}),
    ],
)
def test_every_variant_speaks_in_the_dtype_of_the_device(load, name, fields):
    backend, _ = load(name)
    (samples,) = spoken(backend, asked(**fields))
    assert len(samples) > 0


def test_a_voice_is_cloned(load, tmp_path):
    import soundfile

    clip = tmp_path / "clip.wav"
    soundfile.write(clip, 0.1 * np.sin(2 * np.pi * 220 * np.arange(48_000) / 24_000), 24_000)
    backend, _ = load("base")
    (samples,) = spoken(backend, asked(reference_audio_path=clip, reference_text="two seconds"))
    assert len(samples) > 0


def test_audio_is_the_same_alone_and_among_others(load, exact_sums):
    backend, _ = load("custom_voice", dtype="float32", trim_silence=False)
    first = asked(voice="vivian")
    (alone,) = spoken(backend, first)
    among = spoken(backend, first, asked("Somebody else says more than that.", voice="ryan"))[0]
    assert np.abs(alone - among[: len(alone)]).max() < 1e-3
    assert len(alone) == len(among)


def test_memory_comes_back_when_a_voice_has_been_spoken_with_many_times(load, cuda):
    import torch

    backend, _ = load("custom_voice")
    spoken(backend, asked(voice="vivian"), asked(voice="ryan"))
    gc.collect()
    before = torch.cuda.memory_allocated()
    for _ in range(5):
        spoken(backend, asked(voice="vivian"), asked(voice="ryan"))
    gc.collect()
    assert torch.cuda.memory_allocated() <= before + MEBI


def test_memory_comes_back_when_the_runner_has_ended(checkpoints, cuda):
    import torch

    torch.cuda.synchronize()
    before, _ = torch.cuda.mem_get_info()
    options = {"checkpoint": str(checkpoints["custom_voice"])}
    with runner_with({"backend": "qwen3_tts", "name": "tiny", "options": options}, cuda):
        during, _ = torch.cuda.mem_get_info()
    after, _ = torch.cuda.mem_get_info()
    assert before - during > 100 * MEBI
    assert before - after < 10 * MEBI


@contextmanager
def runner_with(model, device):
    """The process of a model, from when it is ready until it has ended."""
    ours, theirs = socket.socketpair()
    ours.settimeout(120)
    with theirs:
        command = [sys.executable, "-m", "servers.runner", str(theirs.fileno())]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
    wire = Wire(ours)
    order = {"op": "load", "model": model, "device": device, "backends_path": [], "warmup_text": "Ready."}
    wire.send(order)
    try:
        frames = iter(wire.receive, None)
        message = next(message for message, _ in frames if message["op"] != "beat")
        assert message["op"] == "ready", message
        yield
    finally:
        wire.close()
        process.wait(30)
