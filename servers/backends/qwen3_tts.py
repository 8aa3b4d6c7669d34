"""Qwen3-TTS: speakers that were trained in, voices designed in words, voices cloned from a clip.

It runs the package qwen_tts on a local checkpoint of the 12 Hz family, 0.6B or 1.7B. What a checkpoint can be
asked for is decided by its variant, which its config.json names:

    custom_voice   `voice` is one of its speakers, `instruct` the style (not with 0.6B); fine-tuned ones too
    voice_design   `instruct` describes the voice
    base           `reference_audio_path`, with `reference_text` or `x_vector_only`, is the voice

A text of more than `piece_tokens` is spoken piece by piece, cut at its sentences. The voice stays the same:
by the speaker, or the reference; a designed voice's later pieces are spoken as if they followed the first,
whose codes they are shown. A piece that finds no end is cut at max(192, 12 × its tokens) frames, and
`finish_reason` is then `length`; with `retry_runaways` it is first said again, once, with other noise.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from itertools import chain
from typing import TYPE_CHECKING, Any

from servers.backends._arrivals import NumberedArrivals
from servers.backends._qwen3_tts.folder import Checkpoint
from servers.backends._qwen3_tts.request import QwenOptions, QwenUtterance
from servers.backends._qwen3_tts.speakers import Speakers
from servers.backends.base import About, Arrivals, Backend, Description, Options, SynthesisItems
from servers.checkpoints import locate
from servers.errors import InvalidRequest, MissingExtra, SkylarkError
from servers.extras import how_to_install, require
from servers.speech import ModelSpec, Noun, Utterance

if TYPE_CHECKING:
    from servers.backends._qwen3_tts.batch import ContinuousBatch
    from servers.backends._qwen3_tts.generation import Components, Generation
    from servers.backends._qwen3_tts.prompts import VoicePrompt
    from servers.backends._qwen3_tts.talker import Talker
    from servers.backends._qwen3_tts.voices import Voices

WARM_UP_FRAMES = 4


class Qwen3Tts(Backend):
    """Speaks batches of utterances in one talker batch, each in chunks as it is made; others join it."""

    requests = {"synthesize": QwenUtterance}  # noqa: RUF012 - the contract says ClassVar
    honours = frozenset({"voice", "language", "instruct", "seed", "reference_audio_path", "reference_text"})
    options = QwenOptions
    takes_arrivals = frozenset({"synthesize"})

    _options: QwenOptions
    _voices: Voices
    _components: Components
    _talker: Talker
    _defaults: dict[str, Any]

    @classmethod
    def batch_limit(cls, options: Options) -> int:
        assert isinstance(options, QwenOptions)
        return options.max_batch

    @classmethod
    def check(cls, options: Options) -> None:
        require("qwen", "qwen_tts")
        locate(QwenOptions.model_validate(options).checkpoint)

    @classmethod
    def describe(cls, options: Options) -> Description:
        """Who speaks, by the checkpoint's config.json; only a load tells the sample rate."""
        cls.check(options)
        own = QwenOptions.model_validate(options)
        checkpoint = Checkpoint.at(own.checkpoint, str(own.checkpoint))
        speakers = Speakers(checkpoint, own.default_voice)
        about = About(
            voices=speakers.voices,
            languages=speakers.languages.tags,
            default_voice=speakers.default,
            clones=checkpoint.clones,
            designs=checkpoint.designs,
        )
        return Description(about, speakers.has)

    def load(self, model: ModelSpec, device: str) -> About:
        self._options = options = QwenOptions.model_validate(model.options)
        self.check(options)
        package = imported()
        from servers.backends._qwen3_tts import checkpoint as checkpoints
        from servers.backends._qwen3_tts.codec import CodecDecoder
        from servers.backends._qwen3_tts.generation import Components
        from servers.backends._qwen3_tts.prompts import PromptBuilder
        from servers.backends._qwen3_tts.references import References
        from servers.backends._qwen3_tts.talker import Talker
        from servers.backends._qwen3_tts.voices import Voices

        checkpoint = Checkpoint.at(options.checkpoint, model.name)
        loaded = checkpoints.load(package, checkpoint, options, device)
        prompts = PromptBuilder(loaded.model, loaded.processor.tokenizer)
        references = References(loaded, options.reference_cache_mb * 1e6) if checkpoint.clones else None
        self._voices = Voices(checkpoint, prompts, references, options.default_voice)
        self._talker = Talker(loaded.model)
        decoder = CodecDecoder(loaded.model.speech_tokenizer.model)
        self._components = Components(prompts, decoder, self._talker.end, options)
        self._defaults = checkpoint.generation
        return About(
            voices=self._voices.voices,
            languages=self._voices.language_tags,
            default_voice=self._voices.default_voice,
            sample_rate=decoder.sample_rate,
            device=device,
            clones=checkpoint.clones,
            designs=checkpoint.designs,
        )

    def warm_up(self, text: str) -> None:
        """A few frames of nobody in particular: every variant can speak without being told who."""
        from servers.backends._qwen3_tts.prompts import VoicePrompt

        batch = self._batch()
        asked = QwenUtterance(text=text, max_frames=WARM_UP_FRAMES)
        batch.add(0, self._generation(asked, VoicePrompt(), None))
        while not batch.is_over:
            for _ in chain(batch.step(), batch.audio()):
                pass

    def synthesize(self, utterances: Sequence[Utterance], arrivals: Arrivals | None = None) -> SynthesisItems:
        """Utterances that arrive get their rows at the next frame, as long as there is room.

        Arrivals are asked before each frame, and again before its audio is decoded, which takes as long.
        """
        batch, asked = self._batch(), NumberedArrivals(arrivals, len(utterances))
        together_first = sorted(enumerate(utterances), key=lambda each: self._has_to_be_alone(each[1]))
        yield from self._add(batch, together_first)
        while True:
            joined = asked.joined()
            batch.drop(asked.gone)
            yield from self._add(batch, joined)
            if batch.is_over and not asked.came:
                return
            yield from batch.step()
            yield from self._add(batch, asked.joined())
            yield from batch.audio()

    def _add(self, batch: ContinuousBatch, numbered: Iterable[tuple[int, Noun]]) -> SynthesisItems:
        """Each becomes part of the batch; where it cannot be spoken, its error is yielded."""
        for index, utterance in numbered:
            assert isinstance(utterance, QwenUtterance)
            try:
                _refuse_unspeakable(utterance.text)
                generation = self._generation(utterance, *self._voices.chosen(utterance))
            except SkylarkError as error:
                yield index, error
            else:
                batch.add(index, generation, alone=self._has_to_be_alone(utterance))

    def _has_to_be_alone(self, utterance: Utterance) -> bool:
        """In half precision sums are rounded by the size of the batch; a seed is to give the same audio.

        In a batch that others join, such an utterance waits until those before it have ended, and whoever
        arrives after it waits behind it: order is kept.
        """
        return utterance.seed is not None and not self._talker.is_exact

    def _batch(self) -> ContinuousBatch:
        from servers.backends._qwen3_tts.batch import ContinuousBatch

        return ContinuousBatch(self._talker, self._components.decoder, self._options.max_batch)

    def _generation(self, asked: QwenUtterance, voice: VoicePrompt, language: str | None) -> Generation:
        from servers.backends._qwen3_tts.generation import Generation
        from servers.backends._qwen3_tts.prepared import PreparedUtterance

        size = self._components.prompts.tokens
        prepared = PreparedUtterance.of(asked, voice, language, self._options, self._defaults, size)
        return Generation(prepared, self._components)


def imported() -> Any:
    """Upstream's Qwen3TTSModel; it takes seconds, and brings torch. Raises MissingExtra.

    What it prints and logs about programs that nobody needs here is left out.
    """
    logging.getLogger("sox").disabled = True
    try:
        with redirect_stdout(io.StringIO()):
            from qwen_tts import Qwen3TTSModel
    except ImportError as error:
        raise MissingExtra(f"qwen_tts cannot be imported ({error}): {how_to_install('qwen')}") from error
    return Qwen3TTSModel


def _refuse_unspeakable(text: str) -> None:
    if not any(character.isalnum() for character in text):
        raise InvalidRequest("the text has no words or numbers that can be spoken", param="text")
