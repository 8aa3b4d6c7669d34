"""Which voice a client means, and what it can read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from servers.backends._piper.packs import Broken, Pack
from servers.errors import InvalidRequest, ModelLoadFailed, UnknownVoice
from servers.nearest import VOICES_LISTED, possible
from servers.speech import Voice
from servers.text.languages import language_code
from servers.text.scripts import unreadable

ANY_LANGUAGE = frozenset({"auto", ""})
SPEAKER = ":"
"""Between a pack's name and that of one of its speakers."""


@dataclass(frozen=True)
class Chosen:
    """A pack, and the number of its speaker where it has several."""

    pack: Pack
    speaker: int | None

    @property
    def language(self) -> str:
        return self.pack.languages[0]


class Voices:
    """The packs under the names that clients use: "en_US-joe-medium", and "pack:speaker" of several speakers.

    Case and underscores do not matter. The first pack is the default, where `default` names none.
    """

    def __init__(self, packs: Sequence[Pack | Broken], default: str | None = None) -> None:
        """Raises ModelLoadFailed where no pack can speak, UnknownVoice where the default is not there."""
        self._packs = [pack for pack in packs if isinstance(pack, Pack)]
        self.broken = [pack for pack in packs if isinstance(pack, Broken)]
        """Those that are here and cannot speak."""
        self._broken = {_folded(pack.name): pack.error for pack in self.broken}
        self._named = {_folded(name): chosen for pack in self._packs for name, chosen in _speakers(pack)}
        if not self._packs:
            raise next(iter(self._broken.values()), None) or ModelLoadFailed("there is no Piper voice")
        self.default = self._packs[0].name if default is None else default
        self._default = self.named(self.default)

    def chosen(self, voice: str | None, language: str | None) -> Chosen:
        """The voice that is named, else one that speaks the language.

        A voice that is named decides: clients send a default language along with it. Raises UnknownVoice or
        InvalidRequest saying what is possible, ModelLoadFailed for a pack that is broken.
        """
        if voice:
            return self.named(voice)
        if language is None or language.casefold() in ANY_LANGUAGE:
            return self._default
        return self._speaking(language)

    def named(self, name: str) -> Chosen:
        folded = _folded(name)
        if folded in self._named:
            return self._named[folded]
        if (error := self._broken.get(folded.partition(SPEAKER)[0])) is not None:
            raise error
        some = possible(name, self._names(), such_as=self._some(), listed=VOICES_LISTED)
        raise UnknownVoice(f"there is no voice {name[:80]!r}; {some}", param="voice")

    def check_script(self, voice: Chosen, text: str) -> None:
        """Raises InvalidRequest for a text that is mostly in letters which the voice cannot read."""
        script = unreadable(text, voice.pack.languages)
        if script is None:
            return
        able = [pack.name for pack in self._packs if unreadable(text, pack.languages) is None]
        who = f"{' or '.join(able[:5])} can" if able else "no other Piper voice here can either"
        raise InvalidRequest(
            f"the text is in {script} letters, which the voice {voice.pack.name} "
            f"({', '.join(voice.pack.languages)}) cannot read; {who}; `skylark voices` lists who else speaks",
            param="text",
        )

    def known(self) -> tuple[Voice, ...]:
        """Every voice and every speaker, as clients see them."""
        return tuple(
            Voice(name=name, languages=pack.languages, licence=pack.licence)
            for pack in self._packs
            for name, _ in _speakers(pack)
        )

    def has(self, name: str) -> bool:
        """Whether `chosen` knows what is meant, be it to say that it is broken."""
        try:
            self.chosen(name, None)
        except UnknownVoice:
            return False
        except ModelLoadFailed:
            return True
        return True

    def languages(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(language for pack in self._packs for language in pack.languages))

    @property
    def sample_rate(self) -> int:
        """The highest of all, so that none loses anything where their speech is brought to one rate."""
        return max(pack.sample_rate for pack in self._packs)

    def _speaking(self, language: str) -> Chosen:
        """One of that very region, else one of the language; of several, the default or else the first."""
        wanted = _folded(language)
        code = language_code(language, {_base(each) for each in self.languages()})
        able = [pack for pack in self._packs if code in map(_base, pack.languages)]
        able.sort(
            key=lambda pack: (wanted not in map(_folded, pack.languages), pack is not self._default.pack)
        )
        return self._default if able[0] is self._default.pack else self._named[_folded(able[0].name)]

    def _names(self) -> list[str]:
        return [voice.name for voice in self.known()]

    def _some(self) -> list[str]:
        return [pack.name for pack in self._packs[:5]]


def _speakers(pack: Pack) -> Iterator[tuple[str, Chosen]]:
    yield pack.name, Chosen(pack, pack.default_speaker)
    for name, number in pack.speakers.items():
        yield f"{pack.name}{SPEAKER}{name}", Chosen(pack, number)


def _folded(name: str) -> str:
    return name.strip().casefold().replace("_", "-")


def _base(language: str) -> str:
    return language.casefold().partition("-")[0]
