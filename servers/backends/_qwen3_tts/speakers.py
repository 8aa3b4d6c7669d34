"""Who can speak in a checkpoint, and which languages, by what its config.json says. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from servers.backends._qwen3_tts.folder import Checkpoint
from servers.errors import InvalidRequest, ModelLoadFailed
from servers.speech import Voice
from servers.text.languages import CODES, language_code

DIALECTS = {"beijing_dialect": "zh-BJ", "sichuan_dialect": "zh-SC"}
"""The codec's dialects under a tag of the language and the province."""

ANY_LANGUAGE = frozenset({"", "auto"})


class Speakers:
    """The named speakers of one checkpoint: only a custom_voice has some."""

    def __init__(self, checkpoint: Checkpoint, default: str | None) -> None:
        """Raises ModelLoadFailed for a default that is none of them."""
        self._checkpoint = checkpoint
        self.languages = Languages(checkpoint.languages)
        self.names = tuple(checkpoint.speakers)
        self._found = {name.casefold(): name for name in self.names}
        self.default = self._default(default)

    @property
    def voices(self) -> tuple[Voice, ...]:
        """A speaker speaks every language of the checkpoint; one with a dialect, that one in Chinese."""
        return tuple(Voice(name=name, languages=self._spoken_by(name)) for name in self.names)

    def find(self, name: str) -> str | None:
        """As the checkpoint spells it; None for one that it does not have."""
        return self._found.get(name.strip().casefold())

    def has(self, name: str) -> bool:
        return self.find(name) is not None

    def _spoken_by(self, name: str) -> tuple[str, ...]:
        dialect = self._checkpoint.dialects.get(name)
        own = (tag_of(dialect),) if dialect else ()
        return tuple(dict.fromkeys((*own, *self.languages.tags)))

    def _default(self, wanted: str | None) -> str | None:
        """The configured speaker as the checkpoint names it, else its first one."""
        if wanted is None:
            return next(iter(self.names), None)
        if found := self.find(wanted):
            return found
        known = ", ".join(self.names) or "none"
        raise ModelLoadFailed(
            f"{self._checkpoint.name}: default_voice {wanted!r} is not a speaker of it: {known}"
        )


class Languages:
    """Those of one checkpoint, the keys of its codec_language_id; clients name them by BCP-47 tags."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {tag_of(name): name for name in sorted(names, key=lambda name: name in DIALECTS)}
        self._exact = {word.casefold(): name for tag, name in self._names.items() for word in (tag, name)}

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(self._names)

    def named(self, language: str | None) -> str | None:
        """The codec's name for a tag ("en-US", "zh-SC"), an English name or the codec's own; None for any.

        Raises InvalidRequest listing the possible ones.
        """
        wanted = (language or "").strip().casefold().replace("_", "-")
        if wanted in ANY_LANGUAGE:
            return None
        if found := self._exact.get(wanted) or self._exact.get(wanted.replace("-", "_")):
            return found
        try:
            return self._names[language_code(wanted, self._names)]
        except InvalidRequest:
            possible = ", ".join(self.tags)
            message = f"this checkpoint does not speak {language!r}; possible are {possible}, auto"
            raise InvalidRequest(message, param="language") from None


def tag_of(name: str) -> str:
    """The BCP-47 tag for one of the codec's names; a language that has none here keeps its name."""
    return DIALECTS.get(name) or CODES.get(name, name)
