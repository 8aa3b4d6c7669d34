"""Encoded audio as samples again, by FFmpeg, and how like they are to what went in."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
import pytest

from servers.audio.encode import PCM_RATES
from servers.audio.resample import resample

DEMUXERS = {"opus": "ogg"}


def spoken(seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    """A buzz of 130 Hz and breath that swell four times a second, as syllables do: int16."""
    at = np.arange(round(seconds * rate)) / rate
    buzz = sum(np.sin(2 * np.pi * 130 * harmonic * at) / harmonic for harmonic in range(1, 20))
    breath = np.random.default_rng(seed).standard_normal(len(at)) * 0.1
    return ((buzz + breath) * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * at)) * 5000).astype(np.int16)


def decoded(data: bytes, format: str) -> tuple[np.ndarray, int]:
    """float32 and the rate in Hz: of a file that is cut off, as far as it goes; nothing is rate 0."""
    if format == "pcm":
        return np.frombuffer(data, "<i2").astype(np.float32) / 32768, PCM_RATES[0]
    av = pytest.importorskip("av", reason="needs the extra [av]")
    pieces, rate = [np.zeros(0, np.float32)], 0
    try:
        with av.open(io.BytesIO(data), format=DEMUXERS.get(format, format)) as container:
            for frame in container.decode(audio=0):
                rate = frame.sample_rate
                [as_float] = av.AudioResampler("fltp", "mono", rate).resample(frame)
                pieces.append(as_float.to_ndarray()[0])
    except av.error.FFmpegError:
        """It ends here."""
    samples = np.concatenate(pieces)
    if format != "opus" or not rate:
        return samples, rate
    named = _named_rate(data)
    return resample(samples, rate, named), named


def _named_rate(opus: bytes) -> int:
    """In Hz: FFmpeg decodes all Opus at 48 kHz."""
    at = opus.index(b"OpusHead") + 12
    return int.from_bytes(opus[at : at + 4], "little")


class Match(NamedTuple):
    correlation: float
    delay: int
    """Samples that the first is later than the second."""


def match(one: np.ndarray, other: np.ndarray) -> Match:
    """Where the two are likest."""
    size = 1 << (len(one) + len(other)).bit_length()
    crossed = np.fft.irfft(np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size)))
    best = int(np.argmax(crossed))
    return Match(
        float(crossed[best] / (np.linalg.norm(one) * np.linalg.norm(other))),
        best if best < size // 2 else best - size,
    )
