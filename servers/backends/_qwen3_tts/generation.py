"""One utterance on its way from text to audio: its pieces one after the other, each frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np
import torch
from torch import Tensor

from servers.audio.trim import Mono, Trimmer
from servers.backends._qwen3_tts.codec import CodecDecoder, CodecStream
from servers.backends._qwen3_tts.prepared import Piece, PreparedUtterance
from servers.backends._qwen3_tts.prompts import PromptBuilder, SpokenExample
from servers.backends._qwen3_tts.request import QwenOptions
from servers.backends._qwen3_tts.sampling import CODES, noise
from servers.backends._qwen3_tts.talker import BROKEN, Row
from servers.errors import BackendFailed
from servers.speech import Chunk, Progress, Speech

SHORTEST_CAP = 192
FRAMES_PER_TOKEN = 12
"""A piece may have max(SHORTEST_CAP, FRAMES_PER_TOKEN × its tokens) frames, which is vLLM-Omni's rule."""
GROWTH = 2
"""Of chunks, until they are full: a listener has one to hear while the next is made."""
USUAL_FRAMES_PER_TOKEN = 4
"""For progress: speech has about three tokens a second, the codec 12.5 frames."""


@dataclass(frozen=True)
class Components:
    """Of the loaded model: what every generation uses, and none owns."""

    prompts: PromptBuilder
    decoder: CodecDecoder
    end: int
    options: QwenOptions


class Wants(Enum):
    """What a generation needs next."""

    ROW = "its next piece begun"
    FRAME = "the next frame"
    NOTHING = "nothing: it is over"


@dataclass
class PieceGeneration:
    """One go at a piece: what the talker said of it, and how much of that is decoded."""

    cap: int
    """In frames."""
    chunk: int
    """How many frames the next chunk is to have."""
    stream: CodecStream
    trimmer: Trimmer
    codes: list[Tensor] = field(default_factory=list)
    """A tensor of 16 for each frame."""
    decoded: int = 0
    is_stopped: bool = False
    """It found its end."""

    @property
    def is_cut(self) -> bool:
        return len(self.codes) == self.cap and not self.is_stopped

    @property
    def is_over(self) -> bool:
        return self.is_stopped or self.is_cut

    @property
    def waiting(self) -> list[Tensor]:
        """The frames that are not decoded yet."""
        return self.codes[self.decoded :]

    @property
    def due(self) -> list[Tensor]:
        """Those of them that are decoded next: at the end all of them, before it no more than a chunk."""
        return self.waiting if self.is_over else self.waiting[: self.chunk]


class Generation:
    """Ask for its `row` when it wants one, and `add_frame` that row's frames, until it wants nothing.

    What is `due` is decoded in `stream` when it `is_due`, and its samples are given to `add_samples`.
    """

    wants: Wants

    def __init__(self, prepared: PreparedUtterance, components: Components) -> None:
        self._prepared, self._components = prepared, components
        self._voice = prepared.voice
        self._sizes = [components.prompts.tokens(piece.text) for piece in prepared.pieces]
        self._place = self._retries = 0
        self._frames_left = prepared.max_frames
        self._was_cut = False
        self._progress = 0.0
        self._now = self._begin_piece()

    def row(self) -> Row:
        """The talker's row for the piece at hand."""
        self.wants = Wants.FRAME
        prepared = self._prepared
        return Row(
            prompt=self._components.prompts.prompt(self._piece.text, prepared.language, self._voice),
            noise=noise(prepared.seed, (self._place, self._retries), self._now.cap),
            talker=prepared.talker,
            predictor=prepared.predictor,
            repetition_penalty=prepared.repetition_penalty,
        )

    def add_frame(self, frame: Tensor) -> None:
        """The row's next frame, 16 codes. Raises BackendFailed where the model's numbers overflowed."""
        first, now = int(frame[0]), self._now
        if first == BROKEN:
            raise BackendFailed("the model's numbers overflowed; in models.yaml, dtype: float32 prevents it")
        if first == self._components.end:
            now.is_stopped = True
        else:
            now.codes.append(frame)
        if now.is_cut and self._prepared.retries and not self._retries:
            self._retries = 1
            self._now = self._begin_piece()

    @property
    def stream(self) -> CodecStream:
        return self._now.stream

    @property
    def is_due(self) -> bool:
        """Whether what waits is to be decoded now: in chunks that grow, and at the end of a piece.

        All of a piece waits for its end where it may have to be said again.
        """
        now = self._now
        return now.is_over or (not self._prepared.retries and len(now.waiting) >= now.chunk)

    @property
    def due(self) -> Tensor:
        """The codes (frames, 16) to be decoded next; at the end of a piece there may be none."""
        due = self._now.due
        return torch.stack(due) if due else torch.zeros(0, CODES, dtype=torch.long)

    @property
    def share_of_chunk(self) -> float | None:
        """How much of its next chunk waits; None where that is the first or the last."""
        now = self._now
        return len(now.waiting) / now.chunk if now.decoded and not now.is_over else None

    @property
    def is_heard(self) -> bool:
        """Whether anything of it was, or nobody hears any of it before its end."""
        return bool(self._place or self._now.decoded or self._prepared.retries)

    def add_samples(self, samples: Mono, growth: int = GROWTH) -> Iterator[Chunk | Speech]:
        """The samples of what was due; whatever can be heard of them comes out, and at last the Speech.

        The next chunk is so many times as long.
        """
        now = self._now
        now.decoded += len(now.due)
        now.chunk = min(growth * now.chunk, max(self._components.options.chunk_frames, now.chunk))
        audible = now.trimmer.push(samples)
        yield from self._end_piece(audible) if now.is_over else self._chunk(audible)

    def progress(self) -> Progress:
        """By tokens: exact between pieces, inside one as far as speech usually is after so many frames."""
        size = self._sizes[self._place]
        said = min(1.0, len(self._now.codes) / (USUAL_FRAMES_PER_TOKEN * size)) * size
        fraction = (sum(self._sizes[: self._place]) + said) / sum(self._sizes)
        self._progress = max(self._progress, min(0.99, fraction))
        return Progress(self._progress)

    @property
    def _piece(self) -> Piece:
        return self._prepared.pieces[self._place]

    def _begin_piece(self) -> PieceGeneration:
        """A fresh one at the piece at hand, after whatever its voice goes on from."""
        self.wants = Wants.ROW
        decoder, options = self._components.decoder, self._components.options
        cap = max(SHORTEST_CAP, FRAMES_PER_TOKEN * self._sizes[self._place])
        begun = PieceGeneration(
            cap=min(cap, self._frames_left),
            chunk=options.first_chunk_frames,
            stream=decoder.stream(),
            trimmer=Trimmer(decoder.sample_rate, options.trim_silence),
        )
        if self._voice.example is not None:
            begun.stream.prime(self._voice.example.codes)
        return begun

    def _end_piece(self, audible: Mono) -> Iterator[Chunk | Speech]:
        """The last sounds of a piece, then what follows: the next one, or the Speech."""
        now = self._now
        self._was_cut = self._was_cut or now.is_cut
        self._frames_left -= len(now.codes)
        has_more = self._place + 1 < len(self._prepared.pieces)
        goes_on = has_more and self._frames_left > 0
        rest = now.trimmer.end(self._piece.pause_s if goes_on else None)
        yield from self._chunk(np.concatenate((audible, rest)))
        if goes_on:
            self._go_on()
        else:
            self.wants = Wants.NOTHING
            yield Speech(finish_reason="length" if has_more or self._was_cut else "stop")

    def _go_on(self) -> None:
        """The next piece; one without a voice of its own goes on from the first that came to an end."""
        now = self._now
        if self._prepared.is_anchored and self._voice.example is None and now.is_stopped:
            example = SpokenExample(self._piece.text, torch.stack(now.codes))
            self._voice = replace(self._voice, example=example, is_text_first=True)
        self._place, self._retries = self._place + 1, 0
        self._now = self._begin_piece()

    def _chunk(self, samples: Mono) -> Iterator[Chunk]:
        if len(samples):
            yield Chunk(samples, self._components.decoder.sample_rate)
