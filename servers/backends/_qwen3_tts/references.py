"""Voices cloned from a clip: its codes and its speaker embedding, remembered by what is in the file."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from servers.audio.files import probe, read, recording
from servers.errors import AudioTooLong, InvalidRequest

FIELD = "reference_audio_path"
SHORTEST_S, LONGEST_S = 1.0, 60.0
SILENCE_RMS = 10 ** (-60 / 20)
"""−60 dBFS: a clip that is quieter all through has no voice in it."""


@dataclass(frozen=True)
class Reference:
    """A clip as the model sees it: `codes` (frames, 16), `speaker` (hidden,)."""

    codes: Tensor
    speaker: Tensor

    @property
    def bytes(self) -> int:
        return sum(tensor.numel() * tensor.element_size() for tensor in (self.codes, self.speaker))


class References:
    """Makes each clip's Reference with `model`, a Qwen3TTSModel of variant base, and keeps some."""

    def __init__(self, model: Any, limit_bytes: float) -> None:
        self._model, self._sample_rate = model, int(model.model.speaker_encoder_sample_rate)
        self._kept = ReferenceCache(limit_bytes)

    def of(self, path: Path) -> Reference:
        """Raises UnsupportedAudio, AudioTooLong or InvalidRequest, naming the field."""
        with recording(path, FIELD) as clip:
            check_length(probe(clip, param=FIELD).duration_s)
            content = hashlib.file_digest(clip, "sha256").hexdigest()
            clip.seek(0)
            return self._kept.get(content, lambda: self._made(clip))

    def _made(self, clip: BinaryIO) -> Reference:
        samples, _ = read(clip, self._sample_rate, longest_s=LONGEST_S, param=FIELD)
        samples = np.clip(samples, -1, 1)
        check_loudness(samples)
        (item,) = self._model.create_voice_clone_prompt((samples, self._sample_rate), ref_text=" ")
        return Reference(item.ref_code, item.ref_spk_embedding)


class ReferenceCache:
    """References by key, the least recently used forgotten first, when they take more than `limit_bytes`."""

    def __init__(self, limit_bytes: float) -> None:
        self._limit = limit_bytes
        self._by_key: OrderedDict[str, Reference] = OrderedDict()

    def get(self, key: str, make: Callable[[], Reference]) -> Reference:
        found = self._by_key.pop(key, None) or make()
        self._by_key[key] = found
        while sum(each.bytes for each in self._by_key.values()) > self._limit:
            self._by_key.popitem(last=False)
        return found


def check_length(duration_s: float) -> None:
    """Raises InvalidRequest or AudioTooLong, saying what is possible."""
    if duration_s < SHORTEST_S:
        message = f"the reference lasts {duration_s:.2f} s; at least {SHORTEST_S:g} s are needed"
        raise InvalidRequest(message, param=FIELD)
    if duration_s > LONGEST_S:
        message = f"the reference lasts {duration_s:.0f} s; at most {LONGEST_S:g} s are possible"
        raise AudioTooLong(message, param=FIELD)


def check_loudness(samples: NDArray[np.float32]) -> None:
    """Raises InvalidRequest for silence."""
    if float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) < SILENCE_RMS:
        raise InvalidRequest("the reference is silent: there is no voice in it to clone", param=FIELD)
