"""Pronunciations for the recogniser."""

import pytest

from servers.text.arpabet import ARPABET, arpabet

VOWELS = {"AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"}
STOPS = {"B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "P", "S", "SH", "T", "TH", "V", "Z", "ZH"}
PHONEMES = VOWELS | STOPS | {"L", "M", "N", "NG", "R", "W", "Y"}


@pytest.mark.parametrize(
    ("phonemes", "pronunciation"),
    [
        (["k", ",u:", "b", "3", "n", "'E", "t#", "i:", "z"], "K UW B ER N EH T IY Z"),
        (["tS", "'aI", "n", "@"], "CH AY N AH"),
        (["_:", "?!"], ""),
    ],
)
def test_espeak_names_become_arpabet(phonemes, pronunciation):
    assert arpabet(phonemes) == pronunciation


def test_every_sound_is_one_that_the_acoustic_model_has():
    assert {sound for sounds in ARPABET.values() for sound in sounds.split()} <= PHONEMES
