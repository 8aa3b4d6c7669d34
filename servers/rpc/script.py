"""What a session has to say: sentences and the ends of its utterances, and where in its frames they are.

An utterance is what was said up to a flush, or LONGEST_CHARS of it and the sentence's end: so much is made
again for a stream that goes on in its middle. Its frames begin where those of the one before it ended. What
was spoken is forgotten once KEPT_CHARS were spoken after it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Self

from servers.elevenlabs.pending import Pending

LONGEST_CHARS = 5_000
KEPT_CHARS = 50_000


@dataclass(frozen=True)
class Say:
    """A sentence. `number` counts all of the session, and `before` the characters of those before it."""

    text: str
    utterance: int
    number: int
    before: int


@dataclass(frozen=True)
class End:
    """Of an utterance."""

    utterance: int
    before: int


Item = Say | End


@dataclass
class Script:
    """For one thread at a time. An item's index counts all of the session."""

    texts: int = 0
    """Messages with text that came."""
    voided: int = 0
    """Items before this one are not spoken any more: a stop came, or one of them failed."""
    floor: int = 0
    """The frame before which nothing can be had again."""
    _items: deque[Item] = field(default_factory=deque)
    _forgotten: int = 0
    _begins: dict[int, int] = field(default_factory=lambda: {0: 0})
    """The first frame of each utterance, as far as it is known and not forgotten."""
    _utterance: int = 0
    _began_at: int = 0
    """Characters before the utterance that is being said."""
    _sentences: int = 0
    _chars: int = 0
    _pending: Pending = field(default_factory=Pending)

    def add(self, text: str) -> None:
        self.texts += 1
        self._say(self._pending.add(text))

    def flush(self) -> None:
        """The utterance ends here, if anything of it is to be said."""
        self._say(self._pending.flush())
        if self._is_begun():
            self._end()

    def void(self, next_frame: int) -> None:
        """Nothing that was said until now is spoken any more; what comes is an utterance of its own."""
        self._pending = Pending()
        if self._is_begun():
            self._utterance += 1
        self.voided, self.floor = self.count, next_frame
        self._began_at = self._chars
        self._forget_all()
        self._begins = {self._utterance: next_frame}

    def ended(self, utterance: int, next_frame: int) -> None:
        if utterance + 1 not in self._begins:
            self._begins[utterance + 1] = next_frame
            self._forget(utterance + 1)

    def knows_end(self, utterance: int) -> bool:
        return utterance + 1 in self._begins

    def begin(self, utterance: int) -> int:
        """Its first frame; that of the one before it has to be known."""
        return self._begins[utterance]

    def known_end(self) -> int:
        """The frame after the last one of the last utterance that has ended."""
        return max(self._begins.values())

    @property
    def count(self) -> int:
        """One more than the last item's index."""
        return self._forgotten + len(self._items)

    def item(self, index: int) -> Item | None:
        """None for one that is still to be said."""
        return self._items[index - self._forgotten] if index < self.count else None

    def sentences(self, index: int, most: int) -> list[Say]:
        """The next ones from that item on."""
        following = islice(self._items, index - self._forgotten, None)
        return list(islice((item for item in following if isinstance(item, Say)), most))

    def at(self, frame: int) -> int:
        """The index of the item to begin with, so that the frame is among those that are made."""
        utterance = max(number for number, begin in self._begins.items() if begin <= frame)
        found = (n for n, item in enumerate(self._items) if item.utterance >= utterance)
        return max(self._forgotten + next(found, len(self._items)), self.voided)

    def unspoken(self, index: int) -> int:
        """Characters from that item on."""
        item = self.item(index)
        return len(self._pending) + self._chars - (self._chars if item is None else item.before)

    def has_unflushed(self) -> bool:
        """A flush would end an utterance, or say something."""
        return self._is_begun() or len(self._pending) > 0

    def is_void(self) -> bool:
        """Nothing was said since a stop."""
        return 0 < self.count == self.voided and not len(self._pending)

    # across a restart

    def snapshot(self) -> dict[str, Any]:
        """What `restored` makes the same of, in terms of JSON."""
        fields = ("texts", "voided", "floor", *OWN)
        whole = {
            name: getattr(self, name if name in ("texts", "voided", "floor") else f"_{name}")
            for name in fields
        }
        items = [[item.utterance, item.before, *_sentence(item)] for item in self._items]
        return whole | {"items": items, "begins": list(self._begins.items()), "pending": self._pending.text}

    @classmethod
    def restored(cls, snapshot: dict[str, Any]) -> Self:
        """Raises KeyError, TypeError or ValueError for what `snapshot` never gave."""
        script = cls(snapshot["texts"], snapshot["voided"], snapshot["floor"])
        for name in OWN:
            setattr(script, f"_{name}", int(snapshot[name]))
        script._items = deque(_item(*each) for each in snapshot["items"])
        script._begins = {int(utterance): int(frame) for utterance, frame in snapshot["begins"]}
        script._pending = Pending(snapshot["pending"])
        return script

    def _is_begun(self) -> bool:
        last = self._items[-1] if self.count > self.voided else None
        return isinstance(last, Say)

    def _say(self, sentences: list[str]) -> None:
        for text in sentences:
            self._items.append(Say(text, self._utterance, self._sentences, self._chars))
            self._sentences += 1
            self._chars += len(text)
            if self._chars - self._began_at >= LONGEST_CHARS:
                self._end()

    def _end(self) -> None:
        self._items.append(End(self._utterance, self._chars))
        self._utterance += 1
        self._began_at = self._chars

    def _forget(self, utterance: int) -> None:
        """The oldest ones before that, so that KEPT_CHARS of them are left."""
        until = next((item.before for item in self._items if item.utterance >= utterance), self._chars)
        while self._items and until - self._items[0].before > KEPT_CHARS:
            first = self._items[0].utterance
            while self._items and self._items[0].utterance == first:
                self._items.popleft()
                self._forgotten += 1
            self._begins.pop(first, None)
            self.floor = max(self.floor, min(self._begins.values()))

    def _forget_all(self) -> None:
        self._forgotten += len(self._items)
        self._items.clear()


OWN = ("forgotten", "utterance", "began_at", "sentences", "chars")
"""Numbers that a snapshot has too."""


def _sentence(item: Item) -> tuple[str, int] | tuple[()]:
    return (item.text, item.number) if isinstance(item, Say) else ()


def _item(utterance: int, before: int, text: str | None = None, number: int = 0) -> Item:
    return End(utterance, before) if text is None else Say(text, utterance, number, before)
