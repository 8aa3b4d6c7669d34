"""Audio files: what a file is, from its header, and its samples as mono float32.

A file is decoded block by block, from its beginning to its end: what that takes of the memory does not grow
with the rate and the channels of the file, nor with what a header claims.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from servers.audio import containers
from servers.audio.mixing import MixDown
from servers.audio.resample import StreamResampler
from servers.errors import UnsupportedAudio
from servers.extras import how_to_install
from servers.limits import check_audio
from servers.nofollow import open_regular
from servers.settings import settings

FIELD = "audio_path"
"""What a job calls its recording, where nobody says otherwise."""
MORE_POSSIBLE = "m4a, mp4, webm, aac, amr and wma"
POSSIBLE = "WAV, FLAC, MP3, Ogg (Vorbis or Opus) and AIFF files are possible"
LOWEST_HZ, HIGHEST_HZ = 4_000, 768_000
BLOCK_SAMPLES = 1 << 18
"""Decoded at once, of all channels together: one megabyte."""
LOUDEST = float(1 << 16)
"""A file of float samples may hold any number: louder than this was nothing recorded, at whatever scale."""
UNKNOWN_LENGTH = 1 << 62
"""libsndfile reports more frames than this where a header does not say how many there are."""

Mono = NDArray[np.float32]


class Sound(Protocol):
    """An open file of either library, in soundfile's words. `frames` may be UNKNOWN_LENGTH."""

    samplerate: int
    channels: int
    frames: int
    format: str

    def read(self, *, out: NDArray[np.float32]) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class AudioInfo:
    """What the header says. `format` is libsndfile's word in lower case (wav, flac …), or mp4, webm …"""

    duration_s: float
    sample_rate: int
    channels: int
    format: str


def probe(
    source: Path | BinaryIO,
    *,
    longest_s: float | None = None,
    by_header: bool = False,
    param: str = FIELD,
) -> AudioInfo:
    """What the file is; a stream is left where it was.

    Where its header does not say how long it is, the file is decoded to know; `by_header` alone that is
    UnsupportedAudio.

    Raises UnsupportedAudio, saying what is possible, where it is no audio file or holds no audio, and
    AudioTooLong where it lasts more than `longest_s`, or than limits.max_audio_s where that is None; the
    errors name `param`.
    """
    with _opened(source, param) as file:
        _check_header(file, longest_s, param)
        frames = file.frames
        if frames >= UNKNOWN_LENGTH:
            frames = 0 if by_header else sum(len(block) for block in _decoded(file, longest_s, param))
            _check_holds_audio(frames, param)
        return AudioInfo(frames / file.samplerate, file.samplerate, file.channels, file.format.lower())


@contextmanager
def recording(path: Path, param: str = FIELD) -> Iterator[BufferedReader]:
    """The file, open, for whoever needs it more than once: whatever becomes of the path, it stays the same.

    Raises UnsupportedAudio, naming `param`, where there is no regular file or the path goes over a link.
    """
    try:
        stream = open_regular(path)
    except (OSError, ValueError) as error:  # of a name with a NUL
        reason = error.strerror if isinstance(error, OSError) else error
        raise UnsupportedAudio(f"the audio file cannot be opened: {reason}", param=param) from error
    with stream:
        yield stream


def read(
    source: Path | BinaryIO,
    sample_rate: int | None = None,
    *,
    longest_s: float | None = None,
    param: str = FIELD,
) -> tuple[Mono, int]:
    """The whole file as mono float32, at `sample_rate` Hz or at the file's own rate.

    Raises as `probe` does, UnsupportedAudio also where the data behind the header is damaged, and
    AudioTooLong also where there is more of it than the header says.
    """
    mono = bytearray()
    with _opened(source, param) as file:
        target = sample_rate or file.samplerate
        for samples in _resampled(file, target, longest_s, param):
            mono += samples.data
    _check_holds_audio(len(mono), param)
    return np.frombuffer(mono, dtype=np.float32), target


def blocks(
    source: Path | BinaryIO,
    sample_rate: int,
    seconds: float,
    *,
    longest_s: float | None = None,
    param: str = FIELD,
) -> Generator[Mono, None, None]:
    """What `read` gives, in blocks of so many seconds, so that a long file never lies in memory.

    Only the last one is shorter. Raises as `read` does, for damage when it comes to it.
    """
    with _opened(source, param) as file:
        yield from _cut(_resampled(file, sample_rate, longest_s, param), round(seconds * sample_rate), param)


def _cut(pieces: Iterable[Mono], size: int, param: str) -> Iterator[Mono]:
    """The same samples, so many at a time."""
    held, count = [np.zeros(0, np.float32)], 0
    for piece in pieces:
        held.append(piece)
        count += len(piece)
        if count > size:
            joined = np.concatenate(held)
            while len(joined) > size:
                yield joined[:size]
                joined = joined[size:]
            held, count = [joined], len(joined)
    _check_holds_audio(count, param)
    yield np.concatenate(held)


def _resampled(file: Sound, sample_rate: int, longest_s: float | None, param: str) -> Iterator[Mono]:
    _check_header(file, longest_s, param)
    stream, mix_down = StreamResampler(file.samplerate, sample_rate), MixDown(file.channels)
    for block in _decoded(file, longest_s, param):
        yield stream.push(mix_down.mixed(block))
    yield stream.push(np.zeros(0, np.float32), last=True)


def _decoded(file: Sound, longest_s: float | None, param: str) -> Iterator[NDArray[np.float32]]:
    """What the file holds, whatever its header says; each block, shape (frames, channels), until the next."""
    buffer = np.empty((max(1, BLOCK_SAMPLES // file.channels), file.channels), np.float32)
    frames = 0
    while len(block := file.read(out=buffer)):
        frames += len(block)
        check_audio(frames / file.samplerate, _longest(longest_s), param)
        _make_finite(block)
        yield block


def _make_finite(block: NDArray[np.float32]) -> None:
    """In place: what is no number is silence, and nothing is so loud that a sum of it is no number."""
    if not np.isfinite(block).all():
        np.nan_to_num(block, copy=False, posinf=0.0, neginf=0.0)
    np.clip(block, -LOUDEST, LOUDEST, out=block)


def _longest(longest_s: float | None) -> float:
    return settings().limits.max_audio_s if longest_s is None else longest_s


@contextmanager
def _opened(source: Path | BinaryIO, param: str) -> Iterator[Sound]:
    """A stream is left where it was."""
    if isinstance(source, Path):
        with recording(source, param) as stream, _sound(stream, param) as file:
            yield file
        return
    position = source.tell()
    try:
        with _sound(source, param) as file:
            yield file
    finally:
        source.seek(position)


@contextmanager
def _sound(stream: BinaryIO, param: str) -> Iterator[Sound]:
    """By libsndfile, and by PyAV what that cannot read."""
    _refuse_empty(stream, param)
    kind = containers.kind_of(containers.head_of(stream))
    file = None if kind and not kind.is_libsndfiles else _by_libsndfile(stream, kind, param)
    with _unreadable(param):
        if file is not None:
            with file:
                yield file
        else:
            assert kind is not None  # or libsndfile would have been the only one to ask
            _require_av(kind.name, param)
            with containers.opened(_Nameless(stream), kind, UNKNOWN_LENGTH) as contained:
                yield contained


def _by_libsndfile(stream: BinaryIO, kind: containers.Kind | None, param: str) -> _Sequential | None:
    """None where it cannot read the file, and PyAV may."""
    start = stream.tell()
    with _unreadable(param):
        try:
            return _Sequential(_Nameless(stream))
        except soundfile.SoundFileError:
            if kind is None or not containers.is_installed():
                raise
    stream.seek(start)
    return None


def _require_av(name: str, param: str) -> None:
    if not containers.is_installed():
        message = (
            f"the server cannot read {name} files: for these {how_to_install(containers.EXTRA)}; {POSSIBLE}"
        )
        raise UnsupportedAudio(message, param=param)


@contextmanager
def _unreadable(param: str) -> Iterator[None]:
    """Gives what both libraries raise its one type."""
    try:
        yield
    except (soundfile.SoundFileError, containers.Unreadable) as error:
        also = f", and {MORE_POSSIBLE}" if containers.is_installed() else ""
        message = f"this is not an audio file that can be read; {POSSIBLE}{also}"
        raise UnsupportedAudio(message, param=param) from error


def _refuse_empty(stream: BinaryIO, param: str) -> None:
    start = stream.tell()
    if not stream.read(1):
        raise UnsupportedAudio(f"the file is empty; {POSSIBLE}", param=param)
    stream.seek(start)


class _Sequential(soundfile.SoundFile):  # type: ignore[misc] # it has no types
    """A file that is read from its beginning to its end.

    soundfile would seek after each read, which libsndfile cannot do in GSM 6.10, G.721 and others.
    """

    def seekable(self) -> bool:
        return False


class _Nameless:
    """A stream without its file name: soundfile takes a name that ends in .raw for a format of its own."""

    def __init__(self, stream: BinaryIO) -> None:
        self.read = stream.read
        self.readinto = getattr(stream, "readinto", None) or self._readinto
        self.tell = stream.tell
        self._seek = stream.seek

    def seek(self, offset: int, whence: int = 0) -> None:
        """To before the beginning, where a damaged header may point, is nowhere: `tell` says so."""
        with suppress(OSError, ValueError):
            self._seek(offset, whence)

    def _readinto(self, buffer: memoryview) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _check_header(file: Sound, longest_s: float | None, param: str) -> None:
    if not LOWEST_HZ <= file.samplerate <= HIGHEST_HZ:
        message = f"{file.samplerate} samples a second; from {LOWEST_HZ} to {HIGHEST_HZ} are possible"
        raise UnsupportedAudio(message, param=param)
    _check_holds_audio(file.frames, param)
    if file.frames < UNKNOWN_LENGTH:
        check_audio(file.frames / file.samplerate, _longest(longest_s), param)


def _check_holds_audio(samples: int, param: str) -> None:
    if samples <= 0:
        raise UnsupportedAudio(f"the file holds no audio that can be read; {POSSIBLE}", param=param)
