"""Recordings to transcripts: cut into VAD chunks, decoded in batches that they share, aligned, diarized."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

from servers.audio.files import blocks, probe, read, recording
from servers.audio.level import level_dbfs
from servers.backends._whisper.chunks import (
    SAMPLE_RATE,
    VAD_BLOCK_S,
    Audio,
    Batch,
    Batcher,
    VadChunk,
    vad_chunks,
)
from servers.backends._whisper.languages import UNDETERMINED, tag
from servers.backends._whisper.model import LoadedModel
from servers.backends._whisper.options import DecodeOptions, WhisperRequest
from servers.backends._whisper.recogniser import ENGLISH, DecodingResult
from servers.backends._whisper.speakers import Speakers
from servers.backends._whisper.words import Aligned
from servers.backends.base import TranscriptItems as Items
from servers.errors import NothingRecognised, SkylarkError
from servers.speech import Progress, Segment, Transcript, Word
from servers.text.joining import joined
from servers.text.timing import timed_sentences

LEAST_S = 0.1
"""Less audio than this holds no word."""
LOUD_DBFS = -40.0
"""Whoever records speech has it 20 dB above this; the noise of a quiet room is 20 dB below."""
DECODING_SHARE = 0.9
"""The share of the work that decoding is, where speakers are told apart afterwards."""


@dataclass
class ActiveRequest:
    """A recording that is being transcribed: what is known of it so far."""

    request: WhisperRequest
    audio: BinaryIO
    """The recording, open as long as the batch lasts."""
    expected_s: float
    language: str | None
    """Whisper's code; None until it is detected."""
    waiting: deque[VadChunk] = field(default_factory=deque)
    read_s: float = 0.0
    segments: list[Segment] = field(default_factory=list)
    level_dbfs: float = -math.inf
    """Of the loudest second so far."""
    speech_s: float = 0.0
    """How long somebody speaks, as far as is known."""
    is_read: bool = False

    def progress(self) -> Progress:
        done_s = self.waiting[0].start_s if self.waiting else self.read_s
        share = DECODING_SHARE if self.request.diarize else 1.0
        return Progress(min(1.0, done_s / self.expected_s) * share)

    @property
    def is_decoded(self) -> bool:
        return self.is_read and not self.waiting


class Transcription:
    """One batch of requests. An error in one of them leaves the others."""

    def __init__(self, model: LoadedModel) -> None:
        self._model, self._batcher = model, Batcher()
        self._active: dict[int, ActiveRequest] = {}
        self._recordings = ExitStack()

    def items(self, requests: Sequence[WhisperRequest]) -> Items:
        with self._recordings:
            for index, request in enumerate(requests):
                yield from self._guarded(index, self._read(index, request))
            for batch in self._batcher.remaining():
                yield from self._decoded(batch)

    def _guarded(self, index: int, items: Items) -> Items:
        try:
            yield from items
        except SkylarkError as error:
            self._batcher.drop(index)
            self._active.pop(index, None)
            yield index, error

    def _read(self, index: int, request: WhisperRequest) -> Items:
        """Reads a recording to its end; what fills a batch on the way is decoded."""
        active = self._active[index] = self._begun(request)
        audio = self._measured(active, blocks(active.audio, SAMPLE_RATE, VAD_BLOCK_S))
        for closed in vad_chunks(audio, lambda samples: self._speech(request, samples)):
            active.read_s = closed.end_s
            active.waiting += closed.chunks  # all at once: how far it is depends on what waits
            for chunk in closed.chunks:
                active.speech_s += chunk.end_s - chunk.start_s
                full = self._batcher.add(index, self._decode_options(active, chunk), chunk)
                if full is not None:
                    yield from self._decoded(full)
                if index not in self._active:
                    return  # it failed while the batch was decoded
            yield index, active.progress()
        active.is_read = True
        if active.is_decoded:
            yield from self._finished(index, active)

    def _measured(self, active: ActiveRequest, audio: Iterable[Audio]) -> Iterator[Audio]:
        for block in audio:
            active.level_dbfs = max(active.level_dbfs, level_dbfs([block], SAMPLE_RATE))
            yield block

    def _decoded(self, batch: Batch) -> Items:
        results = self._model.recogniser.decode([chunk.samples for _, chunk in batch.chunks], batch.options)
        for (index, chunk), result in zip(batch.chunks, results, strict=True):
            yield from self._guarded(index, self._added(index, chunk, result, batch.options))

    def _added(self, index: int, chunk: VadChunk, result: DecodingResult, options: DecodeOptions) -> Items:
        active = self._active.get(index)
        if active is None:
            return  # it failed over an earlier chunk of this batch
        segments = self._segments(active.request, chunk, result, options.language)
        active.segments += segments
        active.waiting.popleft()
        yield from ((index, segment) for segment in segments)
        yield index, active.progress()
        if active.is_decoded:
            yield from self._finished(index, active)

    def _finished(self, index: int, active: ActiveRequest) -> Items:
        """Raises NothingRecognised where there is no word, and the recording is not quiet."""
        if not active.segments and active.level_dbfs > LOUD_DBFS:
            raise nothing_recognised(active)
        segments = tuple(active.segments)
        if active.request.diarize and segments:
            segments = self._speakers(active).labelled_segments(segments)
        language = ENGLISH if active.request.translate else active.language
        del self._active[index]
        yield (
            index,
            Transcript(
                text=joined(segment.text for segment in segments),
                language=tag(language) if language else UNDETERMINED,
                duration_s=active.read_s,
                segments=segments,
                words=tuple(word for segment in segments for word in segment.words),
            ),
        )

    def _begun(self, request: WhisperRequest) -> ActiveRequest:
        """Raises UnsupportedAudio, or InvalidRequest for what this model cannot do."""
        audio = self._recordings.enter_context(recording(request.audio_path))
        info = probe(audio)
        self._model.check(request, info.duration_s)
        return ActiveRequest(request, audio, info.duration_s, self._model.language(request.language))

    def _speech(self, request: WhisperRequest, samples: Audio) -> list[tuple[float, float]]:
        if len(samples) < LEAST_S * SAMPLE_RATE:
            return []
        vad = self._model.options.vad
        onset, offset = request.vad_onset or vad.onset, request.vad_offset or vad.offset
        return self._model.recogniser.detect_speech(samples, onset, offset, vad.chunk_s)

    def _decode_options(self, active: ActiveRequest, chunk: VadChunk) -> DecodeOptions:
        """How a recording's chunks are decoded; its language is detected in the first."""
        request = active.request
        if active.language is None:
            active.language = self._model.recogniser.detect_language(chunk.samples)
        return DecodeOptions(
            language=active.language,
            prompt=request.prompt,
            temperature=request.temperature or 0.0,
            translate=request.translate,
            batch_size=request.batch_size or self._model.batch_size,
            words=_wants_words(request) and active.language not in self._model.aligners.languages,
        )

    def _segments(
        self, request: WhisperRequest, chunk: VadChunk, result: DecodingResult, language: str
    ) -> tuple[Segment, ...]:
        if not result.text:
            return ()
        if not _wants_words(request):
            return (whole_chunk(chunk, result),)
        aligned = result.aligned
        if aligned is None:
            aligned = self._model.aligners.get(language).align_chunk(result.text, chunk.samples)
        return by_sentence(chunk, result, aligned)

    def _speakers(self, active: ActiveRequest) -> Speakers:
        diarizer = self._model.diarizer
        assert diarizer is not None  # as `check` has seen
        samples, _ = read(active.audio, SAMPLE_RATE)
        request = active.request
        return Speakers(diarizer.turns(samples, request.min_speakers, request.max_speakers))


def warm_up(model: LoadedModel) -> None:
    """A second of silence, decoded."""
    silence, vad = np.zeros(SAMPLE_RATE, np.float32), model.options.vad
    model.recogniser.detect_speech(silence, vad.onset, vad.offset, vad.chunk_s)
    model.recogniser.decode([silence], DecodeOptions(ENGLISH))


def _wants_words(request: WhisperRequest) -> bool:
    return request.words is not False and not request.translate


def nothing_recognised(active: ActiveRequest) -> NothingRecognised:
    """ctranslate2 answers so, and raises nothing, where it and a GPU's driver do not fit together."""
    loud = f"nothing was recognised in the recording, though it is loud ({active.level_dbfs:.0f} dBFS)"
    if not active.speech_s:
        return NothingRecognised(f"{loud}: nobody is heard to speak in it", param="audio_path")
    return NothingRecognised(
        f"{loud} and somebody speaks for {active.speech_s:.0f} s of it; where that is so with every "
        "recording, the model does not work on this device, and engine.device: cpu is to be tried"
    )


def whole_chunk(chunk: VadChunk, result: DecodingResult) -> Segment:
    """The chunk as one segment, without the times of its words."""
    start, end = round(chunk.start_s, 3), round(chunk.end_s, 3)
    return Segment(start=start, end=end, text=result.text, **_confidence(result))


def by_sentence(chunk: VadChunk, result: DecodingResult, aligned: Aligned) -> tuple[Segment, ...]:
    """A segment for each sentence of the chunk, with its words, in the recording's time."""
    words = [_moved(word, chunk.start_s) for word in aligned.words]
    sentences = timed_sentences(result.text, aligned.begins, words)
    return tuple(sentence.model_copy(update=_confidence(result)) for sentence in sentences)


def _moved(word: Word, by_s: float) -> Word:
    times = {"start": round(word.start + by_s, 3), "end": round(word.end + by_s, 3)}
    return word.model_copy(update=times)


def _confidence(result: DecodingResult) -> dict[str, Any]:
    return {
        "avg_logprob": round(result.avg_logprob, 4),
        "no_speech_prob": round(result.no_speech_prob, 4),
        "compression_ratio": round(result.compression_ratio, 4),
    }
