"""ElevenLabs' names for audio, and the encoder of one utterance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, WithJsonSchema

from servers.audio.encode import content_type
from servers.audio.pcm import to_float32, to_int16
from servers.audio.resample import StreamResampler
from servers.audio.streaming import StreamEncoder
from servers.errors import InvalidRequest

DEFAULT = "mp3_44100_128"
PCM_HZ = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
MP3 = "22050_32 24000_48 44100 44100_32 44100_64 44100_96 44100_128 44100_192".split()  # noqa: SIM905
OPUS = "48000_32 48000_64 48000_96 48000_128 48000_192".split()  # noqa: SIM905


@dataclass(frozen=True)
class OutputFormat:
    """`name` is codec_rate or codec_rate_kbps; the encoder has a bit rate of its own."""

    name: str

    @property
    def codec(self) -> str:
        return self.name.split("_")[0]

    @property
    def rate_hz(self) -> int:
        return int(self.name.split("_")[1])

    @property
    def content_type(self) -> str:
        return content_type(self.codec)


_NAMES = (
    [f"pcm_{rate}" for rate in PCM_HZ] + [f"mp3_{each}" for each in MP3] + [f"opus_{each}" for each in OPUS]
)
FORMATS = {name: OutputFormat(name) for name in _NAMES}
Name = Annotated[
    str, WithJsonSchema({"type": "string", "enum": list(FORMATS)}), Field(description="of the audio")
]
"""What a client asks for; `output_format` checks it."""
CONTENT_TYPES = {format.content_type for format in FORMATS.values()}


def output_format(name: str) -> OutputFormat:
    """Raises InvalidRequest listing those that are possible."""
    if name not in FORMATS:
        message = f"{name[:40]!r} is no output format; known are {', '.join(FORMATS)}"
        raise InvalidRequest(message, param="output_format")
    return FORMATS[name]


class Encoder:
    """Mono int16 samples at `sample_rate` to bytes, of which each utterance's are whole by themselves.

    Nothing of one is held back until the next: its end is heard though no more text comes.
    """

    def __init__(self, format: OutputFormat, sample_rate: int) -> None:
        self._resampler = None
        if sample_rate != format.rate_hz:
            self._resampler = StreamResampler(sample_rate, format.rate_hz)
        self._codec = None if format.codec == "pcm" else StreamEncoder(format.codec, format.rate_hz)

    def push(self, samples: NDArray[np.int16]) -> bytes:
        """What these samples complete: nothing, for some."""
        samples = self._resampled(samples)
        return samples.tobytes() if self._codec is None else self._codec.push(samples)

    def finish(self) -> bytes:
        """The rest."""
        samples = self._resampled(np.zeros(0, np.int16), last=True)
        if self._codec is None:
            return samples.tobytes()
        return self._codec.push(samples) + self._codec.finish()

    def close(self) -> None:
        if self._codec is not None:
            self._codec.close()

    def _resampled(self, samples: NDArray[np.int16], last: bool = False) -> NDArray[np.int16]:
        if self._resampler is None:
            return samples
        return to_int16(self._resampler.push(to_float32(samples), last=last))
