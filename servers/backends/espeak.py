"""espeak-ng: the embedded synthesiser. 138 voices and 104 timbres, no download, 600 times real time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from pydantic import Field

from servers.backends._espeak_ng.library import Library, shared_library
from servers.backends._espeak_ng.marks import MarkedText, WordTimes
from servers.backends._espeak_ng.voice_files import data_folder, variants_in, voices_in
from servers.backends._espeak_ng.voices import Voices
from servers.backends.base import About, Backend, Description, Options, SynthesisItems, one_by_one
from servers.speech import Chunk, ModelSpec, Speech, Utterance, Word
from servers.text.normalize import words_to_speak


class EspeakUtterance(Utterance):
    """An Utterance with the library's own settings. It has no styles, and draws no lots.

    Its tempo is 175 words a minute, and no slower than 0.47 times that: less sounds like that.
    """

    pitch: int = Field(default=50, ge=0, le=99)


class EspeakOptions(Options):
    """What models.yaml may say about an espeak model."""

    default_voice: str = "en-US+klatt4"
    """Who speaks where a client names nobody.

    The embedded recogniser hears this one best: 20 % of the words wrong, 29 % with the plain en-US voice.
    """


class Espeak(Backend):
    """Speaks through the library's one instance; two of this class in one process share it."""

    requests = {"synthesize": EspeakUtterance}  # noqa: RUF012 - the contract says ClassVar
    honours = frozenset({"voice", "language", "speed"})
    options = EspeakOptions
    uses_gpu = False

    _library: Library
    _voices: Voices

    @classmethod
    def describe(cls, options: Options) -> Description | None:
        assert isinstance(options, EspeakOptions)
        folder = data_folder()
        if folder is None:
            return None
        voices = _voices_in(folder, options.default_voice)
        return Description(_about(voices), voices.has)

    def load(self, model: ModelSpec, device: str) -> About:  # noqa: ARG002 - it needs none
        self._library = shared_library()
        options = EspeakOptions.model_validate(model.options)
        self._voices = Voices(self._library.voices(), self._library.variants(), options.default_voice)
        return _about(self._voices).model_copy(update={"sample_rate": self._library.sample_rate})

    def warm_up(self, text: str) -> None:
        for _ in self.synthesize([EspeakUtterance(text=text)]):
            pass

    def synthesize(self, utterances: Sequence[Utterance]) -> SynthesisItems:
        return one_by_one(utterances, self._spoken)

    def _spoken(self, wanted: Utterance) -> Iterator[Chunk | Speech]:
        assert isinstance(wanted, EspeakUtterance)
        voice = self._voices.chosen(wanted.voice, wanted.language)
        words = words_to_speak(wanted.text, voice.language)
        text, rate, samples = MarkedText.of(words), self._library.sample_rate, 0
        times = WordTimes(text, rate)
        given: list[Word] = []
        known: tuple[Word, ...] = ()
        for burst in self._library.stream(text.text, voice.identifier, wanted.speed, wanted.pitch):
            samples += len(burst.samples)
            known += times.known(burst.events, samples)
            if len(burst.samples):
                yield Chunk(burst.samples, rate, known)
                given += known
                known = ()
        yield Speech(words=(*given, *known, *times.rest(samples)))


def _about(voices: Voices) -> About:
    return About(voices=voices.known(), languages=voices.languages(), default_voice=voices.default)


@cache
def _voices_in(folder: Path, default: str) -> Voices:
    return Voices(voices_in(folder), variants_in(folder), default)
