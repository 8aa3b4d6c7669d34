"""espeak-ng's C interface: its structures, the signatures of its functions, and what its pointers hold."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servers.errors import ModelLoadFailed

REINSTALL = "mend it with: pip install --force-reinstall espeakng-loader"

LIST_TERMINATED, WORD, PHONEME = 0, 1, 7
"""Types of an event, out of espeak_EVENT_TYPE."""


class EventStruct(ctypes.Structure):
    """espeak_EVENT. The union `id` is a word's number, or a phoneme's name in eight bytes."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


class VoiceStruct(ctypes.Structure):
    """espeak_VOICE. `languages` is a list of one priority byte and a C string each, ended by a zero byte."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("unused", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


SynthCallback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(EventStruct)
)


@dataclass(frozen=True)
class LibraryVoice:
    """A voice file: `identifier` is what the library takes ("gmw/en-US"), `languages` lower case, best first.

    `gender` is 1 for a male voice, 2 for a female one, 0 for neither.
    """

    name: str
    identifier: str
    languages: tuple[str, ...]
    gender: int


@dataclass(frozen=True)
class Event:
    """A mark in the audio at `sample`: a word of the text begins, at `position`, or a phoneme does."""

    sample: int
    position: int
    phoneme: str | None


@dataclass(frozen=True)
class Burst:
    """What one call of the callback brings: about 60 ms of audio, and the marks in it or soon after it."""

    samples: NDArray[np.int16]
    events: tuple[Event, ...]


def load_library() -> tuple[ctypes.CDLL, Path]:
    """The library with its functions' signatures declared, and the folder of its data."""
    try:
        import espeakng_loader

        library = ctypes.CDLL(espeakng_loader.get_library_path())
    except (ImportError, OSError) as error:
        raise ModelLoadFailed(f"espeak-ng cannot be loaded ({error}); {REINSTALL}") from error
    library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    library.espeak_SetSynthCallback.argtypes = [SynthCallback]
    library.espeak_SetSynthCallback.restype = None
    library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
    library.espeak_SetParameter.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int]
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.POINTER(ctypes.c_uint),
        ctypes.c_void_p,
    ]
    library.espeak_ListVoices.argtypes = [ctypes.c_void_p]
    library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(VoiceStruct))
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int]
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    return library, Path(espeakng_loader.get_data_path())


def burst_at(samples: Any, count: int, events: Any) -> Burst:
    """A copy of what the callback's pointers hold: the library uses its buffers again."""
    audio = (
        np.ctypeslib.as_array(samples, (count,)).copy() if samples and count > 0 else np.zeros(0, np.int16)
    )
    return Burst(audio, tuple(_events_at(events)))


def _events_at(events: Any) -> Iterator[Event]:
    place = 0
    while events[place].type != LIST_TERMINATED:
        event = events[place]
        if event.type in (WORD, PHONEME):
            phoneme = event.id.decode("utf-8", "replace") if event.type == PHONEME else None
            yield Event(event.sample, event.text_position - 1, phoneme)
        place += 1


def voices_at(listed: Any) -> Iterator[LibraryVoice]:
    """The voices in what espeak_ListVoices returns: pointers, the last of them null."""
    place = 0
    while listed[place]:
        voice = listed[place].contents
        yield LibraryVoice(
            name=voice.name.decode("utf-8", "replace").strip(),
            identifier=voice.identifier.decode("utf-8", "replace"),
            languages=tuple(_languages_at(voice.languages)),
            gender=voice.gender,
        )
        place += 1


def _languages_at(address: int | None) -> Iterator[str]:
    while address and ctypes.c_ubyte.from_address(address).value:
        name = ctypes.string_at(address + 1)
        yield name.decode("utf-8", "replace").lower()
        address += 1 + len(name) + 1
