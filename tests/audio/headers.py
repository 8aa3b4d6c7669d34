"""Audio files whose headers are not what they should be."""

from __future__ import annotations

import io
import random

import numpy as np
import soundfile

RATE_HZ = 16_000
HEADER_BYTES = 200
"""What is changed lies in the first so many bytes: everything that says how the rest is to be read does."""
KINDS = (
    ("WAV", "PCM_16"),
    ("WAV", "FLOAT"),
    ("WAV", "GSM610"),
    ("WAV", "IMA_ADPCM"),
    ("WAVEX", "PCM_24"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
    ("AIFF", "PCM_16"),
)
SIZES = (0, 1, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
"""Numbers at which a reader of headers goes wrong."""


def of_unknown_length(flac: bytes) -> bytes:
    """The same FLAC as a program writes it that does not know how long it will be."""
    changed = bytearray(flac)
    changed[21] &= 0xF0  # the number of samples is the last 36 bits before the MD5 of the stream info
    changed[22:26] = bytes(4)
    return bytes(changed)


def whole_files(seconds: float = 1.0) -> list[bytes]:
    """One of each kind, with a tone in it."""
    return [_written(format, subtype, seconds) for format, subtype in KINDS]


def _written(format: str, subtype: str, seconds: float) -> bytes:
    tone = 0.4 * np.sin(np.arange(round(RATE_HZ * seconds)) / 8)
    file = io.BytesIO()
    soundfile.write(file, tone, RATE_HZ, format=format, subtype=subtype)
    return file.getvalue()


def damaged(whole: bytes, dice: random.Random) -> bytes:
    """The file with one to four changes in its header: bytes, numbers, pieces left out or doubled, an end."""
    file = bytearray(whole)
    for _ in range(dice.randint(1, 4)):
        place = dice.randrange(min(HEADER_BYTES, len(file) or 1))
        match dice.randrange(6):
            case 0:
                file[place : place + 1] = bytes([dice.randrange(256)])
            case 1:
                file[place : place + 1] = bytes([file[place] ^ 1 << dice.randrange(8)]) if file else b""
            case 2:
                order = dice.choice(("little", "big"))
                file[place : place + 4] = dice.choice(SIZES).to_bytes(4, order)
            case 3:
                del file[place : place + dice.randint(1, 16)]
            case 4:
                file[place:place] = file[place : place + dice.randint(1, 64)]
            case _:
                del file[dice.randrange(len(file) or 1) :]
    return bytes(file)
