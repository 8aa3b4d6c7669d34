"""Samples to the bytes of an audio file while they are still being made.

What is given to libsndfile or FFmpeg comes out as soon as the codec has made a frame of it. What would be
written over what has left already is not: the header says that the length is unknown, and players read to
the end.

What is held back at most, measured as samples that can be decoded, of audio at 24 kHz and at 16 kHz:

| format | ms | by |
|---|---|---|
| wav | 10, 10 | a block of ours |
| pcm | 10, 45 | a block, and the resampler |
| flac | 50, 75 | a block of 1152 samples |
| opus | 90, 90 | a page and a frame of 20 ms; with the resampler, as from 22.05 kHz, 125 |
| mp3 | 105, 120 | frames of 576 samples, and what the codec looks ahead |
| aac | 130, 190 | three frames of 1024 samples |

At 22.05 kHz and above all stay below 140 ms. At 8 kHz, which no voice of ours has, AAC is up to 300 ms late,
and MP3 225.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import IO, Any, cast

import numpy as np
import soundfile
from numpy.typing import NDArray

from servers.audio.encode import FORMATS, Writer, check_format, nearest_rate, writer
from servers.audio.pcm import to_float32, to_int16
from servers.audio.resample import StreamResampler

BLOCKS_PER_S = 100
"""The codec gets blocks of this length however the samples come, so that the same audio is the same bytes."""
FRAMES_FROM_HZ = 16_000
"""A frame of MP3 and of AAC is a number of samples: at 8 kHz, two of AAC are a quarter of a second."""
OPUS_PAGE_MS = 40.0
SET_OGG_PAGE_LATENCY_MS = 0x1302
"""libsndfile's SFC_SET_OGG_PAGE_LATENCY_MS, which soundfile has no name for; otherwise a page is a second."""
UNKNOWN_SIZE = 0xFFFFFFFF


def encoded(blocks: Iterable[NDArray[np.int16]], sample_rate: int, format: str) -> Iterator[bytes]:
    """The bytes of mono `blocks` as they come, none of them empty; closing the iterator lets the codec go.

    Raises at once as `check_format` does.
    """
    check_format(format)
    return _encoded(blocks, sample_rate, format)


def _encoded(blocks: Iterable[NDArray[np.int16]], sample_rate: int, format: str) -> Iterator[bytes]:
    with closing(StreamEncoder(format, sample_rate)) as encoder:
        for block in blocks:
            if made := encoder.push(block):
                yield made
        if made := encoder.finish():
            yield made


def streamed_rate(sample_rate: int, format: str) -> int:
    """The sample rate, in Hz, of what StreamEncoder makes of audio at `sample_rate`. Raises as it does."""
    rates = check_format(format).rates
    return nearest_rate(sample_rate, tuple(rate for rate in rates if rate >= FRAMES_FROM_HZ))


class StreamEncoder:
    """One stream of mono int16 samples, of any number at a time; for one thread at a time.

    `sample_rate` is that of the output: `to_hz`, of those that `check_rate` lets pass, or else the nearest to
    that of the input. A stream of no samples is a file of 10 ms of silence, where the
    format has none that is empty. Raises as `check_format` does.
    """

    def __init__(self, format: str, sample_rate: int, *, to_hz: int | None = None) -> None:
        self.sample_rate = to_hz or streamed_rate(sample_rate, format)
        self.content_type = FORMATS[format].content_type
        self._is_begun = format in ("wav", "pcm")
        self._block = max(1, sample_rate // BLOCKS_PER_S)
        self._waiting = np.zeros(0, np.int16)
        self._resampler = StreamResampler(sample_rate, self.sample_rate)
        self._resamples = sample_rate != self.sample_rate
        self._out = _Out(_wav_header(self.sample_rate) if format == "wav" else b"")
        self._writer: Writer | None = _live_writer(format, self.sample_rate, self._out)

    def push(self, samples: NDArray[np.int16]) -> bytes:
        """What these samples complete: nothing, for some. Raises ValueError after `finish` or `close`."""
        writing = self._open_writer()
        self._waiting = np.concatenate((self._waiting, samples), dtype=np.int16, casting="equiv")
        whole = len(self._waiting) // self._block * self._block
        for start in range(0, whole, self._block):
            self._write(writing, self._waiting[start : start + self._block])
        self._waiting = self._waiting[whole:]
        return self._out.taken()

    def finish(self) -> bytes:
        """The rest. Raises ValueError after `finish` or `close`."""
        writing = self._open_writer()
        if not self._is_begun and not len(self._waiting):
            self._waiting = np.zeros(self._block, np.int16)
        self._write(writing, self._waiting, last=True)
        self.close()
        return self._out.taken()

    def close(self) -> None:
        """Lets the codec go, and what it holds; a second time does nothing."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise ValueError("the stream has ended")
        return self._writer

    def _write(self, writing: Writer, block: NDArray[np.int16], last: bool = False) -> None:
        if self._resamples:
            block = to_int16(self._resampler.push(to_float32(block), last=last))
        writing.write(block)
        self._is_begun = True


class _Out:
    """What a codec writes to: it may go back and write over what it has written, and that is left out."""

    def __init__(self, header: bytes) -> None:
        self._new = bytearray(header)
        self._at = self._end = 0

    def taken(self) -> bytes:
        """What has been written since the last time."""
        new = bytes(self._new)
        self._new.clear()
        return new

    def write(self, data: bytes) -> int:
        if self._at == self._end:
            self._new += data
        self._at += len(data)
        self._end = max(self._end, self._at)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._end)[whence]
        return self._at

    def tell(self) -> int:
        return self._at


def _live_writer(format: str, sample_rate: int, out: _Out) -> Writer:
    """WAV is raw samples after its header."""
    chosen = FORMATS["pcm" if format == "wav" else format]
    made = writer(chosen, sample_rate, cast("IO[bytes]", out), **chosen.live)
    if format == "opus":
        _shorten_pages(made)
    return made


def _shorten_pages(sound: Any) -> None:
    latency_ms = soundfile._ffi.new("double *", OPUS_PAGE_MS)
    size = soundfile._ffi.sizeof("double")
    soundfile._snd.sf_command(sound._file, SET_OGG_PAGE_LATENCY_MS, latency_ms, size)


def _wav_header(sample_rate: int) -> bytes:
    """Of mono int16, with sizes that say that they are not known."""
    format = struct.pack("<IHHIIHH", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    unknown = struct.pack("<I", UNKNOWN_SIZE)
    return b"RIFF" + unknown + b"WAVEfmt " + format + b"data" + unknown
