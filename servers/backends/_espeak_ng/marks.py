"""From the library's marks in the audio to the time of each word of the text."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from servers.backends._espeak_ng.abi import Event
from servers.speech import Word
from servers.text.normalize import SpokenWord
from servers.text.timing import Span, timed_words


@dataclass(frozen=True)
class Script:
    """What the library is given to say: the speakable words, a space between them, and where each begins."""

    words: tuple[SpokenWord, ...]
    text: str
    starts: tuple[int, ...]

    @staticmethod
    def of(words: Sequence[SpokenWord]) -> Script:
        starts, length = [], 0
        for word in words:
            starts.append(length)
            length += len(word.speakable) + 1
        return Script(tuple(words), " ".join(word.speakable for word in words), tuple(starts))

    def word_at(self, position: int) -> int:
        """The index of the word that the character at `position` belongs to."""
        return bisect_left(self.starts, position + 1) - 1


def word_times(script: Script, events: Sequence[Event], samples: int, sample_rate: int) -> tuple[Word, ...]:
    """A Word for each word of the script, from the events of the whole synthesis.

    A word begins at its first mark and ends where the pause or the next word begins. The library speaks some
    pairs in one breath and marks the first only ("of the"): their phonemes are shared out by their letters.
    """
    heard = _heard(script, events)
    begins = [stretch.start for stretch in heard] + [samples]
    spans: list[Span | None] = [None] * len(script.words)
    for place, stretch in enumerate(heard):
        following = heard[place + 1].word if place + 1 < len(heard) else len(script.words)
        group = [word for word in range(stretch.word, following) if script.words[word].spoken]
        cuts = _cuts(script, group, stretch, begins[place + 1])
        for word, start, end in zip(group, cuts, cuts[1:], strict=False):
            spans[word] = Span(start / sample_rate, end / sample_rate)
    return timed_words([word.word for word in script.words], spans, samples / sample_rate)


@dataclass
class _Stretch:
    """What is heard from one marked word of the text to the next one."""

    word: int
    start: int
    phonemes: list[int]
    pause: int | None = None
    """Where the silence after it begins."""


def _heard(script: Script, events: Sequence[Event]) -> list[_Stretch]:
    heard: list[_Stretch] = []
    for event in sorted(events, key=lambda event: event.sample):
        if event.phoneme is None:
            word = script.word_at(event.position)
            if not heard or word > heard[-1].word:
                heard.append(_Stretch(word, event.sample, []))
            heard[-1].pause = None
        elif heard and event.phoneme.startswith("_"):
            heard[-1].pause = heard[-1].pause or event.sample
        elif heard:
            heard[-1].phonemes.append(event.sample)
            heard[-1].pause = None
    return heard


def _cuts(script: Script, group: list[int], stretch: _Stretch, next_start: int) -> list[int]:
    """Where each word of the group begins, and where the last one ends."""
    end = next_start if stretch.pause is None else stretch.pause
    letters = [len(script.words[word].speakable) for word in group]
    inner = []
    for count in range(1, len(group)):
        phoneme = round(len(stretch.phonemes) * sum(letters[:count]) / sum(letters))
        inner.append(stretch.phonemes[phoneme] if phoneme < len(stretch.phonemes) else end)
    return [stretch.start, *inner, end]
