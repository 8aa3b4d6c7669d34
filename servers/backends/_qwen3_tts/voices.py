"""Who speaks, and in which language: what a checkpoint's variant can be asked for, and what it cannot."""

from __future__ import annotations

from collections.abc import Iterable

from servers.backends._qwen3_tts.checkpoint import Checkpoint
from servers.backends._qwen3_tts.prompts import PromptBuilder, SpokenExample, VoicePrompt
from servers.backends._qwen3_tts.references import FIELD, References
from servers.backends._qwen3_tts.request import QwenUtterance
from servers.errors import InvalidRequest, ModelLoadFailed, UnknownVoice
from servers.nearest import VOICES_LISTED, possible
from servers.speech import Voice
from servers.text.languages import CODES, language_code

DIALECTS = {"beijing_dialect": "zh-BJ", "sichuan_dialect": "zh-SC"}
"""The codec's dialects under a tag of the language and the province."""

ANY_LANGUAGE = frozenset({"", "auto"})
CHINESE = "chinese"
WHO_SPEAKS = {
    "custom_voice": "name one of its speakers in voice",
    "voice_design": "describe the voice in instruct",
    "base": "give reference_audio_path, with reference_text or x_vector_only",
}


class Voices:
    """The voices of one checkpoint. `references` is there for variant base."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        prompts: PromptBuilder,
        references: References | None,
        default: str | None,
    ) -> None:
        self._checkpoint, self._prompts, self._references = checkpoint, prompts, references
        self._languages = Languages(checkpoint.languages)
        self._speakers = {name.casefold(): name for name in checkpoint.speakers}
        self.default_voice = self._default(default)

    @property
    def language_tags(self) -> tuple[str, ...]:
        return self._languages.tags

    @property
    def voices(self) -> tuple[Voice, ...]:
        """A speaker speaks every language of the checkpoint; one with a dialect, that one in Chinese."""
        return tuple(Voice(name=name, languages=self._spoken_by(name)) for name in self._speakers.values())

    def chosen(self, asked: QwenUtterance) -> tuple[VoicePrompt, str | None]:
        """Who speaks and in which language (the codec's name, None for any).

        Raises UnknownVoice or InvalidRequest naming the field and what this checkpoint can do instead.
        """
        self._refuse_what_is_for_others(asked)
        language = self._languages.named(asked.language)
        if self._checkpoint.variant == "custom_voice":
            name = self._speaker(asked.voice)
            return self._of_speaker(name, asked.instruct), self._dialect(name, language)
        if self._checkpoint.variant == "voice_design":
            return VoicePrompt(instruct=asked.instruct), language
        return self._cloned(asked), language

    def _refuse_what_is_for_others(self, asked: QwenUtterance) -> None:
        """1. A voice without speakers. 2. A reference without Base. 3. An instruct, or none, amiss."""
        variant = self._checkpoint.variant
        if asked.voice and variant != "custom_voice":  # 1
            raise self._not_possible("it has no named voices", "voice")
        if variant != "base":  # 2
            for field in (FIELD, "reference_text", "x_vector_only"):
                if getattr(asked, field):
                    raise self._not_possible("it cannot clone a voice (a Base checkpoint can)", field)
        if asked.instruct and not self._checkpoint.follows_instruct:  # 3
            can = "CustomVoice of 1.7B and VoiceDesign can"
            raise self._not_possible(f"it cannot follow an instruct ({can})", "instruct")
        if variant == "voice_design" and not (asked.instruct or "").strip():
            raise self._not_possible("there is no voice without an instruct", "instruct")

    def _not_possible(self, why: str, param: str) -> InvalidRequest:
        variant = self._checkpoint.variant
        return InvalidRequest(
            f"{self._checkpoint.name} is a {variant} checkpoint: {why}; {WHO_SPEAKS[variant]}", param=param
        )

    def _speaker(self, voice: str | None) -> str:
        wanted = voice or self.default_voice or ""
        if found := self._speakers.get(wanted.strip().casefold()):
            return found
        known = list(self._speakers.values())
        some = possible(wanted, known, such_as=known[:5], listed=VOICES_LISTED)
        raise UnknownVoice(f"there is no voice {wanted!r}; {some}", param="voice")

    def _of_speaker(self, name: str, instruct: str | None) -> VoicePrompt:
        return VoicePrompt(instruct=instruct, speaker=self._prompts.speaker(self._checkpoint.speakers[name]))

    def _dialect(self, name: str, language: str | None) -> str | None:
        """A speaker with a dialect speaks it wherever the language may be Chinese."""
        dialect = self._checkpoint.dialects.get(name)
        return dialect if dialect and language in (None, CHINESE) else language

    def _cloned(self, asked: QwenUtterance) -> VoicePrompt:
        if asked.reference_audio_path is None:
            raise self._not_possible("there is no voice without a reference", FIELD)
        text = (asked.reference_text or "").strip()
        if not text and not asked.x_vector_only:
            raise self._not_possible("the words of the reference are needed", "reference_text")
        assert self._references is not None
        reference = self._references.of(asked.reference_audio_path)
        example = None if asked.x_vector_only else SpokenExample(text, reference.codes)
        return VoicePrompt(speaker=reference.speaker, example=example, is_text_first=False)

    def _spoken_by(self, name: str) -> tuple[str, ...]:
        dialect = self._checkpoint.dialects.get(name)
        own = (tag_of(dialect),) if dialect else ()
        return tuple(dict.fromkeys((*own, *self._languages.tags)))

    def _default(self, wanted: str | None) -> str | None:
        """The configured speaker as the checkpoint names it, else its first one."""
        if wanted is None:
            return next(iter(self._speakers.values()), None)
        if found := self._speakers.get(wanted.casefold()):
            return found
        known = ", ".join(self._speakers.values()) or "none"
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
