"""What telephones and browsers record, made with PyAV itself."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import numpy as np

from servers.audio.resample import resample


class Recording(NamedTuple):
    """How a file is made: FFmpeg's words for its format and codec, and what the codec takes."""

    container: str
    codec: str
    rate: int = 48_000
    sample_format: str = "fltp"
    layout: str = "mono"
    bit_rate: int = 0


RECORDINGS = {
    "m4a": Recording("ipod", "aac"),
    "mp4": Recording("mp4", "aac", 44_100, layout="stereo"),
    "webm": Recording("webm", "libopus", sample_format="flt"),
    "webm_stereo": Recording("webm", "libopus", sample_format="flt", layout="stereo"),
    "aac": Recording("adts", "aac"),
    "amr": Recording("amr", "libopencore_amrnb", 8_000, "s16", bit_rate=12_200),
    "3gp": Recording("3gp", "libopencore_amrnb", 8_000, "s16", bit_rate=12_200),
    "wma": Recording("asf", "wmav2", 44_100, bit_rate=64_000),
    "g726": Recording("wav", "g726", 8_000, "s16", bit_rate=32_000),
    "ogg_opus": Recording("ogg", "libopus", sample_format="flt"),
    "mp3": Recording("mp3", "libmp3lame", 44_100),
    "8 bit": Recording("wav", "pcm_u8", 8_000, "u8"),
    "telephone": Recording("wav", "pcm_mulaw", 8_000, "s16"),
    "alaw": Recording("wav", "pcm_alaw", 8_000, "s16"),
}


def encoded(samples: np.ndarray, rate: int, wanted: Recording, seekable: bool = True) -> bytes:
    """Mono float32 as such a file; without its length, as a browser writes it, where it cannot seek."""
    import av

    file = io.BytesIO()
    sink: Any = file if seekable else _Stream(file)
    options = {} if seekable else {"live": "1"}
    with av.open(sink, "w", format=wanted.container, options=options) as container:
        stream = container.add_stream(wanted.codec, rate=wanted.rate, layout=wanted.layout)
        if wanted.bit_rate:
            stream.bit_rate = wanted.bit_rate
        resampled = resample(samples, rate, wanted.rate)
        frame = av.AudioFrame.from_ndarray(resampled[None, :], format="fltp", layout="mono")
        frame.sample_rate = wanted.rate
        size = stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(wanted.sample_format, wanted.layout, wanted.rate, frame_size=size)
        for each in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(each))
        container.mux(stream.encode(None))
    return file.getvalue()


class _Stream:
    """Can be written to, and nothing else."""

    def __init__(self, file: io.BytesIO) -> None:
        self.write = file.write
