"""Voices cloned from a clip: its codes and its speaker embedding, remembered by what is in the file."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from torch import Tensor

from servers.audio.files import recording
from servers.audio.reference import clip_length_s, clip_samples

FIELD = "reference_audio_path"


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
            clip_length_s(clip, FIELD)
            content = hashlib.file_digest(clip, "sha256").hexdigest()
            clip.seek(0)
            return self._kept.get(content, lambda: self._made(clip))

    def _made(self, clip: BinaryIO) -> Reference:
        samples = clip_samples(clip, self._sample_rate, FIELD)
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
