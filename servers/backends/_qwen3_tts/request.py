"""What a client may ask of a Qwen3-TTS model, and what models.yaml may say about one. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from servers.backends.base import Options
from servers.speech import CloningUtterance


class QwenUtterance(CloningUtterance):
    """A CloningUtterance with what the family adds. None is what the checkpoint's
    generation_config.json says.

    `voice` is for CustomVoice checkpoints and fine-tuned ones, `instruct` the style there and the voice
    itself with VoiceDesign, the reference for Base. A seed gives the same audio alone and among others:
    in half precision its text is spoken alone for that, which takes longer: it waits for those before it, and
    whoever joins the batch after it waits for it.
    """

    x_vector_only: bool = False
    """Take the timbre of the clip alone, and not its style: `reference_text` is then not needed."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    """0 takes the likeliest code each time."""
    top_k: int | None = Field(default=None, ge=0)
    """0 is all."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    repetition_penalty: float | None = Field(default=None, ge=0.5, le=2)
    subtalker_temperature: float | None = Field(default=None, ge=0, le=2)
    subtalker_top_k: int | None = Field(default=None, ge=0)
    subtalker_top_p: float | None = Field(default=None, gt=0, le=1)

    max_frames: int | None = Field(default=None, ge=2)
    """The longest that the whole text may become, in frames of 80 ms."""
    retry_runaways: bool | None = None
    """Hold each piece of the text back until it has ended, and say one that found no end again, once.

    For whoever takes the audio as a whole: nothing is heard of a piece before it has ended.
    """


class QwenOptions(Options):
    """What models.yaml may say about a Qwen3-TTS model."""

    checkpoint: Path
    """Its folder, absolute or in the models folder."""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """auto: bfloat16 where the GPU has it (Ampere and later), float16 on older ones, float32 on a CPU."""
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = "auto"
    """auto: flash_attention_2 where it is installed and the GPU can do it, sdpa elsewhere."""
    default_voice: str | None = None
    """Who speaks where a client names nobody; the checkpoint's first speaker, if it has any."""
    max_batch: int = Field(default=8, ge=1)
    """Utterances spoken at once: so many queued jobs are given to the model together, or join later.

    On a machine that is busy for six tenths of what a full batch gives, eight places are often all taken, and
    whoever comes then waits for one that ends: for first chunks that come soon, have twice as many.
    """

    first_chunk_frames: int = Field(default=2, ge=1, le=3)
    """The first chunk comes after so many frames of 80 ms; each later one has twice as many (in a crowd three
    times) …"""
    chunk_frames: int = Field(default=12, ge=1)
    """… until they have so many. All but the first may wait a third longer, to be decoded with others'."""
    trim_silence: bool = True
    """Begin with the first sound: up to a second of silence before it is left out."""

    piece_tokens: int = Field(default=150, ge=16)
    """A text of more tokens is cut at its sentences and spoken piece by piece; 150 are about 45 seconds."""
    max_frames: int = Field(default=8192, ge=2)
    """The longest that any text may become, in frames of 80 ms: 8,192 are eleven minutes."""
    retry_runaways: bool = False
    """For requests that do not say it themselves."""

    reference_cache_mb: float = Field(default=64, ge=0)
    """What is remembered of reference clips, the latest used ones."""
