"""Piper: neural voices for a CPU. Voice packs and pulled checkpoints, sentence by sentence."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from servers import voicepacks
from servers.audio.resample import resample
from servers.backends._at_once import at_once
from servers.backends._espeak_ng.library import short_path
from servers.backends._piper.durations import telling_durations
from servers.backends._piper.packs import FAMILY, Pack, all_packs
from servers.backends._piper.voices import Chosen, Voices
from servers.backends._piper.word_times import WordTimes
from servers.backends.base import About, Arrivals, Backend, Description, Options, SynthesisItems
from servers.errors import ModelLoadFailed
from servers.extras import require
from servers.settings import settings
from servers.speech import Chunk, ModelSpec, Speech, Utterance, Word
from servers.text.normalize import speakable, spoken_words, words_to_speak
from servers.text.packing import CLAUSES, WORDS, TextSpan, characters, packed
from servers.text.sentences import sentence_spans

LONGEST_CHARS = 400
"""What is spoken in one go: the model's memory grows with the square of it."""
LARGEST_SEED = 2**63 - 1
EXTERNAL_DATA = "session.model_external_initializers_file_folder_path"
"""onnxruntime's key for where the weights are that a model has in files of their own."""
SPINNING = "session.intra_op.allow_spinning"
"""onnxruntime's key for whether threads wait for their next step in a loop: a third of the time that a text
takes of the processors is that, and somebody else's."""
log = logging.getLogger(__name__)


class PiperUtterance(Utterance):
    """An Utterance with a tempo. It has no styles."""

    speed: float = Field(default=1.0, ge=0.25, le=4.0)
    """Times the voice's own."""


class PiperOptions(Options):
    """What models.yaml may say about a piper model."""

    checkpoint: Path | None = None
    """A pulled voice that has to be there; it is the default. The others are found by themselves."""
    default_voice: str | None = None
    """Who speaks where a client names nobody; null is the checkpoint's voice, else the first one."""
    resident: Annotated[int, Field(ge=1)] = 2
    """So many packs stay loaded, the latest used ones."""
    cpu_threads: Annotated[int, Field(ge=0)] = 0
    """Of one text; 0 is one for each core."""
    at_once: Annotated[int, Field(ge=0)] = 0
    """So many texts are spoken at once; 0 is one for each core."""

    @property
    def places(self) -> int:
        return self.at_once or os.cpu_count() or 1


class Piper(Backend):
    """All of Piper's voices that are here, each loaded when it is first asked for."""

    requests = {"synthesize": PiperUtterance}  # noqa: RUF012 - the contract says ClassVar
    honours = frozenset({"voice", "language", "seed", "speed"})
    options = PiperOptions
    uses_gpu = False
    takes_arrivals = frozenset({"synthesize"})

    _options: PiperOptions
    _voices: Voices
    _loaded: OrderedDict[str, Any]
    _loading: threading.RLock
    """Held by the thread that loads a voice, or looks which are."""

    @classmethod
    def batch_limit(cls, options: Options) -> int:
        assert isinstance(options, PiperOptions)
        return options.places

    @classmethod
    def check(cls, options: Options) -> None:
        assert isinstance(options, PiperOptions)
        require("piper", "piper", "onnxruntime")
        _voices(options)

    @classmethod
    def describe(cls, options: Options) -> Description:
        assert isinstance(options, PiperOptions)
        voices = _voices(options)
        return Description(_about(voices), voices.has)

    def load(self, model: ModelSpec, device: str) -> About:  # noqa: ARG002 - a CPU is enough
        self._options = PiperOptions.model_validate(model.options)
        self.check(self._options)
        self._voices = _voices(self._options)
        for broken in self._voices.broken:
            log.warning("%s", broken.error.message, extra={"action": "voice_pack"})
        self._loaded, self._loading = OrderedDict(), threading.RLock()
        self._piper(self._voices.named(self._voices.default).pack)
        return _about(self._voices)

    def warm_up(self, text: str) -> None:
        for _ in self.synthesize([PiperUtterance(text=text)]):
            pass

    def synthesize(self, utterances: Sequence[Utterance], arrivals: Arrivals | None = None) -> SynthesisItems:
        """Whoever arrives is begun as soon as one of the texts has ended, or at once where there is room.

        One text leaves cores idle: it is spoken by many small steps, which cannot all be divided.
        """
        return at_once(utterances, self._spoken, self._options.places, arrivals)

    def _spoken(self, wanted: Utterance) -> Generator[Chunk | Speech, None, None]:
        assert isinstance(wanted, PiperUtterance)
        voice = self._voices.chosen(wanted.voice, wanted.language)
        words = words_to_speak(wanted.text, voice.language)
        spans = _sentences(wanted.text)
        for start, end in spans:
            self._voices.check_script(voice, wanted.text[start:end])
        piper = self._piper(voice.pack) if wanted.seed is None else self._seeded(voice.pack, wanted.seed)
        times = WordTimes(words, piper.phonemize, piper.config.phoneme_id_map)
        given: list[Word] = []
        for span in spans:
            for chunk in self._of_sentence(piper, voice, wanted, span, times):
                given += chunk.words
                if len(chunk.samples):
                    yield chunk
        yield Speech(words=(*given, *times.rest()))

    def _of_sentence(
        self, piper: Any, voice: Chosen, wanted: PiperUtterance, span: TextSpan, times: WordTimes
    ) -> Iterator[Chunk]:
        """What is spoken in one go: a chunk for each of the sentences that piper finds in it."""
        from piper import SynthesisConfig

        text, rate = wanted.text[slice(*span)], self._voices.sample_rate
        said = speakable(text, voice.language)
        how = SynthesisConfig(speaker_id=voice.speaker, length_scale=piper.config.length_scale / wanted.speed)
        times.begin(span, spoken_words(text, voice.language), said)
        for spoken in piper.synthesize(said, how, include_alignments=True):
            samples = resample(spoken.audio_float_array, spoken.sample_rate, rate)
            yield Chunk(samples, rate, times.heard(spoken, len(samples) / rate))

    def _piper(self, pack: Pack) -> Any:
        """The pack's PiperVoice, loaded now unless it is still there from before."""
        with self._loading:
            if pack.name not in self._loaded:
                voicepacks.check_hashes(pack.sha256)
                self._loaded[pack.name] = self._read(pack)
            self._loaded.move_to_end(pack.name)
            while len(self._loaded) > self._options.resident:
                self._loaded.popitem(last=False)
            return self._loaded[pack.name]

    def _seeded(self, pack: Pack, seed: int) -> Any:
        """The pack's PiperVoice in a session of its own, which draws its lots from the seed it began with."""
        import onnxruntime

        piper = self._piper(pack)
        with self._loading:  # the seed is everybody's whose session is made after it
            onnxruntime.set_seed(seed % LARGEST_SEED)
            return dataclasses.replace(piper, session=self._session(pack))

    def _read(self, pack: Pack) -> Any:
        """Raises ModelLoadFailed naming the file that cannot be used."""
        from piper import PiperConfig, PiperVoice
        from piper.phonemize_espeak import ESPEAK_DATA_DIR

        config = PiperConfig.from_dict(json.loads(pack.config.read_bytes()))
        data = short_path(ESPEAK_DATA_DIR)
        piper = PiperVoice(config=config, session=self._session(pack), espeak_data_dir=data)
        try:
            piper.phonemize("a")
        except RuntimeError as error:  # espeak-ng has no voice of that name
            raise voicepacks.wrong(pack.config, "espeak.voice", str(error)) from error
        return piper

    def _session(self, pack: Pack) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._options.cpu_threads
        options.add_session_config_entry(SPINNING, "0")
        options.add_session_config_entry(EXTERNAL_DATA, str(pack.model.parent))
        try:
            model = telling_durations(pack.model) or str(pack.model)
            session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's have no other class in common
            raise ModelLoadFailed(
                f"{pack.model} is no model that can be run: {error}", param="voice"
            ) from error
        session._model_bytes = None  # else it holds them, and never looks at them again
        return session


def _voices(options: PiperOptions) -> Voices:
    """Raises ModelLoadFailed where there is no voice that can speak, or not the one that was asked for."""
    packs = all_packs(options.checkpoint)
    if not packs:
        own = settings().voicepacks_dir / FAMILY
        message = (
            f"there is no Piper voice: `skylark models list` names some to pull, or put a pack into {own}"
        )
        raise ModelLoadFailed(message, param="checkpoint")
    return Voices(packs, options.default_voice)


def _about(voices: Voices) -> About:
    return About(
        voices=voices.known(),
        languages=voices.languages(),
        default_voice=voices.default,
        sample_rate=voices.sample_rate,
    )


def _sentences(text: str) -> list[TextSpan]:
    """What is spoken in one go each: whole sentences, cut where one is too long."""
    cuts = (CLAUSES, WORDS, characters)
    return packed(text, sentence_spans(text), lambda part: len(part) <= LONGEST_CHARS, cuts, most=1)
