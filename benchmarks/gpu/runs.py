"""One batch of one length through the package's own generate, and through Skylark's backend."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from servers.backends._qwen3_tts.codec import CodecDecoder
from servers.backends._qwen3_tts.request import QwenUtterance
from servers.backends.qwen3_tts import Qwen3Tts
from servers.errors import SkylarkError
from servers.speech import Chunk, ModelSpec
from tests.backends.qwen_models import Place, random_codes

TEXT = "The old keeper walked slowly down the beach."
SPEAKER = "vivian"
WARM_UP_FRAMES = 4
MEBI = 2**20


@dataclass(frozen=True)
class Run:
    """A batch that was spoken: `audio_s` of all its rows, `first_audio_s` until some of it could be heard."""

    audio_s: float
    total_s: float
    first_audio_s: float
    peak_mb: float | None
    """Device memory at its highest, weights included; None on a CPU."""

    @property
    def speed(self) -> float:
        """Seconds of audio in a second."""
        return self.audio_s / self.total_s


class Speaker(Protocol):
    """Speaks batches of so many rows, of so many frames each."""

    def speak(self, rows: int, frames: int) -> Run: ...


class Upstream:
    """The package as its README uses it. It does not stream: the first audio is the last."""

    def __init__(self, folder: Path, place: Place) -> None:
        from qwen_tts import Qwen3TTSModel

        self._device = place.device
        self._model: Any = Qwen3TTSModel.from_pretrained(
            str(folder),
            device_map=place.device,
            dtype=getattr(torch, place.dtype),
            attn_implementation="sdpa",
            local_files_only=True,
        )

    def speak(self, rows: int, frames: int) -> Run:
        clock = Clock(self._device)
        waves, rate = self._model.generate_custom_voice(
            [TEXT] * rows, speaker=SPEAKER, language="English", max_new_tokens=frames + 1
        )
        total_s = clock.elapsed_s()
        return Run(sum(map(len, waves)) / rate, total_s, total_s, clock.peak_mb())


class Ours:
    """The backend as a runner uses it; `rows` at once at most."""

    def __init__(self, folder: Path, place: Place, rows: int) -> None:
        self._device, self._backend = place.device, Qwen3Tts()
        options = {"checkpoint": folder, "dtype": place.dtype, "max_batch": rows, "trim_silence": False}
        self._backend.load(ModelSpec(backend="qwen3_tts", name=folder.name, options=options), place.device)

    def speak(self, rows: int, frames: int) -> Run:
        asked = [
            QwenUtterance(text=TEXT, voice=SPEAKER, language="en", seed=row, max_frames=frames)
            for row in range(rows)
        ]
        clock = Clock(self._device)
        heard = [(chunk, clock.elapsed_s()) for chunk in _chunks(self._backend, asked)]
        audio_s = sum(chunk.duration_s for chunk, _ in heard)
        return Run(audio_s, clock.elapsed_s(), heard[0][1], clock.peak_mb())


def _chunks(backend: Qwen3Tts, asked: list[QwenUtterance]) -> Iterator[Chunk]:
    for _, item in backend.synthesize(asked):
        if isinstance(item, SkylarkError):
            raise item
        if isinstance(item, Chunk):
            yield item


class Clock:
    """Runs from when it is made, on a device that has done all that it was given before."""

    def __init__(self, device: str) -> None:
        self._is_cuda = device.startswith("cuda")
        if self._is_cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        self._begun = time.perf_counter()

    def elapsed_s(self) -> float:
        if self._is_cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - self._begun

    def peak_mb(self) -> float | None:
        return torch.cuda.max_memory_allocated() / MEBI if self._is_cuda else None


def give_memory_back(device: str) -> None:
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()


@dataclass(frozen=True)
class CodecRun:
    """How the codec decodes by chunks: its largest difference to the whole, and seconds for each chunk."""

    difference: float
    whole_rms: float
    one_frame_s: float
    twelve_frames_s: float
    eight_rows_of_twelve_s: float
    upstream_s: float
    """For one new frame as the package would: the 25 frames before it decoded again."""


def codec(model: Any, place: Place, frames: int = 200, repeats: int = 10) -> CodecRun:
    """`model` is the codec as the package loads it, a Qwen3TTSTokenizerV2Model; it ends in float32."""
    decoder = CodecDecoder(model)
    codes = random_codes(frames).to(place.device)
    stream = decoder.stream()
    streamed = np.concatenate([stream.decode(part) for part in torch.split(codes, 7)])
    batch = [decoder.stream() for _ in range(8)]
    eight = random_codes(12, rows=8).to(place.device)
    upstream_s = _median_s(place.device, repeats, lambda: _decoded(model, codes[:26]))
    whole = _decoded(model.float(), codes)
    return CodecRun(
        difference=float(np.abs(streamed - whole).max()),
        whole_rms=float(np.sqrt(np.mean(whole**2))),
        one_frame_s=_median_s(place.device, repeats, lambda: stream.decode(codes[:1])),
        twelve_frames_s=_median_s(place.device, repeats, lambda: stream.decode(codes[:12])),
        eight_rows_of_twelve_s=_median_s(place.device, repeats, lambda: decoder.decode(batch, eight)),
        upstream_s=upstream_s,
    )


@torch.inference_mode()
def _decoded(model: Any, codes: torch.Tensor) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = model.decoder(codes.T[None])[0, 0].float().cpu().numpy()
    return samples


def _median_s(device: str, repeats: int, call: Callable[[], object]) -> float:
    call()
    times = []
    for _ in range(repeats):
        clock = Clock(device)
        call()
        times.append(clock.elapsed_s())
    return sorted(times)[len(times) // 2]
