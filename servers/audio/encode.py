"""Samples to the bytes of an audio file: wav, flac, mp3, opus or aac, or of none, pcm."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import IO, Any, Protocol, Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from servers.audio import containers
from servers.audio.aac import AacFile
from servers.audio.pcm import to_float32, to_int16
from servers.audio.resample import StreamResampler
from servers.errors import InvalidRequest
from servers.extras import require

BYTES_PER_SAMPLE = 2
BLOCK_FRAMES = 1 << 14
"""Frames written at once: libsndfile keeps a whole write on the C stack for the lossy formats."""


@dataclass(frozen=True)
class Format:
    """How a format is written. `rates`: the sample rates it can carry, in Hz, ascending; empty means any."""

    container: str
    """libsndfile's word for it, or ADTS, which libsndfile has not."""
    subtype: str
    content_type: str
    rates: tuple[int, ...] = ()
    live: Mapping[str, Any] = field(default_factory=dict)
    """What libsndfile is told besides where the bytes leave as they are made."""


MPEG_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
PCM_RATES = (24000,)
"""Nothing in raw samples says their rate: it is the one that OpenAI's clients take them to have."""

FORMATS: Mapping[str, Format] = {
    "wav": Format("WAV", "PCM_16", "audio/wav"),
    # Blocks of 1152 samples instead of 4096 (libFLAC's levels 0 to 2), for a tenth more bytes.
    "flac": Format("FLAC", "PCM_16", "audio/flac", live={"compression_level": 0.25}),
    # A constant rate of 64 to 160 kbit/s: players guess from it how long it is, as the count that stands
    # in the first frame of a file with a variable rate is known at the end only.
    "mp3": Format(
        "MP3",
        "MPEG_LAYER_III",
        "audio/mpeg",
        MPEG_RATES,
        live={"compression_level": 0.5, "bitrate_mode": "CONSTANT"},
    ),
    "opus": Format("OGG", "OPUS", "audio/ogg", OPUS_RATES),
    "aac": Format("ADTS", "AAC", "audio/aac", MPEG_RATES),
    "pcm": Format("RAW", "PCM_16", "audio/pcm", PCM_RATES),
}
ENDINGS = tuple(name for name in FORMATS if name != "pcm")
"""What a file's name may end in: raw samples are no file of their own."""


class Writer(Protocol):
    """What soundfile.SoundFile and AacFile have in common."""

    def write(self, samples: NDArray[np.int16], /) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class FileEncoder:
    """A file that is encoded as its samples come, and whose header says at the end how long it is.

    `file` is written to and sought in. `to_hz` is another rate than that of `encode`, of those that
    `check_rate` lets pass. Raises as `check_format` does.
    """

    def __init__(self, sample_rate: int, format: str, file: IO[bytes], *, to_hz: int | None = None) -> None:
        chosen, rate = check_format(format), to_hz or encoded_rate(sample_rate, format)
        self._resampler = None if rate == sample_rate else StreamResampler(sample_rate, rate)
        self._writer = writer(chosen, rate, file)

    def push(self, samples: NDArray[np.int16]) -> None:
        for start in range(0, len(samples), BLOCK_FRAMES):
            self._write(samples[start : start + BLOCK_FRAMES])

    def finish(self) -> None:
        """Writes what waits, and the header."""
        if self._resampler is not None:
            self._write(np.zeros(0, np.int16), last=True)
        self.close()

    def close(self) -> None:
        """Lets the codec go; a second time does nothing."""
        self._writer.close()

    def _write(self, block: NDArray[np.int16], last: bool = False) -> None:
        if self._resampler is not None:
            block = to_int16(self._resampler.push(to_float32(block), last=last))
        self._writer.write(block)


def encode(samples: NDArray[np.int16], sample_rate: int, format: str) -> bytes:
    """The bytes of a mono file; resampled where the format cannot carry the rate.

    Raises as `check_format` does.
    """
    starts = range(0, len(samples), BLOCK_FRAMES)
    file = io.BytesIO()
    _write((samples[start : start + BLOCK_FRAMES] for start in starts), sample_rate, format, file)
    return file.getvalue()


def encode_file(
    pcm: IO[bytes], sample_rate: int, format: str, file: IO[bytes], *, to_hz: int | None = None
) -> None:
    """Writes what `encode` gives of the mono int16 samples that `pcm` has from here on into `file`, block by
    block, and leaves that at its start. `to_hz` is another rate for it, of those that `check_rate` lets pass.

    Raises as `encode` does.
    """
    blocks = iter(lambda: pcm.read(BLOCK_FRAMES * BYTES_PER_SAMPLE), b"")
    _write((np.frombuffer(block, dtype="<i2") for block in blocks), sample_rate, format, file, to_hz)
    file.seek(0)


def check_format(name: str) -> Format:
    """Raises InvalidRequest, listing the formats, where `name` is none of FORMATS, and MissingExtra where it
    cannot be written here.
    """
    chosen = _format(name)
    if chosen.container == "ADTS":
        require(containers.EXTRA, "av")
    return chosen


def writer(chosen: Format, sample_rate: int, file: IO[bytes], **options: Any) -> Writer:
    """Writes mono samples of a rate that the format can carry; the options are soundfile's."""
    if chosen.container == "ADTS":
        return AacFile(file, sample_rate)
    opened: Writer = soundfile.SoundFile(
        file,
        "w",
        samplerate=sample_rate,
        channels=1,
        format=chosen.container,
        subtype=chosen.subtype,
        **options,
    )
    return opened


def encoded_rate(sample_rate: int, format: str) -> int:
    """The sample rate, in Hz, of what `encode` makes of audio at `sample_rate`. Raises InvalidRequest."""
    return nearest_rate(sample_rate, _format(format).rates)


def check_rate(sample_rate: int, format: str) -> None:
    """Raises InvalidRequest, listing the rates, where the format cannot carry that one. What is raw carries
    any, for who names a rate knows it.
    """
    rates = _format(format).rates
    if rates and sample_rate not in rates and FORMATS[format].container != "RAW":
        known = ", ".join(map(str, rates))
        message = f"{format} cannot carry {sample_rate} samples a second; its rates are {known}"
        raise InvalidRequest(message, param="sample_rate")


def content_type(format: str) -> str:
    """The media type of a format, for a Content-Type header."""
    return _format(format).content_type


def _format(name: str) -> Format:
    if name not in FORMATS:
        known = ", ".join(FORMATS)
        raise InvalidRequest(f"{name!r} is not an audio format; known are {known}", param="format")
    return FORMATS[name]


def nearest_rate(sample_rate: int, rates: tuple[int, ...]) -> int:
    """The lowest rate that loses nothing, or the highest there is."""
    if not rates or sample_rate in rates:
        return sample_rate
    return next((rate for rate in rates if rate > sample_rate), rates[-1])


def _write(
    blocks: Iterable[NDArray[np.int16]],
    sample_rate: int,
    format: str,
    file: IO[bytes],
    to_hz: int | None = None,
) -> None:
    with closing(FileEncoder(sample_rate, format, file, to_hz=to_hz)) as encoder:
        for block in blocks:
            encoder.push(block)
        encoder.finish()
