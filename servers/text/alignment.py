"""A text that was aligned: its sentences with their words, and how well all of it fits the recording."""

from __future__ import annotations

import math
from collections.abc import Sequence

from servers.speech import Alignment, Word
from servers.text.timing import timed_sentences

FITS_FROM = 0.45
"""Below this score the text is not what is said.

Measured with pocketsphinx on nine sentences in seven espeak voices and on five LibriVox clips. Below it were
1 of 47 right texts (the others from 0.5 on), 5 of 42 with a wrong word, 87 of 90 that are wrong in one half,
57 of 94 that leave out one half of what is said, and all of 116 that are wrong throughout (0.3 at most). No
real alignment model of whisperx was at hand to measure.
"""
LEAST_SCORE = 0.02
"""What a single word that does not fit at all is counted with."""


def alignment(
    text: str,
    language: str,
    duration_s: float,
    words: Sequence[Word],
    begins: Sequence[int],
    unread_s: float = 0.0,
) -> Alignment:
    """The text, judged. `begins` says where in it each word begins.

    `unread_s` is how long something is said that no word of the text accounts for.
    """
    score = text_score(words, unread_s)
    return Alignment(
        text=text,
        language=language,
        duration_s=duration_s,
        segments=timed_sentences(text, begins, words),
        words=tuple(words),
        score=score,
        warning=None if score is None or score >= FITS_FROM else _warning(score),
    )


def text_score(words: Sequence[Word], unread_s: float = 0.0) -> float | None:
    """The geometric mean of the words' scores, times the share of the speech that the words take up.

    exp(mean(ln(max(score, LEAST_SCORE)))) · Σ length / (Σ length + unread_s), over the words that have a
    score; None where none has. A geometric mean, because a few words that do not fit at all tell a wrong text
    from a right one in a voice that fits badly throughout.
    """
    scored = [(word.score, word.end - word.start) for word in words if word.score is not None]
    if not scored:
        return None
    fit = math.exp(sum(math.log(max(score, LEAST_SCORE)) for score, _ in scored) / len(scored))
    read_s = sum(length for _, length in scored)
    return round(fit * (read_s / (read_s + unread_s) if unread_s else 1.0), 4)


def _warning(score: float) -> str:
    return (
        f"the text does not fit the recording: its score is {score:.2f}, and below {FITS_FROM:g} the times "
        "are not to be trusted; give the words that are said, all of them and nothing else"
    )
