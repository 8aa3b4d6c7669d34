"""The word error rate: how far a transcript is from what was really said."""

from __future__ import annotations

import re

import jiwer

from servers.text.normalize import spoken_words

CONTRACTIONS = {
    r"\bwon't\b": "will not", r"\bcan't\b": "can not", r"\bcannot\b": "can not", r"\blet's\b": "let us",
    r"n't\b": " not", r"'re\b": " are", r"'s\b": " is", r"'d\b": " would", r"'ll\b": " will",
    r"'ve\b": " have", r"'m\b": " am",
}  # fmt: skip
"""English: those that a listener cannot tell from what they stand for, on both sides alike.

After the normaliser that Whisper's own error rates are told with (Radford et al. 2022, appendix C).
"""


def word_error_rate(reference: str, hypothesis: str, language: str = "en") -> float:
    """Wrong, missing and added words for each word of the reference: 0 is perfect, and over 1 is possible.

    Both sides are compared as spoken, so case and punctuation do not count, "12" equals "twelve", and in
    English "there's" equals "there is".
    Against an empty reference an empty hypothesis scores 0 and any other 1.
    """
    expected, found = _as_spoken(reference, language), _as_spoken(hypothesis, language)
    if not expected:
        return float(bool(found))
    return float(jiwer.wer(expected, found))


def _as_spoken(text: str, language: str) -> str:
    said = " ".join(word for token in spoken_words(text, language) for word in token.spoken)
    if language.casefold().partition("-")[0] != "en":
        return said
    for short, long in CONTRACTIONS.items():
        said = re.sub(short, long, said)
    return said
