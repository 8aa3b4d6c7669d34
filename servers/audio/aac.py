"""AAC in ADTS frames, by FFmpeg's encoder through PyAV, which is the extra `av`."""

from __future__ import annotations

from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from servers.audio.containers import EXTRA
from servers.extras import require

ADTS_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
"""In Hz, by the number they have in a header: ISO/IEC 14496-3, table 1.18."""
ADTS_HEADER_BYTES = 7


class AacFile:
    """Mono int16 samples into `file`, which is only written to, frame by frame of 1024 samples.

    Raises MissingExtra where PyAV is not installed. `sample_rate` is one of ADTS_RATES.
    """

    def __init__(self, file: IO[bytes], sample_rate: int) -> None:
        require(EXTRA, "av")
        import av

        self._file, self._rate = file, sample_rate
        codec: Any = av.CodecContext.create("aac", "w")
        codec.sample_rate, codec.layout, codec.format = sample_rate, "mono", "fltp"
        codec.thread_count = 1
        self._codec = codec
        self._is_begun = False

    def write(self, samples: NDArray[np.int16]) -> None:
        """Any number of samples: those that fill no frame wait for the next."""
        import av

        if not len(samples):
            return
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples)[None, :], format="s16", layout="mono"
        )
        frame.sample_rate = self._rate
        self._is_begun = True
        self._put(frame)

    def close(self) -> None:
        """Writes what waits, and lets the encoder go; a second time does nothing."""
        if self._codec is None:
            return
        if self._is_begun:
            self._put(None)
        self._codec = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, frame: Any) -> None:
        for packet in self._codec.encode(frame):
            self._file.write(adts_header(self._rate, packet.size) + bytes(packet))


def adts_header(sample_rate: int, payload_bytes: int) -> bytes:
    """What stands before each frame of mono AAC-LC: ISO/IEC 14496-3, 1.A.2.2.

    From the highest bit: 12 that are set, MPEG-4, layer 0, no checksum; AAC-LC (2 bits); the rate (4); a
    private bit; one channel (3); 4 bits of rights; the length with the header (13); the buffer's fullness,
    unknown (11); one block (2).
    """
    length = ADTS_HEADER_BYTES + payload_bytes
    rate = ADTS_RATES.index(sample_rate)
    bits = 0xFFF1 << 40 | 1 << 38 | rate << 34 | 1 << 30 | length << 13 | 0x7FF << 2
    return bits.to_bytes(ADTS_HEADER_BYTES, "big")
