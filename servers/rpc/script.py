"""What a session has to say: sentences and the ends of its utterances, and where in its frames they are.

An utterance is what was said up to a flush. Its frames begin where those of the one before it ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from servers.elevenlabs.pending import Pending


@dataclass(frozen=True)
class Say:
    """A sentence. `number` counts all of the session."""

    text: str
    utterance: int
    number: int


@dataclass(frozen=True)
class End:
    """Of an utterance."""

    utterance: int


Item = Say | End


@dataclass
class Script:
    """For one thread at a time."""

    items: list[Item] = field(default_factory=list)
    texts: int = 0
    """Messages with text that came."""
    voided: int = 0
    """Items before this one are not spoken any more: a stop came, or one of them failed."""
    floor: int = 0
    """The frame before which nothing can be had again."""
    _begins: dict[int, int] = field(default_factory=lambda: {0: 0})
    """The first frame of each utterance, as far as it is known."""
    _utterance: int = 0
    _sentences: int = 0
    _pending: Pending = field(default_factory=Pending)

    def add(self, text: str) -> None:
        self.texts += 1
        self._say(self._pending.add(text))

    def flush(self) -> None:
        """The utterance ends here, if anything of it is to be said."""
        self._say(self._pending.flush())
        if self._is_begun():
            self.items.append(End(self._utterance))
            self._utterance += 1

    def void(self, next_frame: int) -> None:
        """Nothing that was said until now is spoken any more; what comes is an utterance of its own."""
        self._pending = Pending()
        self.voided, self.floor = len(self.items), next_frame
        if self._is_begun():
            self._utterance += 1
        self._begins[self._utterance] = next_frame

    def ended(self, utterance: int, next_frame: int) -> None:
        self._begins[utterance + 1] = next_frame

    def begin(self, utterance: int) -> int:
        """Its first frame; that of the one before it has to be known."""
        return self._begins[utterance]

    def known_end(self) -> int:
        """The frame after the last one of the last utterance that has ended."""
        return max(self._begins.values())

    def at(self, frame: int) -> int:
        """The index of the item to begin with, so that the frame is among those that are made."""
        utterance = max(number for number, begin in self._begins.items() if begin <= frame)
        found = (n for n, item in enumerate(self.items) if item.utterance >= utterance)
        return max(next(found, len(self.items)), self.voided)

    def unspoken(self, index: int) -> int:
        """Characters from that item on."""
        return len(self._pending) + sum(
            len(item.text) for item in self.items[index:] if isinstance(item, Say)
        )

    def _is_begun(self) -> bool:
        last = self.items[-1] if len(self.items) > self.voided else None
        return isinstance(last, Say)

    def _say(self, sentences: list[str]) -> None:
        for text in sentences:
            self.items.append(Say(text, self._utterance, self._sentences))
            self._sentences += 1
