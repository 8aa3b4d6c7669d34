"""From espeak-ng's names of English phonemes to ARPABET, the phonemes of the CMU dictionary."""

from __future__ import annotations

import re
from collections.abc import Iterable

ARPABET = {
    # vowels, and those that end in an r
    "a": "AE", "aa": "AE", "a#": "AH", "A": "AA", "A:": "AA", "A@": "AA R", "0": "AA", "02": "AA",
    "0#": "AA", "O": "AO", "O:": "AO", "O2": "AO", "O@": "AO R", "o@": "AO R", "o": "OW", "oU": "OW",
    "OI": "OY", "oI": "OY", "@": "AH", "@2": "AH", "@5": "AH", "@L": "AH L", "@l": "AH L", "V": "AH",
    "3": "ER", "3:": "ER", "E": "EH", "E2": "EH", "e": "EH", "e@": "EH R", "E@": "EH R", "eI": "EY",
    "I": "IH", "I2": "IH", "I#": "IH", "I@": "IH R", "i@3": "IH R", "i@": "IY AH", "i": "IY", "i:": "IY",
    "U": "UH", "U@": "UH R", "u": "UW", "u:": "UW", "aI": "AY", "aI@": "AY AH", "aI3": "AY ER",
    "aU": "AW", "aU@": "AW ER",
    # consonants
    "b": "B", "d": "D", "dZ": "JH", "D": "DH", "f": "F", "g": "G", "h": "HH", "j": "Y", "k": "K",
    "l": "L", "l#": "L", "m": "M", "n": "N", "n-": "AH N", "N": "NG", "p": "P", "r": "R", "r-": "R",
    "R": "R", "s": "S", "S": "SH", "t": "T", "t#": "T", "t2": "T", "tS": "CH", "T": "TH", "v": "V",
    "w": "W", "w#": "W", "x": "K", "z": "Z", "Z": "ZH", "?": "T",
}  # fmt: skip

STRESS = re.compile("[',%=]")


def arpabet(phonemes: Iterable[str]) -> str:
    """The pronunciation as the CMU dictionary writes it, without stress: "D AO G".

    Pauses, and what a name of another language leaves over, have no sound there and are left out.
    """
    sounds = (ARPABET.get(STRESS.sub("", phoneme)) for phoneme in phonemes)
    return " ".join(sound for sound in sounds if sound)
