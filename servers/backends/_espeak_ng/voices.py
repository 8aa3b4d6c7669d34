"""Which voice a client means: by its name, by a timbre, or by a language."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from servers.backends._espeak_ng.abi import LibraryVoice
from servers.errors import InvalidRequest, UnknownVoice
from servers.nearest import VOICES_LISTED, possible
from servers.speech import Voice

WITHOUT_DICTIONARY = frozenset({"art/xex", "gmq/fo", "trk/kaa"})
"""Voices whose dictionaries are not in the wheel: they would read letters with another language's rules."""

LICENCE = "GPL-3.0-or-later"
"""Of the library and its data; what it speaks is whose text it is."""
ANY_LANGUAGE = frozenset({"auto", ""})
GENDERS = {1: "male", 2: "female"}


@dataclass(frozen=True)
class Chosen:
    """A voice as the library takes it ("gmw/en-US+klatt4"), and the language it speaks ("en-us")."""

    identifier: str
    language: str


class Voices:
    """The library's voices under the names that clients use: "en-US", "klatt4", and both as "en-US+klatt4".

    A voice is also known by its identifier ("gmw/en-US") and full name ("English (America)"), in any case.
    """

    def __init__(self, bases: Iterable[LibraryVoice], variants: Iterable[LibraryVoice], default: str) -> None:
        self._bases = [base for base in bases if base.identifier not in WITHOUT_DICTIONARY]
        self._variants = list(variants)
        self._base_named = _by_every_name(self._bases)
        self._variant_named = _by_every_name(self._variants)
        self.default = default
        self._default = self.named(default)

    def chosen(self, voice: str | None, language: str | None) -> Chosen:
        """The voice; where only a timbre or none is named, put on the voice of the language.

        A voice that has a language of its own decides: clients send a default language along with it.
        Raises UnknownVoice or InvalidRequest, with the nearest names there are.
        """
        if voice is None:
            return self._of(language)
        variant = self._variant_named.get(voice.casefold())
        if variant is None or voice.casefold() in self._base_named:
            return self.named(voice)
        return _with(self._of(language), variant)

    def named(self, name: str) -> Chosen:
        """The voice called `name`, with or without a "+timbre" of its own."""
        base_name, plus, variant_name = name.casefold().partition("+")
        base, variant = self._base_named.get(base_name), self._variant_named.get(variant_name)
        if base is None or (plus and variant is None):
            raise UnknownVoice(f"there is no voice {name!r}; {self._possible(name)}", param="voice")
        chosen = Chosen(base.identifier, base.languages[0])
        return _with(chosen, variant) if variant else chosen

    def has(self, name: str) -> bool:
        """Whether `chosen` knows what is meant."""
        try:
            self.chosen(name, None)
        except UnknownVoice:
            return False
        return True

    def languages(self) -> tuple[str, ...]:
        """Every language, as clients name it."""
        return tuple(dict.fromkeys(language for base in self._bases for language in base.languages))

    def known(self) -> tuple[Voice, ...]:
        """Every voice and every timbre, as clients see them; a default with a timbre comes first."""
        bases = [_described(base, base.name) for base in self._bases]
        timbres = [_described(variant, "a timbre for any language") for variant in self._variants]
        listed = (*bases, *timbres)
        if any(voice.name == self.default for voice in listed):
            return listed
        default = Voice(
            name=self.default, languages=(self._default.language,), description="the default", licence=LICENCE
        )
        return (default, *listed)

    def _of(self, language: str | None) -> Chosen:
        """The voice for a BCP-47 tag, or its shorter forms in turn, or an English name of a language."""
        if language is None or language.casefold() in ANY_LANGUAGE:
            return self._default
        tag = language.casefold().replace("_", "-")
        while tag:
            if found := self._speaking(tag):
                return found
            tag = tag.rpartition("-")[0]
        known = {*self.languages(), *map(_language, self._bases)}
        near = possible(language, known, such_as=("en", "de", "fr", "es", "cmn"), listed=VOICES_LISTED)
        raise InvalidRequest(f"no voice speaks {language[:40]!r}; {near}", param="language")

    def _speaking(self, tag: str) -> Chosen | None:
        if tag in (self._default.language, self._default.language.partition("-")[0], "english"):
            return self._default
        speakers = [base for base in self._bases if tag in base.languages]
        speakers += [base for base in self._bases if tag == _language(base)]
        best = sorted(speakers, key=lambda base: base.languages[0] != tag)
        return Chosen(best[0].identifier, best[0].languages[0]) if best else None

    def _possible(self, name: str) -> str:
        """A timbre, where one is named, else a voice."""
        base_name, _, timbre = name.rpartition("+")
        voices = [] if base_name.casefold() in self._base_named else list(map(short_name, self._bases))
        known = [*voices, *map(short_name, self._variants)]
        some = [self.default, "en-US", "en-GB-scotland", "de", "fr"] if voices else ["klatt4", "f3", "m1"]
        return possible(timbre, known, such_as=some, listed=VOICES_LISTED)


def _language(base: LibraryVoice) -> str:
    """The "english" of a voice called "English (America)"."""
    return base.name.partition(" (")[0].casefold()


def short_name(voice: LibraryVoice) -> str:
    """The "en-US" of gmw/en-US, the "klatt4" of !v/klatt4."""
    return voice.identifier.rpartition("/")[2]


def _by_every_name(voices: list[LibraryVoice]) -> dict[str, LibraryVoice]:
    named: dict[str, LibraryVoice] = {}
    for voice in voices:
        for name in (short_name(voice), voice.identifier, voice.name, *voice.languages[:1]):
            named.setdefault(name.casefold(), voice)
    return named


def _with(base: Chosen, variant: LibraryVoice) -> Chosen:
    """The library takes one timbre: it replaces the default's own."""
    return Chosen(f"{base.identifier.partition('+')[0]}+{short_name(variant)}", base.language)


def _described(voice: LibraryVoice, description: str) -> Voice:
    return Voice.model_validate(
        {
            "name": short_name(voice),
            "languages": voice.languages if "variant" not in voice.languages else (),
            "gender": GENDERS.get(voice.gender),
            "description": description,
            "licence": LICENCE,
        }
    )
