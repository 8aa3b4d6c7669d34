"""Samples to the bytes of an audio file: wav, flac, mp3 or opus."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO

import numpy as np
import soundfile
from numpy.typing import NDArray

from servers.audio.pcm import to_float32, to_int16
from servers.audio.resample import StreamResampler
from servers.errors import InvalidRequest

BYTES_PER_SAMPLE = 2
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
    starts = range(0, len(samples), BLOCK_FRAMES)
    file = io.BytesIO()
    _write((samples[start : start + BLOCK_FRAMES] for start in starts), sample_rate, format, file)
    return file.getvalue()


def encode_file(pcm: IO[bytes], sample_rate: int, format: str, file: IO[bytes]) -> None:
    """Writes what `encode` gives of the mono int16 samples that `pcm` has from here on into `file`, block by
    block, and leaves that at its start. Raises as `encode` does.
    """
    blocks = iter(lambda: pcm.read(BLOCK_FRAMES * BYTES_PER_SAMPLE), b"")
    _write((np.frombuffer(block, dtype="<i2") for block in blocks), sample_rate, format, file)
    file.seek(0)


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


def _write(blocks: Iterable[NDArray[np.int16]], sample_rate: int, format: str, file: IO[bytes]) -> None:
    chosen, rate = _format(format), encoded_rate(sample_rate, format)
    with soundfile.SoundFile(
        file, "w", samplerate=rate, channels=1, format=chosen.container, subtype=chosen.subtype
    ) as sound:
        for block in blocks if rate == sample_rate else _resampled(blocks, sample_rate, rate):
            sound.write(block)


def _resampled(blocks: Iterable[NDArray[np.int16]], from_hz: int, to_hz: int) -> Iterator[NDArray[np.int16]]:
    resampler = StreamResampler(from_hz, to_hz)
    for block in blocks:
        yield to_int16(resampler.push(to_float32(block)))
    yield to_int16(resampler.push(np.zeros(0, np.float32), last=True))
