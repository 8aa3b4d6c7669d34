"""What an utterance comes to, before anything is computed: its pieces, its voice, how codes are drawn."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from servers.backends._qwen3_tts.pieces import Piece, Size, pieces
from servers.backends._qwen3_tts.prompts import VoicePrompt
from servers.backends._qwen3_tts.request import QwenOptions, QwenUtterance
from servers.backends._qwen3_tts.sampling import Sampling

ANCHOR_TOKENS = 60
"""The first piece where it alone keeps the voice the same: about 18 seconds, shown to each later piece."""


@dataclass(frozen=True)
class Script:
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
    ) -> Script:
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
