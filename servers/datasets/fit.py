"""Whether a recording says its text, by how surely each of its words was found in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Aligner = Callable[[Path, str], Sequence[Mapping[str, Any]]]
"""Of a recording and its text to the text's words, as /align has them. Raises SkylarkError."""
LETTER = re.compile(r"[^\W\d_]")
SHORT = 3
"""A word of so few letters says little of itself: "the" is seldom said in full."""
LEAST_SCORE = 0.3
MOST_UNSAID = 0.4


def unsaid(words: Sequence[Mapping[str, Any]]) -> float:
    """The share of the letters whose words are not in the recording, in 0…1; short words do not count, nor do
    those that nothing is known of.
    """
    known = [
        (len(LETTER.findall(word["word"])), word["score"])
        for word in words
        if word["score"] is not None and not word.get("interpolated")
    ]
    counted = [(letters, score) for letters, score in known if letters > SHORT]
    all_letters = sum(letters for letters, _ in counted)
    return sum(letters for letters, score in counted if score < LEAST_SCORE) / all_letters if counted else 0.0
