"""The audio of texts at the rate that a client asks for: float32 as it comes, and bytes as they are sent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from servers.audio.encode import encoded_rate
from servers.audio.limiter import LimitedGain
from servers.audio.pcm import to_float32, to_int16
from servers.audio.resample import StreamResampler
from servers.audio.streaming import StreamEncoder
from servers.speech import Chunk, Word

Floats = NDArray[np.float32]
NOTHING = np.zeros(0, np.float32)
RAW = "pcm"


class Sound:
    """Chunks of one text after another, at one rate: `rate_hz`, or where that is None the nearest to
    the first chunk's that the format can carry.
    """

    def __init__(self, format: str, rate_hz: int | None) -> None:
        self.format, self.rate_hz = format, rate_hz
        self._resampler: StreamResampler | None = None
        self._made = self._began_at = self._told = 0
        """Samples that were given out, before the current text and in all; words of it that were told."""

    def push(self, chunk: Chunk) -> tuple[Floats, list[Word]]:
        """What the chunk completes, and the words that are known with it, in the time of all texts."""
        if self.rate_hz is None:
            self.rate_hz = (
                chunk.sample_rate if self.format == RAW else encoded_rate(chunk.sample_rate, self.format)
            )
        if self._resampler is None:
            self._resampler = StreamResampler(chunk.sample_rate, self.rate_hz)
        self._told += len(chunk.words)
        return self._counted(self._resampler.push(to_float32(chunk.samples))), self._moved(chunk.words)

    def end_text(self, words: Sequence[Word]) -> tuple[Floats, list[Word]]:
        """The rest of the current text, whose words are these."""
        rest = NOTHING if self._resampler is None else self._resampler.push(NOTHING, last=True)
        told = self._moved(words[self._told :])
        rest = self._counted(rest)
        self._resampler, self._told, self._began_at = None, 0, self._made
        return rest, told

    def _counted(self, samples: Floats) -> Floats:
        self._made += len(samples)
        return samples

    def _moved(self, words: Sequence[Word]) -> list[Word]:
        before_s = self._began_at / (self.rate_hz or 1)
        moved = [{"start": word.start + before_s, "end": word.end + before_s} for word in words]
        return [word.model_copy(update=update) for word, update in zip(words, moved, strict=True)]


class Sent:
    """One stream of bytes, of samples at `rate_hz`, made louder by the gain of each text; closing lets go."""

    def __init__(self, format: str, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._encoder = None if format == RAW else StreamEncoder(format, rate_hz, to_hz=rate_hz)
        self._gain: LimitedGain | None = None

    def push(self, samples: Floats, gain_db: float, last_of_text: bool) -> bytes:
        """A text keeps the gain that its first samples came with."""
        self._gain = self._gain or LimitedGain(self._rate_hz, gain_db)
        louder = to_int16(self._gain.push(samples, last=last_of_text))
        if last_of_text:
            self._gain = None
        if self._encoder is None:
            return louder.astype("<i2", copy=False).tobytes()
        return self._encoder.push(louder)

    def finish(self) -> bytes:
        return b"" if self._encoder is None else self._encoder.finish()

    def close(self) -> None:
        if self._encoder is not None:
            self._encoder.close()
