"""From the library's marks in the audio to the time of each word of the text, as soon as it is known."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from servers.backends._espeak_ng.abi import Event
from servers.speech import Word
from servers.text.normalize import SpokenWord
from servers.text.timing import Span, timed_words


@dataclass(frozen=True)
class MarkedText:
    """What the library is given to say: the speakable words, a space between them, and where each begins."""

    words: tuple[SpokenWord, ...]
    text: str
    starts: tuple[int, ...]

    @staticmethod
    def of(words: Sequence[SpokenWord]) -> MarkedText:
        starts, length = [], 0
        for word in words:
            starts.append(length)
            length += len(word.speakable) + 1
        return MarkedText(tuple(words), " ".join(word.speakable for word in words), tuple(starts))

    def word_at(self, position: int) -> int:
        """The index of the word that the character at `position` belongs to."""
        return bisect_left(self.starts, position + 1) - 1


@dataclass
class _Stretch:
    """What is heard from one marked word of the text to the next one."""

    word: int
    start: int
    phonemes: list[int] = field(default_factory=list)
    pause: int | None = None
    """Where the silence after it begins."""


class WordTimes:
    """The words of a text that is being spoken, each given once, in order.

    A word begins at its first mark and ends where the pause or the next word begins. The library speaks some
    pairs in one breath and marks the first only ("of the"): their phonemes are shared out by their letters.
    """

    def __init__(self, text: MarkedText, sample_rate: int) -> None:
        self._text, self._sample_rate = text, sample_rate
        self._unread: list[Event] = []
        self._stretches: list[_Stretch] = []
        """Those whose words were not given yet."""
        self._given = 0
        self._end_s = 0.0
        """Of the last word given."""

    def known(self, events: Iterable[Event], samples: int) -> tuple[Word, ...]:
        """The words that these events make certain, `samples` being all the audio there is by now.

        The library marks what is in the audio or soon after it, in any order, and nothing that is before. A
        pause may turn out to be inside a word ("45.50"), so a word is certain once a later one is marked.
        """
        self._read(events, samples)
        words: tuple[Word, ...] = ()
        while (count := self._certain()) is not None:
            done, self._stretches = self._stretches[:count], self._stretches[count:]
            words += self._words(done, self._stretches[0].word, self._stretches[0].start)
        return words

    def rest(self, samples: int) -> tuple[Word, ...]:
        """The words that were not given, now that all audio and all events are there."""
        self._read((), math.inf)
        return self._words(self._stretches, len(self._text.words), samples)

    def _read(self, events: Iterable[Event], until: float) -> None:
        """Takes in what is marked up to this sample; the rest waits for what may still come before it."""
        ordered = sorted((*self._unread, *events), key=lambda event: event.sample)
        ready = bisect_right(ordered, until, key=lambda event: event.sample)
        self._unread = ordered[ready:]
        for event in ordered[:ready]:
            last = self._stretches[-1] if self._stretches else None
            if event.phoneme is None:
                word = self._text.word_at(event.position)
                if last is None or word > last.word:
                    self._stretches.append(_Stretch(word, event.sample))
                else:
                    last.pause = None
            elif last is not None and event.phoneme.startswith("_"):
                last.pause = last.pause or event.sample
            elif last is not None:
                last.phonemes.append(event.sample)
                last.pause = None

    def _certain(self) -> int | None:
        """How many stretches end where the first later one begins whose word has a time of its own."""
        for count, stretch in enumerate(self._stretches[1:], start=1):
            if self._text.words[stretch.word].spoken:
                return count
        return None

    def _words(self, stretches: list[_Stretch], until: int, end: int) -> tuple[Word, ...]:
        """All words from the last given one to `until`, which begins at `end`, in samples."""
        spans: list[Span | None] = [None] * (until - self._given)
        for place, stretch in enumerate(stretches):
            is_last = place + 1 == len(stretches)
            following = until if is_last else stretches[place + 1].word
            next_start = end if is_last else stretches[place + 1].start
            group = [word for word in range(stretch.word, following) if self._text.words[word].spoken]
            cuts = self._cuts(group, stretch, next_start)
            for word, start, stop in zip(group, cuts, cuts[1:], strict=False):
                spans[word - self._given] = Span(start / self._sample_rate, stop / self._sample_rate)
        written = [word.word for word in self._text.words[self._given : until]]
        words = timed_words(written, spans, end / self._sample_rate, self._end_s)
        self._given = until
        self._end_s = max([self._end_s, *(span.end for span in spans if span is not None)])
        return words

    def _cuts(self, group: list[int], stretch: _Stretch, next_start: int) -> list[int]:
        """Where each word of the group begins, and where the last one ends."""
        end = next_start if stretch.pause is None else stretch.pause
        letters = [len(self._text.words[word].speakable) for word in group]
        inner = []
        for count in range(1, len(group)):
            phoneme = round(len(stretch.phonemes) * sum(letters[:count]) / sum(letters))
            inner.append(stretch.phonemes[phoneme] if phoneme < len(stretch.phonemes) else end)
        return [stretch.start, *inner, end]
