"""Samples to the bytes of an audio file: wav, flac, mp3 or opus."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray

from servers.audio.pcm import to_float32, to_int16
from servers.audio.resample import resample
from servers.errors import InvalidRequest

BLOCK_FRAMES = 1 << 14
"""Frames written at once: libsndfile keeps a whole write on the C stack for the lossy formats."""


@dataclass(frozen=True)
class Format:
    """How a format is written. `rates`: the sample rates it can carry, in Hz, ascending; empty means any."""

    container: str
    subtype: str
    content_type: str
    rates: tuple[int, ...] = ()


MPEG_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)

FORMATS: Mapping[str, Format] = {
    "wav": Format("WAV", "PCM_16", "audio/wav"),
    "flac": Format("FLAC", "PCM_16", "audio/flac"),
    "mp3": Format("MP3", "MPEG_LAYER_III", "audio/mpeg", MPEG_RATES),
    "opus": Format("OGG", "OPUS", "audio/ogg", OPUS_RATES),
}


def encode(samples: NDArray[np.int16], sample_rate: int, format: str) -> bytes:
    """The bytes of a mono file; resampled where the format cannot carry the rate.

    Raises InvalidRequest, listing the formats, where `format` is none of FORMATS.
    """
    chosen = _format(format)
    rate = encoded_rate(sample_rate, format)
    if rate != sample_rate:
        samples = to_int16(resample(to_float32(samples), sample_rate, rate))
    return _written(samples, rate, chosen)


def encoded_rate(sample_rate: int, format: str) -> int:
    """The sample rate, in Hz, of what `encode` makes of audio at `sample_rate`. Raises as `encode` does."""
    return _nearest_rate(sample_rate, _format(format).rates)


def content_type(format: str) -> str:
    """The media type of a format, for a Content-Type header."""
    return _format(format).content_type


def _format(name: str) -> Format:
    if name not in FORMATS:
        known = ", ".join(FORMATS)
        raise InvalidRequest(f"{name!r} is not an audio format; known are {known}", param="format")
    return FORMATS[name]


def _nearest_rate(sample_rate: int, rates: tuple[int, ...]) -> int:
    """The lowest rate that loses nothing, or the highest there is."""
    if not rates or sample_rate in rates:
        return sample_rate
    return next((rate for rate in rates if rate > sample_rate), rates[-1])


def _written(samples: NDArray[np.int16], rate: int, format: Format) -> bytes:
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", samplerate=rate, channels=1, format=format.container, subtype=format.subtype
    ) as file:
        for start in range(0, len(samples), BLOCK_FRAMES):
            file.write(samples[start : start + BLOCK_FRAMES])
    return buffer.getvalue()
