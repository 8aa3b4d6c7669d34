"""One utterance on its way from text to audio: its pieces one after the other, each frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import torch
from torch import Tensor

from servers.audio.take import Mono, Take
from servers.backends._qwen3_tts.codec import CodecDecoder
from servers.backends._qwen3_tts.pieces import Piece
from servers.backends._qwen3_tts.prompts import Prompter, Spoken
from servers.backends._qwen3_tts.request import QwenOptions
from servers.backends._qwen3_tts.sampling import noise
from servers.backends._qwen3_tts.script import Script
from servers.backends._qwen3_tts.talker import BROKEN, Row
from servers.errors import BackendFailed
from servers.speech import Chunk, Progress, Speech

SHORTEST_CAP = 192
FRAMES_PER_TOKEN = 12
"""A piece may have max(SHORTEST_CAP, FRAMES_PER_TOKEN × its tokens) frames, which is vLLM-Omni's rule."""
USUAL_FRAMES_PER_TOKEN = 4
"""For progress: speech has about three tokens a second, the codec 12.5 frames."""


@dataclass(frozen=True)
class Studio:
    """What every performance uses, and none owns."""

    prompter: Prompter
    decoder: CodecDecoder
    end: int
    options: QwenOptions


class Wants(Enum):
    """What a performance needs next."""

    ROW = "its next piece begun"
    FRAME = "the next frame"
    NOTHING = "nothing: it is over"


class Performance:
    """Ask for its `row` when it wants one, then let it `hear` that row's frames, until it wants nothing."""

    def __init__(self, script: Script, studio: Studio) -> None:
        self._script, self._studio = script, studio
        self._voice = script.voice
        self._sizes = [studio.prompter.tokens(piece.text) for piece in script.pieces]
        self._place = self._attempt = 0
        self._frames_left = script.max_frames
        self._was_cut = False
        self._progress = 0.0
        self.wants = Wants.ROW
        self._begin_piece()

    def row(self) -> Row:
        """The talker's row for the piece at hand."""
        self.wants = Wants.FRAME
        script, place = self._script, self._place
        return Row(
            prompt=self._studio.prompter.prompt(self._piece.text, script.language, self._voice),
            noise=noise(script.seed, (place, self._attempt), self._cap),
            talker=script.talker,
            predictor=script.predictor,
            repetition_penalty=script.repetition_penalty,
        )

    def hear(self, frame: Tensor) -> Iterator[Chunk | Speech]:
        """Take the row's next frame, 16 codes; whatever can be heard of it comes out, and at last the Speech.

        Raises BackendFailed where the model's numbers overflowed.
        """
        first = int(frame[0])
        if first == BROKEN:
            raise BackendFailed("the model's numbers overflowed; in models.yaml, dtype: float32 prevents it")
        if first == self._studio.end:
            yield from self._end_piece(is_cut=False)
            return
        self._codes.append(frame)
        yield from self._heard(self._decoded_if_due())
        if len(self._codes) == self._cap:
            yield from self._end_piece(is_cut=True)

    def progress(self) -> Progress:
        """By tokens: exact between pieces, inside one as far as speech usually is after so many frames."""
        size = self._sizes[self._place]
        said = min(1.0, len(self._codes) / (USUAL_FRAMES_PER_TOKEN * size)) * size
        fraction = (sum(self._sizes[: self._place]) + said) / sum(self._sizes)
        self._progress = max(self._progress, min(0.99, fraction))
        return Progress(self._progress)

    @property
    def _piece(self) -> Piece:
        return self._script.pieces[self._place]

    def _begin_piece(self) -> None:
        options = self._studio.options
        cap = max(SHORTEST_CAP, FRAMES_PER_TOKEN * self._sizes[self._place])
        self._cap = min(cap, self._frames_left)
        self._codes: list[Tensor] = []
        self._decoded = 0
        self._chunk = options.first_chunk_frames
        self._take = Take(self._studio.decoder.sample_rate, options.trim_silence)
        self._stream = self._studio.decoder.stream()
        if self._voice.spoken is not None:
            self._stream.prime(self._voice.spoken.codes)

    def _end_piece(self, is_cut: bool) -> Iterator[Chunk | Speech]:
        """1. A runaway nobody has heard is said again. 2. The next piece follows. 3. It is over."""
        if is_cut and self._script.retries and self._attempt == 0:  # 1
            self._attempt = 1
            self._begin_piece()
            self.wants = Wants.ROW
            return
        self._was_cut = self._was_cut or is_cut
        self._frames_left -= len(self._codes)
        is_last = self._place + 1 == len(self._script.pieces) or self._frames_left < 1
        last = self._decode(), self._take.end(None if is_last else self._piece.pause_s)
        yield from self._heard(np.concatenate(last))
        if not is_last:  # 2
            self._go_on(is_cut)
            return
        self.wants = Wants.NOTHING  # 3
        is_whole = self._place + 1 == len(self._script.pieces) and not self._was_cut
        yield Speech(finish_reason="stop" if is_whole else "length")

    def _go_on(self, is_cut: bool) -> None:
        if self._script.is_anchored and self._voice.spoken is None and not is_cut:
            spoken = Spoken(self._piece.text, torch.stack(self._codes))
            self._voice = replace(self._voice, spoken=spoken, is_text_first=True)
        self._place, self._attempt = self._place + 1, 0
        self._begin_piece()
        self.wants = Wants.ROW

    def _decoded_if_due(self) -> Mono:
        """Audio in chunks that grow, unless the piece may have to be said again."""
        if self._script.retries or len(self._codes) - self._decoded < self._chunk:
            return np.zeros(0, np.float32)
        self._chunk = min(2 * self._chunk, max(self._studio.options.chunk_frames, self._chunk))
        return self._decode()

    def _decode(self) -> Mono:
        waiting = self._codes[self._decoded :]
        if not waiting:
            return np.zeros(0, np.float32)
        self._decoded = len(self._codes)
        return self._take.push(self._stream.decode(torch.stack(waiting)))

    def _heard(self, samples: Mono) -> Iterator[Chunk]:
        if len(samples):
            yield Chunk(samples, self._studio.decoder.sample_rate)
