"""Who speaks, and in which language: what a checkpoint's variant can be asked for, and what it cannot."""

from __future__ import annotations

from servers.backends._qwen3_tts.folder import Checkpoint
from servers.backends._qwen3_tts.prompts import PromptBuilder, SpokenExample, VoicePrompt
from servers.backends._qwen3_tts.references import FIELD, References
from servers.backends._qwen3_tts.request import QwenUtterance
from servers.backends._qwen3_tts.speakers import Speakers
from servers.errors import InvalidRequest, UnknownVoice
from servers.nearest import VOICES_LISTED, possible
from servers.speech import Voice

CHINESE = "chinese"
WHO_SPEAKS = {
    "custom_voice": "name one of its speakers in voice",
    "voice_design": "describe the voice in instruct",
    "base": "name a cloned voice, or give reference_audio_path with reference_text or x_vector_only",
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
        self._speakers = Speakers(checkpoint, default)
        self.default_voice = self._speakers.default

    @property
    def language_tags(self) -> tuple[str, ...]:
        return self._speakers.languages.tags

    @property
    def voices(self) -> tuple[Voice, ...]:
        return self._speakers.voices

    def chosen(self, asked: QwenUtterance) -> tuple[VoicePrompt, str | None]:
        """Who speaks and in which language (the codec's name, None for any).

        Raises UnknownVoice or InvalidRequest naming the field and what this checkpoint can do instead.
        """
        self._refuse_what_is_for_others(asked)
        language = self._speakers.languages.named(asked.language)
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
        if found := self._speakers.find(wanted):
            return found
        known = self._speakers.names
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
