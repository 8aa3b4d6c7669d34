"""pocketsphinx's decoders: audio in, words with times out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16000
FRAMES_PER_S = 100
BLOCK_SAMPLES = 5 * SAMPLE_RATE
"""What is decoded between two chances to cancel: about a second of work."""
MEAN_SAMPLES = 60 * SAMPLE_RATE
"""What the mean of the features is measured on; beyond it the decoder follows the audio itself."""
FILLER = re.compile(r"[<\[(+]")
VARIANT = re.compile(r"\(\d+\)$")


@dataclass(frozen=True)
class DecodedWord:
    """A recognised word: `probability` in 0…1, `fit` how well the sound fits the word in each frame.

    `fit` is 0 where each frame sounds exactly like the word, and falls below −100 where it does not at all.
    """

    word: str
    start: float
    end: float
    probability: float
    fit: float


class WordDecoder:
    """One decoder of pocketsphinx, for one recording at a time.

    It takes the mean of the features from outside: a decoder that measures it for itself does so badly on a
    short stretch of speech, and needs the whole of a long one before it begins.
    """

    def __init__(self, **settings: Any) -> None:
        from pocketsphinx import Decoder

        self.sphinx = Decoder(samprate=SAMPLE_RATE, cmn="live", loglevel="FATAL", **settings)
        self._log = self.sphinx.get_logmath().log

    def decode(self, samples: NDArray[np.int16], mean: str) -> Iterator[float]:
        """Decode the samples, yielding the fraction that is done after each few seconds."""
        start_afresh(self.sphinx)
        self.sphinx.set_cmn(mean)
        self.sphinx.start_utt()
        try:
            for start in range(0, len(samples), BLOCK_SAMPLES):
                block = samples[start : start + BLOCK_SAMPLES]
                self.sphinx.process_raw(block.tobytes())
                yield (start + len(block)) / len(samples)
        finally:
            self.sphinx.end_utt()

    def words(self) -> list[DecodedWord]:
        """The words of the last recording; empty where none were made out."""
        return [each for each in self._segments() if not FILLER.match(each.word)]

    def pauses(self) -> list[DecodedWord]:
        """What the last recording has between its words: silence, and noises that are no speech."""
        return [each for each in self._segments() if FILLER.match(each.word)]

    def _segments(self) -> list[DecodedWord]:
        return [] if self.sphinx.hyp() is None else [self._word(segment) for segment in self.sphinx.seg()]

    def _word(self, segment: Any) -> DecodedWord:
        frames = segment.end_frame - segment.start_frame + 1
        return DecodedWord(
            word=VARIANT.sub("", segment.word),
            start=segment.start_frame / FRAMES_PER_S,
            end=(segment.end_frame + 1) / FRAMES_PER_S,
            probability=min(max(segment.prob, 0.0), 1.0),
            fit=self._log(segment.ascore) / frames,
        )


def start_afresh(sphinx: Any) -> None:
    """Forgets what was heard before: a decoder keeps its estimate of the noise for the next recording.

    Its models stay; it takes a tenth of a millisecond.
    """
    sphinx.reinit_feat()


class CepstralMean:
    """Estimates the mean of a recording's features: what the microphone and the room add to speech."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self._decoder = Decoder(samprate=SAMPLE_RATE, cmn="batch", lm=None, loglevel="FATAL")
        self._decoder.set_align_text("a")  # a decoder wants something to search for

    def estimate(self, samples: NDArray[np.int16]) -> str:
        start_afresh(self._decoder)
        self._decoder.start_utt()
        self._decoder.process_raw(samples[:MEAN_SAMPLES].tobytes(), no_search=True, full_utt=True)
        mean: str = self._decoder.get_cmn(False)
        self._decoder.end_utt()
        return mean


class SpeechDetector:
    """Voice activity detection: whether somebody speaks in each 30 ms of a recording."""

    FRAME_S = 0.03
    STRICTNESS = 2

    def __init__(self) -> None:
        from pocketsphinx import Vad

        self._make = partial(Vad, mode=self.STRICTNESS, sample_rate=SAMPLE_RATE, frame_length=self.FRAME_S)
        self.frame_samples: int = self._make().frame_bytes // 2

    def speech(self, samples: NDArray[np.int16]) -> list[bool]:
        """For each whole frame; what is left over at the end belongs to the last one."""
        vad = self._make()  # one that has heard nothing yet
        whole = range(0, len(samples) - self.frame_samples + 1, self.frame_samples)
        frames: Sequence[NDArray[np.int16]] = [samples[at : at + self.frame_samples] for at in whole]
        return [bool(vad.is_speech(frame.tobytes())) for frame in frames]
