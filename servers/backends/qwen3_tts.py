"""Qwen3-TTS: speakers that were trained in, voices designed in words, voices cloned from a clip.

It runs the package qwen_tts on a local checkpoint of the 12 Hz family, 0.6B or 1.7B. What a checkpoint can be
asked for is decided by its variant, which its config.json names:

    custom_voice   `voice` is one of its speakers, `instruct` the manner (not with 0.6B); fine-tuned ones too
    voice_design   `instruct` describes the voice
    base           `reference_audio_path`, with `reference_text` or `x_vector_only`, is the voice

A text of more than `piece_tokens` is spoken piece by piece, cut at its sentences. The voice stays the same:
by the speaker, or the reference; a designed voice's later pieces are spoken as if they followed the first,
whose codes they are shown. A piece that finds no end is cut at max(192, 12 × its tokens) frames, and
`finish_reason` is then `length`; with `retry_runaways` it is first said again, once, with other noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from servers.backends._qwen3_tts.package import imported
from servers.backends._qwen3_tts.request import QwenOptions, QwenUtterance
from servers.backends.base import About, Backend, Options, SynthesisItems
from servers.errors import InvalidRequest, SkylarkError
from servers.speech import ModelSpec, Utterance

if TYPE_CHECKING:
    from servers.backends._qwen3_tts.casting import Casting
    from servers.backends._qwen3_tts.performance import Performance, Studio
    from servers.backends._qwen3_tts.prompts import VoicePrompt
    from servers.backends._qwen3_tts.talker import Talker

WARM_UP_FRAMES = 4


class Qwen3Tts(Backend):
    """Speaks batches of utterances in one talker batch, each in chunks as it is made."""

    requests = {"synthesize": QwenUtterance}  # noqa: RUF012 - the contract says ClassVar
    options = QwenOptions

    _options: QwenOptions
    _casting: Casting
    _studio: Studio
    _talker: Talker
    _defaults: dict[str, Any]

    @classmethod
    def batch_limit(cls, options: Options) -> int:
        assert isinstance(options, QwenOptions)
        return options.max_batch

    def load(self, model: ModelSpec, device: str) -> About:
        imported()
        from servers.backends._qwen3_tts import checkpoint as checkpoints
        from servers.backends._qwen3_tts.casting import Casting
        from servers.backends._qwen3_tts.codec import CodecDecoder
        from servers.backends._qwen3_tts.performance import Studio
        from servers.backends._qwen3_tts.prompts import Prompter
        from servers.backends._qwen3_tts.references import References
        from servers.backends._qwen3_tts.talker import Talker

        self._options = options = QwenOptions.model_validate(model.options)
        checkpoint = checkpoints.Checkpoint.at(options.checkpoint, model.name)
        package = checkpoints.load(checkpoint, options, device)
        prompter = Prompter(package.model, package.processor.tokenizer)
        clones = checkpoint.variant == "base"
        references = References(package, options.reference_cache_mb * 1e6) if clones else None
        self._casting = Casting(checkpoint, prompter, references, options.default_voice)
        self._talker = Talker(package.model)
        decoder = CodecDecoder(package.model.speech_tokenizer.model)
        self._studio = Studio(prompter, decoder, self._talker.end, options)
        self._defaults = checkpoint.generation
        return About(
            voices=self._casting.voices,
            languages=self._casting.language_tags,
            default_voice=self._casting.default_voice,
            sample_rate=decoder.sample_rate,
            device=device,
        )

    def warm_up(self, text: str) -> None:
        """A few frames of nobody in particular: every variant can speak without being told who."""
        from servers.backends._qwen3_tts.prompts import VoicePrompt

        asked = QwenUtterance(text=text, max_frames=WARM_UP_FRAMES)
        for _ in self._played([(0, self._performance(asked, VoicePrompt(), None))]):
            pass

    def synthesize(self, utterances: Sequence[Utterance]) -> SynthesisItems:
        together: list[tuple[int, Performance]] = []
        alone: list[tuple[int, Performance]] = []
        for index, utterance in enumerate(utterances):
            asked = QwenUtterance.model_validate(utterance.model_dump())
            try:
                _refuse_unspeakable(asked.text)
                performance = self._performance(asked, *self._casting.cast(asked))
                (alone if self._has_to_be_alone(asked) else together).append((index, performance))
            except SkylarkError as error:
                yield index, error
        for acts in (together, *([act] for act in alone)):
            yield from self._played(acts)

    def _has_to_be_alone(self, asked: QwenUtterance) -> bool:
        """In half precision sums are rounded by the size of the batch; a seed is to give the same audio."""
        return asked.seed is not None and not self._talker.is_exact

    def _played(self, performances: Sequence[tuple[int, Performance]]) -> SynthesisItems:
        from servers.backends._qwen3_tts.stage import Stage

        return Stage(self._talker, self._studio.decoder, self._options.max_batch, performances).play()

    def _performance(self, asked: QwenUtterance, voice: VoicePrompt, language: str | None) -> Performance:
        from servers.backends._qwen3_tts.performance import Performance
        from servers.backends._qwen3_tts.script import Script

        script = Script.of(
            asked, voice, language, self._options, self._defaults, self._studio.prompter.tokens
        )
        return Performance(script, self._studio)


def _refuse_unspeakable(text: str) -> None:
    if not any(character.isalnum() for character in text):
        raise InvalidRequest("the text has no words or numbers that can be spoken", param="text")
