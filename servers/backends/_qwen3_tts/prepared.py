"""What an utterance comes to, before anything is computed: its pieces, its voice, how codes are drawn.

A long text is spoken in pieces that the model speaks well in one go, cut where a reader would take breath.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from servers.backends._qwen3_tts.prompts import VoicePrompt
from servers.backends._qwen3_tts.request import QwenOptions, QwenUtterance
from servers.backends._qwen3_tts.sampling import Sampling
from servers.text.packing import CLAUSES, WORDS, halves, packed
from servers.text.sentences import paragraphs, sentence_spans

SENTENCE_PAUSE_S = 0.25
PARAGRAPH_PAUSE_S = 0.6
ANCHOR_TOKENS = 60
"""The first piece where it alone keeps the voice the same: about 18 seconds, shown to each later piece."""

Size = Callable[[str], int]
"""How many tokens a text has."""


@dataclass(frozen=True)
class Piece:
    """`pause_s` is the silence between this piece's last sound and the next one's first."""

    text: str
    pause_s: float


@dataclass(frozen=True)
class PreparedUtterance:
    """`is_anchored` where nothing else keeps the voice the same from piece to piece: the later ones are then
    spoken as if they followed the first.
    """

    pieces: tuple[Piece, ...]
    language: str | None
    voice: VoicePrompt
    is_anchored: bool
    seed: int
    talker: Sampling
    predictor: Sampling
    repetition_penalty: float
    max_frames: int
    retries: bool

    @classmethod
    def of(
        cls,
        asked: QwenUtterance,
        voice: VoicePrompt,
        language: str | None,
        options: QwenOptions,
        defaults: Mapping[str, Any],
        size: Size,
    ) -> PreparedUtterance:
        """`defaults` are the checkpoint's generation_config.json, `size` counts the tokens of a text."""
        is_anchored = voice.speaker is None
        first = min(ANCHOR_TOKENS, options.piece_tokens) if is_anchored else None
        wanted = asked.model_dump()
        penalty = asked.repetition_penalty or defaults.get("repetition_penalty", 1.05)
        return cls(
            pieces=tuple(pieces(asked.text, options.piece_tokens, size, first)),
            language=language,
            voice=voice,
            is_anchored=is_anchored,
            seed=secrets.randbits(63) if asked.seed is None else asked.seed,
            talker=Sampling.of(defaults, wanted),
            predictor=Sampling.of(defaults, wanted, "subtalker_"),
            repetition_penalty=float(penalty),
            max_frames=min(asked.max_frames or options.max_frames, options.max_frames),
            retries=options.retry_runaways if asked.retry_runaways is None else asked.retry_runaways,
        )


def pieces(text: str, longest: int, size: Size, first: int | None = None) -> list[Piece]:
    """The text in order, nothing left out, in pieces of at most `longest` by `size`, the first of `first`.

    A text that fits is one piece, as it was written. Otherwise it is cut between paragraphs and sentences; a
    sentence that is too long itself between its clauses, then its words, then its characters.
    """
    if size(text) <= longest:
        return [Piece(text.strip(), 0.0)]
    found: list[Piece] = []
    for paragraph in paragraphs(text):
        *before, last = _packed(paragraph, longest, size, None if found else first)
        found += [Piece(each, SENTENCE_PAUSE_S) for each in before]
        found.append(Piece(last, PARAGRAPH_PAUSE_S))
    return [*found[:-1], Piece(found[-1].text, 0.0)]


def _packed(paragraph: str, longest: int, size: Size, first: int | None) -> list[str]:
    spans = packed(
        paragraph,
        sentence_spans(paragraph),
        lambda part: size(part) <= longest,
        (CLAUSES, WORDS, halves),
        first=None if first is None else lambda part: size(part) <= first,
    )
    return [paragraph[start:end] for start, end in spans]
