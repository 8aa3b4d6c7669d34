"""When the characters of a text are said, by the times of its words."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from servers.speech import Word

BETWEEN = " "
"""What is between an utterance and the next one: the pause is its."""


@dataclass(frozen=True)
class Alignment:
    """Characters that follow each other from `start_ms` on, in the time of the utterance.

    `ends_ms` has one for each; a character begins where the one before it ends.
    """

    chars: str
    start_ms: int
    ends_ms: tuple[int, ...]

    @property
    def end_ms(self) -> int:
        return self.ends_ms[-1]

    def of_message(self, before_ms: int | None) -> dict[str, Any]:
        """As a WebSocket has it: times are from the message's first character on, or where it is said what
        has been spoken before the utterance, from there on.
        """
        shift = -self.start_ms if before_ms is None else before_ms
        return {
            "chars": list(self.chars),
            "charStartTimesMs": [start + shift for start in self._starts_ms()],
            "charDurationsMs": [
                end - start for start, end in zip(self._starts_ms(), self.ends_ms, strict=True)
            ],
        }

    def of_utterance(self) -> dict[str, Any]:
        """As HTTP has it: in seconds of the whole audio."""
        return {
            "characters": list(self.chars),
            "character_start_times_seconds": [start / 1000 for start in self._starts_ms()],
            "character_end_times_seconds": [end / 1000 for end in self.ends_ms],
        }

    def after(self, ms: float) -> Alignment | None:
        """Of the characters that end later than that."""
        ended = bisect_right(self.ends_ms, ms)
        if ended == len(self.ends_ms):
            return None
        return Alignment(self.chars[ended:], self._starts_ms()[ended], self.ends_ms[ended:])

    def _starts_ms(self) -> tuple[int, ...]:
        return (self.start_ms, *self.ends_ms[:-1])


class Characters:
    """Of one text that is being spoken: each is told once, in order; none of a text without timed words."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._told = self._words = 0
        self._at_ms = 0

    def through(self, words: Iterable[Word]) -> Alignment | None:
        """Those up to the end of the last of these words, which follow on those that were given before."""
        return self._alignment(list(self._spans(words)))

    def rest(self, words: Iterable[Word], duration_s: float) -> Alignment | None:
        """Those that were not told, with BETWEEN, up to the end of the audio; `words` are all of the text."""
        spans = list(self._spans(list(words)[self._words :]))
        if not self._words:
            return None
        tail = self._text[self._told :] + BETWEEN
        self._told = len(self._text)
        return self._alignment([*spans, (tail, duration_s)])

    def _spans(self, words: Iterable[Word]) -> Iterator[tuple[str, float]]:
        """Stretches of the text, and when each of them ends: what is between two words, and the words.

        A word that the text does not have is part of what is between others.
        """
        for word in words:
            self._words += 1
            place = self._text.find(word.word, self._told)
            if place < 0 or not word.word:
                continue
            yield self._text[self._told : place], word.start
            yield word.word, word.end
            self._told = place + len(word.word)

    def _alignment(self, spans: list[tuple[str, float]]) -> Alignment | None:
        start_ms, ends_ms = self._at_ms, list[int]()
        for chars, end_s in spans:
            if not chars:  # a pause at the start of the text is its first character's
                continue
            last_ms = max(self._at_ms, round(1000 * end_s))
            share = (last_ms - self._at_ms) / len(chars)
            ends_ms += [round(self._at_ms + share * (number + 1)) for number in range(len(chars))]
            self._at_ms = last_ms
        if not ends_ms:
            return None
        return Alignment("".join(chars for chars, _ in spans), start_ms, tuple(ends_ms))
