"""The word error rate: how far a transcript is from what was really said."""

from __future__ import annotations

import jiwer

from servers.text.normalize import spoken_words


def word_error_rate(reference: str, hypothesis: str, language: str = "en") -> float:
    """Wrong, missing and added words for each word of the reference: 0 is perfect, and over 1 is possible.

    Both sides are compared as spoken, so case and punctuation do not count and "12" equals "twelve".
    Against an empty reference an empty hypothesis scores 0 and any other 1.
    """
    expected, found = _as_spoken(reference, language), _as_spoken(hypothesis, language)
    if not expected:
        return float(bool(found))
    return float(jiwer.wer(expected, found))


def _as_spoken(text: str, language: str) -> str:
    return " ".join(word for token in spoken_words(text, language) for word in token.spoken)
