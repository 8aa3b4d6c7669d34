"""The languages of a checkpoint, as clients name them: BCP-47 outside, the codec's own names inside."""

from __future__ import annotations

from collections.abc import Iterable

from servers.errors import InvalidRequest
from servers.text.languages import CODES, language_code

DIALECTS = {"beijing_dialect": "zh-BJ", "sichuan_dialect": "zh-SC"}
"""The codec's dialects under a tag of the language and the province."""

ANY_LANGUAGE = frozenset({"", "auto"})


class Languages:
    """Those of one checkpoint: the keys of its codec_language_id."""

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
