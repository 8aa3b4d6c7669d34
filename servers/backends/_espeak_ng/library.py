"""The espeak-ng library: text to samples and events as they are made, and text to phonemes.

The library is global state: one instance in each process, and one lock around every use of it.
"""

from __future__ import annotations

import atexit
import ctypes
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from servers.backends._espeak_ng.abi import (
    REINSTALL,
    Burst,
    LibraryVoice,
    SynthCallback,
    VoiceStruct,
    burst_at,
    load_library,
    voices_at,
)
from servers.errors import BackendFailed, ModelLoadFailed

SYNCHRONOUS = 2
PHONEME_EVENTS, DONT_EXIT = 0x1, 0x8000
UTF8, END_PAUSE = 0x1, 0x1000
POSITION_IN_CHARACTERS = 1
RATE, PITCH = 1, 3
BUFFER_MS = 60
NORMAL_WORDS_PER_MINUTE = 175
LONGEST_DATA_PATH = 120
"""The library has 160 bytes for the path and the files under it, and cuts a longer one off in silence."""
PENDING_BURSTS = 64
"""Bursts made ahead of a slow reader, about four seconds of speech."""
SEPARATOR = "|"


@lru_cache(maxsize=1)
def shared_library() -> Library:
    """The process's one instance. Raises ModelLoadFailed, saying how to mend it."""
    return Library()


class Library:
    """Get it from `shared_library()`. Any thread may call it, and waits while another one synthesises."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._library, self.data_path = load_library()
        path = str(short_path(self.data_path)).encode()
        self.sample_rate: int = self._library.espeak_Initialize(
            SYNCHRONOUS, BUFFER_MS, path, PHONEME_EVENTS | DONT_EXIT
        )
        if self.sample_rate <= 0:
            raise ModelLoadFailed(f"espeak-ng finds no data in {self.data_path}; {REINSTALL}")

    def voices(self) -> list[LibraryVoice]:
        """Every voice that has a language."""
        with self._lock:
            return list(voices_at(self._library.espeak_ListVoices(None)))

    def variants(self) -> list[LibraryVoice]:
        """Every timbre that can be put on a voice: "!v/klatt4" in "gmw/en-US+klatt4"."""
        kind = ctypes.c_char_p(b"variant")
        wanted = VoiceStruct(languages=ctypes.cast(kind, ctypes.c_void_p))
        with self._lock:
            return list(voices_at(self._library.espeak_ListVoices(ctypes.byref(wanted))))

    def phonemes(self, text: str, voice: str) -> list[list[str]]:
        """The names of the phonemes, with their stress marks, of each word in the text as it is spoken."""
        buffer = ctypes.create_string_buffer(text.encode())
        rest = ctypes.c_void_p(ctypes.addressof(buffer))
        mode = ord(SEPARATOR) << 8
        clauses = []
        with self._lock:
            self._choose(voice)
            while rest.value:
                clauses.append(self._library.espeak_TextToPhonemes(ctypes.byref(rest), UTF8, mode))
        words = b" ".join(clauses).decode("utf-8", "replace").split()
        return [word.split(SEPARATOR) for word in words]

    def stream(self, text: str, voice: str, speed: float = 1.0, pitch: int = 50) -> Iterator[Burst]:
        """Speak the text, which is plain and never markup, yielding audio as it is made.

        The library is taken from the first burst to the last: a second stream in the same thread would wait
        for ever. Closing the generator ends the work within a burst and gives the library back.
        """
        bursts: Queue[Burst | Exception | None] = Queue(PENDING_BURSTS)
        stop = threading.Event()
        worker = threading.Thread(
            target=self._work, args=(bursts, stop, text, voice, speed, pitch), name="espeak-ng", daemon=True
        )
        worker.start()
        try:
            while (burst := bursts.get()) is not None:
                if isinstance(burst, Exception):
                    raise burst
                yield burst
        finally:
            stop.set()
            _drain(bursts, worker)

    def _work(self, bursts: Queue[Burst | Exception | None], stop: threading.Event, *request: Any) -> None:
        """The worker thread of `stream`: its bursts, then its error or None, go through the queue."""

        def on_audio(samples: Any, count: int, events: Any) -> int:
            try:
                if not stop.is_set():
                    bursts.put(burst_at(samples, count, events))
            except Exception as error:  # noqa: BLE001 - no exception may cross the C frames below this one
                bursts.put(error)
                stop.set()
            return int(stop.is_set())

        try:
            with self._lock, self._calling(on_audio):
                self._synthesize(*request)
            bursts.put(None)
        except Exception as error:  # noqa: BLE001 - it is raised again by the thread that reads the queue
            bursts.put(error)

    @contextmanager
    def _calling(self, on_audio: Any) -> Iterator[None]:
        callback = SynthCallback(on_audio)
        self._library.espeak_SetSynthCallback(callback)
        try:
            yield
        finally:
            self._library.espeak_SetSynthCallback(SynthCallback())

    def _synthesize(self, text: str, voice: str, speed: float, pitch: int) -> None:
        self._choose(voice)
        self._library.espeak_SetParameter(RATE, round(speed * NORMAL_WORDS_PER_MINUTE), 0)
        self._library.espeak_SetParameter(PITCH, pitch, 0)
        data = text.encode() + b"\0"
        flags = UTF8 | END_PAUSE
        code = self._library.espeak_Synth(data, len(data), 0, POSITION_IN_CHARACTERS, 0, flags, None, None)
        if code:
            raise BackendFailed(f"espeak-ng failed with code {code}")

    def _choose(self, voice: str) -> None:
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise BackendFailed(f"espeak-ng cannot use its voice {voice}")


def _drain(bursts: Queue[Burst | Exception | None], worker: threading.Thread) -> None:
    """Take what the worker still puts, so that it never waits for a reader that has gone."""
    while worker.is_alive():
        try:
            bursts.get(timeout=0.005)
        except Empty:
            continue
    worker.join()


def short_path(data_path: Path) -> Path:
    """The folder, or a link to it in a temporary folder where its path is too long for the library."""
    if len(str(data_path).encode()) <= LONGEST_DATA_PATH:
        return data_path
    folder = Path(tempfile.mkdtemp(prefix="espeak-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    link = folder / "espeak-ng-data"
    link.symlink_to(data_path)
    return link
