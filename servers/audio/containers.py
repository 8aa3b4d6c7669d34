"""What people record and libsndfile cannot read: m4a, mp4, webm, amr, aac and others, by PyAV.

PyAV's wheels bring FFmpeg's libraries (by their own word under the LGPL, version 3 or later) and others'
(x264 and x265 under the GPL): so it is an extra, `av`.

What is opened is a stream, and as one format, by how it begins: FFmpeg left to guess would take a text for a
playlist, and open the files and addresses in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

EXTRA = "av"
HEAD_BYTES = 16
BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")
"""What the first box of an mp4 may be."""
OWN_LENGTH = frozenset(("mp4", "webm", "ogg", "wav", "caf", "wma"))
"""Formats that say how long they are, if they do; of others FFmpeg guesses by the first seconds' bit rate."""
MICROSECONDS = 1_000_000


class Kind(NamedTuple):
    """`name` is our word for a format, `demuxer` FFmpeg's; libsndfile reads some files of some of them."""

    name: str
    demuxer: str
    is_libsndfiles: bool = False


def kind_of(head: bytes) -> Kind | None:
    """By the first HEAD_BYTES bytes; None for what is not to be read here."""
    for begins, kind in BEGINNINGS:
        if head.startswith(begins):
            return kind
    if head[4:8] in BOXES:
        return Kind("mp4", "mov")
    if head[:1] == b"\xff" and len(head) > 1:
        return _mpeg(head[1])
    return None


BEGINNINGS = (
    (b"\x1aE\xdf\xa3", Kind("webm", "matroska")),
    (b"#!AMR", Kind("amr", "amr")),
    (b"0&\xb2u\x8ef\xcf\x11", Kind("wma", "asf")),
    (b"ADIF", Kind("aac", "aac")),
    (b"OggS", Kind("ogg", "ogg", is_libsndfiles=True)),
    (b"RIFF", Kind("wav", "wav", is_libsndfiles=True)),
    (b"caff", Kind("caf", "caf", is_libsndfiles=True)),
    (b"ID3", Kind("mp3", "mp3", is_libsndfiles=True)),
)


def _mpeg(second: int) -> Kind | None:
    """ADTS is known from MP3 by its layer, which is 0."""
    if second & 0xF0 == 0xF0 and second & 0x06 == 0:
        return Kind("aac", "aac")
    return Kind("mp3", "mp3", is_libsndfiles=True) if second & 0xE0 == 0xE0 else None


def is_installed() -> bool:
    return find_spec("av") is not None


class Unreadable(Exception):
    """The file is not what it begins as, or is damaged; the message says how."""


@contextmanager
def opened(stream: Any, kind: Kind, unknown_length: int) -> Iterator[Contained]:
    """`stream` has read, seek and tell; `unknown_length` is what `frames` says where the file does not.

    Raises Unreadable, also from what is done with it.
    """
    import av

    try:
        with av.open(stream, format=kind.demuxer) as container:
            yield Contained(container, kind, unknown_length)
    except (av.error.FFmpegError, ValueError) as error:
        raise Unreadable(str(error)) from error


class Contained:
    """The first audio of a container, with soundfile's words for it: read from its beginning to its end."""

    def __init__(self, container: Any, kind: Kind, unknown_length: int) -> None:
        stream = next(iter(container.streams.audio), None)
        codec = getattr(stream, "codec_context", None)
        if codec is None or not codec.sample_rate or not codec.layout.nb_channels:
            raise Unreadable("it holds no audio, or none that can be decoded")
        codec.thread_count = 1
        self.samplerate, self.channels, self.format = codec.sample_rate, codec.layout.nb_channels, kind.name
        self.frames = self._frames(container, kind, unknown_length)
        self._layout: str = codec.layout.name
        self._resamplers: dict[Any, Any] = {}
        """The one in use, by what it takes."""
        self._pieces, self._rest = self._decoded(container, stream), np.zeros((0, self.channels), np.float32)

    def _frames(self, container: Any, kind: Kind, unknown_length: int) -> int:
        duration = container.duration if kind.name in OWN_LENGTH else None
        return unknown_length if not duration else max(1, round(duration * self.samplerate / MICROSECONDS))

    def read(self, out: NDArray[np.float32]) -> NDArray[np.float32]:
        """As much of `out`, shape (frames, channels), as there still is."""
        filled = 0
        while filled < len(out):
            if not len(self._rest):
                piece = next(self._pieces, None)
                if piece is None:
                    break
                self._rest = piece
            taken = self._rest[: len(out) - filled]
            out[filled : filled + len(taken)] = taken
            filled, self._rest = filled + len(taken), self._rest[len(taken) :]
        return out[:filled]

    def _decoded(self, container: Any, stream: Any) -> Iterator[NDArray[np.float32]]:
        for frame in container.decode(stream):
            for each in self._resampler(frame).resample(frame):
                yield each.to_ndarray().T

    def _resampler(self, frame: Any) -> Any:
        """To what the header says, for a stream may change its rate and its channels midway."""
        import av

        key = frame.format.name, frame.layout.name, frame.sample_rate
        if key not in self._resamplers:
            self._resamplers = {key: av.AudioResampler("fltp", self._layout, self.samplerate)}
        return self._resamplers[key]


def head_of(stream: BinaryIO) -> bytes:
    """How a stream goes on; it is left where it was."""
    start = stream.tell()
    with suppress(OSError):
        head = stream.read(HEAD_BYTES)
        stream.seek(start)
        return head
    return b""
