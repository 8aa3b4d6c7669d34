"""A prepared data set as the model sees it: the codes of each clip, and whose voice it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from servers.audio.files import read, recording
from servers.backends._qwen3_tts.references import References
from servers.backends._qwen3_tts_training.files import storing_weights, write_tensors
from servers.backends._qwen3_tts_training.objective import Example
from servers.datasets.clips import SAMPLE_RATE
from servers.datasets.prepared import Prepared


class Codes:
    """Of the clips of `prepared`, made one after the other with the codec of `package`, a Qwen3TTSModel.

    What was made by the last `save` is read from `path`, and not made again.
    """

    def __init__(self, package: Any, prepared: Prepared, path: Path) -> None:
        self._package, self._prepared, self._path = package, prepared, path
        self._made = load_file(path) if path.exists() else {}
        self._saved = len(self._made)

    def make(self) -> Iterator[float]:
        """Makes what is missing; tells after each clip which share of all is there."""
        for clip in self._prepared.clips[len(self._made) :]:
            self._made[clip.audio] = self._of(self._prepared.folder / clip.audio)
            yield len(self._made) / len(self._prepared.clips)

    def save(self) -> None:
        """Raises StorageFailed."""
        if len(self._made) > self._saved:
            with storing_weights("the codes of the clips"):
                write_tensors(self._path, self._made, {})
            self._saved = len(self._made)

    def examples(self) -> list[Example]:
        return [Example(clip.text, self._made[clip.audio]) for clip in self._prepared.clips]

    def _of(self, path: Path) -> Tensor:
        with recording(path) as file:
            samples, _ = read(file, SAMPLE_RATE)
        (codes,) = self._package.model.speech_tokenizer.encode(samples, sr=SAMPLE_RATE).audio_codes
        return torch.as_tensor(codes, dtype=torch.long, device="cpu").clone()


def speaker_of(package: Any, prepared: Prepared) -> Tensor:
    """The embedding of whoever speaks in the reference, (hidden,)."""
    speaker = References(package, limit_bytes=0).of(prepared.reference).speaker
    return speaker.detach().clone()
