"""pocketsphinx: the embedded recogniser and aligner, for English, without a download or a GPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from servers.audio.files import blocks, recording
from servers.audio.level import level_dbfs, usual_gain
from servers.audio.pauses import Stretch, stretches
from servers.audio.pcm import NoiseFloor, to_int16
from servers.backends._pocketsphinx.aligner import Aligner
from servers.backends._pocketsphinx.decoders import (
    SAMPLE_RATE,
    CepstralMean,
    DecodedWord,
    SpeechDetector,
    WordDecoder,
)
from servers.backends.base import About, Backend, Description, Options, TranscriptItems, one_by_one
from servers.errors import InvalidRequest, ModelLoadFailed
from servers.speech import (
    Alignment,
    AlignRequest,
    ModelSpec,
    Progress,
    Segment,
    TranscribeRequest,
    Transcript,
    Word,
)
from servers.text.alignment import alignment
from servers.text.normalize import spoken_words
from servers.text.timing import timed_words

NOISE_FLOOR_DBFS = -60.0
"""Digital silence breaks the recogniser: with this noise under it, it does about as well as ever."""
PAUSE_S, SHORTEST_S, LONGEST_S = 0.15, 2.0, 30.0
"""A recording is cut where nobody speaks for PAUSE_S, into stretches between these lengths."""
BLOCK_S = 10.0
"""A recording is read in blocks of this length."""
LEAST_S = 0.1
"""Less audio than this holds no word."""
ENGLISH = ("en", "english", "auto", "")


class PocketSphinx(Backend):
    """Recognises three words in four of clear speech: a basic fallback. Its alignment is good, 20 ms."""

    requests = {"transcribe": TranscribeRequest, "align": AlignRequest}  # noqa: RUF012 - the contract says ClassVar
    honours = frozenset({"language"})

    _decoder: WordDecoder
    _aligner: Aligner
    _mean: CepstralMean
    _detector: SpeechDetector

    @classmethod
    def describe(cls, options: Options) -> Description:  # noqa: ARG003 - it has none
        return Description(About(languages=("en",)))

    def load(self, model: ModelSpec, device: str) -> About:  # noqa: ARG002 - it needs neither
        try:
            self._decoder = WordDecoder()
            self._aligner = Aligner()
            self._mean = CepstralMean()
            self._detector = SpeechDetector()
        except (ImportError, RuntimeError) as error:
            mend = "mend it with: pip install --force-reinstall pocketsphinx"
            raise ModelLoadFailed(f"pocketsphinx cannot be loaded ({error}); {mend}") from error
        return self.describe(self.options()).about

    def transcribe(self, requests: Sequence[TranscribeRequest]) -> TranscriptItems:
        return one_by_one(requests, self._transcribed)

    def align(self, requests: Sequence[AlignRequest]) -> TranscriptItems:
        return one_by_one(requests, self._aligned)

    def _transcribed(self, request: TranscribeRequest) -> Iterator[Progress | Segment | Transcript]:
        _check_language(request.language)
        audio = _load(request.audio_path)
        segments: list[Segment] = []
        if audio.duration_s >= LEAST_S:
            mean = self._mean.estimate(audio.samples)
            for stretch in self._stretches(audio.samples):
                for item in self._decoded(audio, stretch, mean):
                    if isinstance(item, Segment):
                        segments.append(item)
                    yield item
        yield Transcript(
            text=" ".join(segment.text for segment in segments),
            language="en",
            duration_s=audio.duration_s,
            segments=tuple(segments),
            words=tuple(word for segment in segments for word in segment.words),
        )

    def _stretches(self, samples: NDArray[np.int16]) -> list[Stretch]:
        """The stretches of the recording, in samples; the last one goes to its very end."""
        speech, frame = self._detector.speech(samples), self._detector.frame_samples
        pause, shortest, longest = (
            round(seconds * SAMPLE_RATE / frame) for seconds in (PAUSE_S, SHORTEST_S, LONGEST_S)
        )
        cut = [
            Stretch(stretch.start * frame, stretch.end * frame, stretch.has_speech)
            for stretch in stretches(speech, pause, shortest, longest)
        ]
        return [*cut[:-1], Stretch(cut[-1].start, len(samples), cut[-1].has_speech)]

    def _decoded(self, audio: _Audio, stretch: Stretch, mean: str) -> Iterator[Progress | Segment]:
        """Recognises one stretch: what is said in it is one segment, if anything is."""
        total = len(audio.samples)
        if stretch.has_speech:
            for done in self._decoder.decode(audio.samples[stretch.start : stretch.end], mean):
                yield Progress((stretch.start + done * (stretch.end - stretch.start)) / total)
            words = self._decoder.words()
            yield from _segment(words, stretch.start / SAMPLE_RATE, stretch.end / SAMPLE_RATE)
        else:
            yield Progress(stretch.end / total)

    def _aligned(self, request: AlignRequest) -> Iterator[Progress | Alignment]:
        _check_language(request.language)
        audio = _load(request.audio_path)
        if audio.duration_s < LEAST_S:
            raise InvalidRequest(
                f"the audio is too short to hold a word: {audio.duration_s:.3f} s", param="text"
            )
        tokens = spoken_words(request.text)
        for item in self._aligner.align(audio.samples, self._mean.estimate(audio.samples), tokens):
            if isinstance(item, float):
                yield Progress(item)
            else:
                words = timed_words([token.word for token in tokens], item.spans, audio.duration_s)
                begins = [token.start for token in tokens]
                yield alignment(request.text, "en", audio.duration_s, words, begins, item.unread_s)


@dataclass(frozen=True)
class _Audio:
    """A recording as the decoders take it; its length is the file's own."""

    samples: NDArray[np.int16]
    duration_s: float


def _load(path: Path) -> _Audio:
    """As loud as usual, for a recording that is not far above the noise floor would drown in it.

    Whisper is not helped so: its base model has 4 words in 100 wrong at −30 dB and 2 at 0 dB, and a level
    would have to be known before the whole was read.
    """
    noise, pcm = NoiseFloor(NOISE_FLOOR_DBFS), bytearray()
    with recording(path) as file:
        gain = usual_gain(level_dbfs(blocks(file, SAMPLE_RATE, BLOCK_S), SAMPLE_RATE))
        for block in blocks(file, SAMPLE_RATE, BLOCK_S):
            pcm += to_int16(noise.under(block * gain)).data
    samples = np.frombuffer(pcm, dtype=np.int16)
    return _Audio(samples, len(samples) / SAMPLE_RATE)


def _check_language(language: str | None) -> None:
    if language is None or language.casefold() in ENGLISH or language.casefold().startswith(("en-", "en_")):
        return
    raise InvalidRequest(
        f'this model knows English ("en") only, not {language!r}; a whisperx model knows more',
        param="language",
    )


def _segment(decoded: list[DecodedWord], offset_s: float, end_s: float) -> list[Segment]:
    """One segment of a stretch's words, in the recording's time; none where there are none."""
    if not decoded:
        return []
    words = tuple(
        Word(
            word=word.word,
            start=round(offset_s + word.start, 3),
            end=round(min(offset_s + word.end, end_s), 3),
            score=round(word.probability, 4),
        )
        for word in decoded
    )
    text = " ".join(word.word for word in words)
    return [Segment(start=words[0].start, end=words[-1].end, text=text, words=words)]
