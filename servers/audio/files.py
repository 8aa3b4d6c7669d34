"""Audio files: what a file is, from its header, and its samples as mono float32."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from servers.audio.resample import StreamResampler, resample
from servers.errors import UnsupportedAudio
from servers.nofollow import open_regular

FIELD = "audio_path"
"""What a job calls its recording, where nobody says otherwise."""
POSSIBLE = "WAV, FLAC, MP3, Ogg (Vorbis or Opus) and AIFF files are possible"
BLOCK_FRAMES = 1 << 18
UNKNOWN_LENGTH = 1 << 62
"""libsndfile reports more frames than this where a header does not say how many there are."""


@dataclass(frozen=True)
class AudioInfo:
    """What the header says. `format` is libsndfile's word in lower case: wav, flac, mp3, ogg …"""

    duration_s: float
    sample_rate: int
    channels: int
    format: str


def probe(source: Path | BinaryIO) -> AudioInfo:
    """What the file is, without decoding it; a stream is left where it was.

    Raises UnsupportedAudio, saying what is possible, where it is no audio file or holds no audio.
    """
    with _opened(source) as file:
        return _described(file)


@contextmanager
def recording(path: Path, param: str = FIELD) -> Iterator[BufferedReader]:
    """The file, open, for whoever needs it more than once: whatever becomes of the path, it stays the same.

    Raises UnsupportedAudio, naming `param`, where there is no regular file or the path goes over a link.
    """
    try:
        stream = open_regular(path)
    except OSError as error:
        message = f"the audio file cannot be opened: {error.strerror}"
        raise UnsupportedAudio(message, param=param) from error
    with stream:
        yield stream


def read(source: Path | BinaryIO, sample_rate: int | None = None) -> tuple[NDArray[np.float32], int]:
    """The whole file as mono float32 (channels averaged), at `sample_rate` Hz or at the file's own rate.

    Raises UnsupportedAudio as `probe` does, and where the data behind the header is damaged.
    """
    with _opened(source) as file:
        info = _described(file)
        mono = _mixed_down(file)
    if not len(mono):
        raise UnsupportedAudio(f"the file holds no audio that can be read; {POSSIBLE}")
    target = sample_rate or info.sample_rate
    return resample(mono, info.sample_rate, target), target


def blocks(
    source: Path | BinaryIO, sample_rate: int, seconds: float
) -> Generator[NDArray[np.float32], None, None]:
    """What `read` gives, in blocks of so many seconds, so that a long file never lies in memory.

    Only the last one is shorter. Raises UnsupportedAudio as `read` does, for damage when it comes to it.
    """
    size, rest = round(seconds * sample_rate), np.zeros(0, np.float32)
    for samples in _resampled(source, sample_rate):
        rest = np.concatenate([rest, samples])
        while len(rest) > size:
            yield rest[:size]
            rest = rest[size:]
    if not len(rest):
        raise UnsupportedAudio(f"the file holds no audio that can be read; {POSSIBLE}")
    yield rest


def _resampled(source: Path | BinaryIO, sample_rate: int) -> Iterator[NDArray[np.float32]]:
    with _opened(source) as file:
        stream = StreamResampler(_described(file).sample_rate, sample_rate)
        for block in _mono_blocks(file, BLOCK_FRAMES):
            yield stream.push(block)
        yield stream.push(np.zeros(0, np.float32), last=True)


@contextmanager
def _opened(source: Path | BinaryIO) -> Iterator[soundfile.SoundFile]:
    """A stream is left where it was."""
    if isinstance(source, Path):
        with recording(source) as stream, _sound(stream) as file:
            yield file
        return
    position = source.tell()
    try:
        with _sound(source) as file:
            yield file
    finally:
        source.seek(position)


@contextmanager
def _sound(stream: BinaryIO) -> Iterator[soundfile.SoundFile]:
    _refuse_empty(stream)
    try:
        with soundfile.SoundFile(_Nameless(stream)) as file:
            yield file
    except soundfile.SoundFileError as error:
        raise UnsupportedAudio(f"this is not an audio file that can be read; {POSSIBLE}") from error


def _refuse_empty(stream: BinaryIO) -> None:
    start = stream.tell()
    if not stream.read(1):
        raise UnsupportedAudio(f"the file is empty; {POSSIBLE}")
    stream.seek(start)


class _Nameless:
    """A stream without its file name: soundfile takes a name that ends in .raw for a format of its own."""

    def __init__(self, stream: BinaryIO) -> None:
        self.read = stream.read
        self.readinto = getattr(stream, "readinto", None) or self._readinto
        self.seek = stream.seek
        self.tell = stream.tell

    def _readinto(self, buffer: memoryview) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _described(file: soundfile.SoundFile) -> AudioInfo:
    if not 0 < file.frames < UNKNOWN_LENGTH:
        raise UnsupportedAudio(f"the file holds no audio, or its header does not say how much; {POSSIBLE}")
    return AudioInfo(
        duration_s=file.frames / file.samplerate,
        sample_rate=file.samplerate,
        channels=file.channels,
        format=file.format.lower(),
    )


def _mixed_down(file: soundfile.SoundFile) -> NDArray[np.float32]:
    mono = list(_mono_blocks(file, BLOCK_FRAMES))
    return np.concatenate(mono) if mono else np.zeros(0, np.float32)


def _mono_blocks(file: soundfile.SoundFile, frames: int) -> Iterator[NDArray[np.float32]]:
    for block in file.blocks(frames, dtype="float32", always_2d=True):
        yield np.nan_to_num(block.mean(axis=1, dtype=np.float32), posinf=0.0, neginf=0.0)
