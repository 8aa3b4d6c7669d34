"""Qwen3-TTS on a tiny random checkpoint: Skylark beside the package itself, on the same CPU in one run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, median
from benchmarks.gpu.checkpoints import write_endless
from servers.backends._qwen3_tts.request import QwenUtterance
from servers.backends.qwen3_tts import Qwen3Tts
from servers.speech import Chunk, ModelSpec
from tests.acceptance.processes import Appliance, running_appliance
from tests.backends.qwen_models import Place

ROUNDS = 7
FRAMES = 25
TEN_SECONDS = 125
"""Frames of 80 ms."""
BATCH = 8
THREADS = 1
"""Of torch, on both sides: models this small are not worth dividing."""
SENTENCE = "The quick brown fox jumps over the lazy dog, and nobody in the village is surprised."
PATIENCE_S = 600.0
MODELS = """
backends:
  qwen3_tts:
    default: tiny
    models: {{tiny: {{checkpoint: {folder}, max_frames: {frames}, preload: true}}}}
  pocketsphinx: {{default: en-us, models: {{en-us: {{}}}}}}
"""


def measure() -> list[Figure]:
    import torch

    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory(prefix="qwen-") as folder:
        checkpoint = write_endless(Path(folder) / "tiny", "tiny", Place("cpu", "float32"))
        package, backend = package_of(checkpoint), _backend(checkpoint)
        return [
            *_per_frame(package, backend),
            *_batch(backend),
            *_first_chunk(backend),
            *_whole_path(package, Path(folder)),
        ]


def package_of(checkpoint: Path) -> Any:
    import torch
    from qwen_tts import Qwen3TTSModel

    return Qwen3TTSModel.from_pretrained(
        str(checkpoint), device_map="cpu", dtype=torch.float32, attn_implementation="sdpa"
    )


def _backend(checkpoint: Path) -> Qwen3Tts:
    backend = Qwen3Tts()
    spec = ModelSpec(backend="qwen3_tts", name="tiny", options={"checkpoint": checkpoint})
    backend.load(spec, "cpu")
    return backend


def _per_frame(package: Any, backend: Qwen3Tts) -> list[Figure]:
    """From a text to its audio, sampled as the checkpoint says."""
    theirs, ours = _in_turn(
        lambda: package.generate_custom_voice(SENTENCE, speaker="vivian", max_new_tokens=FRAMES + 1),
        lambda: _speak(backend, [_asked(FRAMES)]),
    )
    each = [1000 * median(times) / FRAMES for times in (theirs, ours)]
    return [
        Figure("one frame, the package, median", each[0], "ms"),
        Figure("one frame, Skylark, median", each[1], "ms"),
        Figure("one frame, Skylark over the package", each[1] / each[0], "", 1 / 1.5),
    ]


def _batch(backend: Qwen3Tts) -> list[Figure]:
    batch = [_asked(FRAMES) for _ in range(BATCH)]
    alone, together = _in_turn(
        lambda: [_speak(backend, [each]) for each in batch], lambda: _speak(backend, batch)
    )
    return [
        Figure(f"{BATCH} texts one after the other, median", 1000 * median(alone), "ms"),
        Figure(f"{BATCH} texts in a batch, median", 1000 * median(together), "ms"),
        Figure("a batch over one after the other", median(together) / median(alone), "", 1 / 2.5),
    ]


def _first_chunk(backend: Qwen3Tts) -> list[Figure]:
    """Frames are counted in what comes before: each frame yields something."""
    before = next(
        place
        for place, (_, item) in enumerate(backend.synthesize([_asked(FRAMES)]))
        if isinstance(item, Chunk)
    )
    first, whole = _in_turn(lambda: _hear_first(backend), lambda: _speak(backend, [_asked(FRAMES)]))
    return [
        Figure("frames until the first chunk", before + 1, "", 3),
        Figure("the first chunk, median", 1000 * median(first), "ms"),
        Figure(f"the first chunk over a text of {FRAMES} frames", median(first) / median(whole), ""),
    ]


def _whole_path(package: Any, folder: Path) -> list[Figure]:
    """Queue, runner and HTTP over calling the package, for a batch."""
    models = folder / "models.yaml"
    models.write_text(MODELS.format(folder=folder / "tiny", frames=TEN_SECONDS))
    texts = [SENTENCE] * BATCH
    with running_appliance(
        SKYLARK_MODELS_FILE=str(models),
        SKYLARK_BACKENDS_PATH="[]",
        SKYLARK_TTS__MODEL_TYPE="qwen3_tts",
        SKYLARK_ENGINE__DEVICE="cpu",
        SKYLARK_ENGINE__LOAD_TIMEOUT_S=str(PATIENCE_S),
        OMP_NUM_THREADS=str(THREADS),
    ) as appliance:
        _generated(appliance, texts)
        theirs, ours = _in_turn(
            lambda: package.generate_custom_voice(texts, speaker="vivian", max_new_tokens=TEN_SECONDS + 1),
            lambda: _generated(appliance, texts),
            rounds=3,
        )
    return [
        Figure(f"{BATCH} texts of 10 s, the package, median", median(theirs), "s"),
        Figure(f"{BATCH} texts of 10 s, /generate_batch, median", median(ours), "s"),
        Figure("/generate_batch over the package", median(ours) / median(theirs), "", 1.05),
    ]


def _generated(appliance: Appliance, texts: list[str]) -> None:
    reply = appliance.post(
        "tts", "/generate_batch", json={"texts": texts, "batch": True, "voice": "vivian"}, timeout=PATIENCE_S
    )
    reply.raise_for_status()
    durations = [each["duration_s"] for each in reply.json()["results"]]
    assert all(duration == durations[0] >= TEN_SECONDS * 0.08 - 1 for duration in durations), durations


def _asked(frames: int) -> QwenUtterance:
    return QwenUtterance(text=SENTENCE, voice="vivian", max_frames=frames, seed=1)


def _speak(backend: Qwen3Tts, batch: list[QwenUtterance]) -> None:
    for _, item in backend.synthesize(batch):
        if isinstance(item, Exception):
            raise item


def _hear_first(backend: Qwen3Tts) -> None:
    items = backend.synthesize([_asked(FRAMES)])
    while not isinstance(next(items)[1], Chunk):
        pass
    items.close()


def _in_turn(*measured: Callable[[], object], rounds: int = ROUNDS) -> list[list[float]]:
    """Seconds of each round of each; what else the machine does meets all alike. One round warms up."""
    times: list[list[float]] = [[] for _ in measured]
    for round_number in range(rounds + 1):
        for call, found in zip(measured, times, strict=True):
            begun = time.perf_counter()
            call()
            if round_number:
                found.append(time.perf_counter() - begun)
    return times
