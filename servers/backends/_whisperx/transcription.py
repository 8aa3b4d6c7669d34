"""Recordings to transcripts: cut into VAD chunks, decoded in batches that they share, aligned, diarized."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from servers.audio.files import blocks, probe, read, recording
from servers.backends._whisperx.aligner import Aligner
from servers.backends._whisperx.chunks import SAMPLE_RATE, Audio, Batch, Batcher, VadChunk, vad_chunks
from servers.backends._whisperx.languages import UNDETERMINED, UNSPACED, tag
from servers.backends._whisperx.loading import LoadedModel
from servers.backends._whisperx.options import DecodeOptions, WhisperxRequest
from servers.backends._whisperx.recogniser import ENGLISH, DecodingResult
from servers.backends._whisperx.speakers import Speakers
from servers.backends.base import TranscriptItems as Items
from servers.errors import SkylarkError
from servers.speech import Progress, Segment, Transcript, Word
from servers.text.timing import timed_sentences

VAD_BLOCK_S = 120.0
"""Speech is detected in so much of a recording at once: a longer one is cut, and decoded, block by block."""
LEAST_S = 0.1
"""Less audio than this holds no word."""
DECODING_SHARE = 0.9
"""The share of the work that decoding is, where speakers are told apart afterwards."""


@dataclass
class ActiveRequest:
    """A recording that is being transcribed: what is known of it so far."""

    request: WhisperxRequest
    audio: BinaryIO
    """The recording, open as long as the batch lasts."""
    expected_s: float
    language: str | None
    """Whisper's code; None until it is detected."""
    waiting: deque[VadChunk] = field(default_factory=deque)
    read_s: float = 0.0
    segments: list[Segment] = field(default_factory=list)
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

    def items(self, requests: Sequence[WhisperxRequest]) -> Items:
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

    def _read(self, index: int, request: WhisperxRequest) -> Items:
        """Reads a recording to its end; what fills a batch on the way is decoded."""
        active = self._active[index] = self._begun(request)
        audio = blocks(active.audio, SAMPLE_RATE, VAD_BLOCK_S)
        for closed in vad_chunks(audio, lambda samples: self._speech(request, samples)):
            active.read_s = closed.end_s
            for chunk in closed.chunks:
                active.waiting.append(chunk)
                full = self._batcher.add(index, self._decode_options(active, chunk), chunk)
                if full is not None:
                    yield from self._decoded(full)
                if index not in self._active:
                    return  # it failed while the batch was decoded
            yield index, active.progress()
        active.is_read = True
        if active.is_decoded:
            yield from self._finished(index, active)

    def _decoded(self, batch: Batch) -> Items:
        results = self._model.recogniser.decode([chunk.samples for _, chunk in batch.chunks], batch.options)
        for (index, chunk), result in zip(batch.chunks, results, strict=True):
            yield from self._guarded(index, self._added(index, chunk, result, batch.options))

    def _added(self, index: int, chunk: VadChunk, result: DecodingResult, options: DecodeOptions) -> Items:
        active = self._active.get(index)
        if active is None:
            return  # it failed over an earlier chunk of this batch
        active.segments += self._segments(active.request, chunk, result, options.language)
        active.waiting.popleft()
        yield index, active.progress()
        if active.is_decoded:
            yield from self._finished(index, active)

    def _finished(self, index: int, active: ActiveRequest) -> Items:
        segments = tuple(active.segments)
        if active.request.diarize and segments:
            segments = self._speakers(active).labelled_segments(segments)
        language = ENGLISH if active.request.translate else active.language
        del self._active[index]
        yield (
            index,
            Transcript(
                text=("" if language in UNSPACED else " ").join(segment.text for segment in segments),
                language=tag(language) if language else UNDETERMINED,
                duration_s=active.read_s,
                segments=segments,
                words=tuple(word for segment in segments for word in segment.words),
            ),
        )

    def _begun(self, request: WhisperxRequest) -> ActiveRequest:
        """Raises UnsupportedAudio, or InvalidRequest for what this model cannot do."""
        audio = self._recordings.enter_context(recording(request.audio_path))
        info = probe(audio)
        self._model.check(request, info.duration_s)
        language = self._model.language(request.language)
        if language is not None:
            self._model.check_alignment(request, language)
        return ActiveRequest(request, audio, info.duration_s, language)

    def _speech(self, request: WhisperxRequest, samples: Audio) -> list[tuple[float, float]]:
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
            self._model.check_alignment(request, active.language)
        return DecodeOptions(
            language=active.language,
            prompt=request.prompt,
            temperature=request.temperature or 0.0,
            translate=request.translate,
            batch_size=request.batch_size or self._model.options.batch_size,
        )

    def _segments(
        self, request: WhisperxRequest, chunk: VadChunk, result: DecodingResult, language: str
    ) -> tuple[Segment, ...]:
        if not result.text:
            return ()
        if not self._wants_words(request, language):
            return (whole_chunk(chunk, result),)
        return by_sentence(chunk, result, self._model.aligners.get(language))

    def _wants_words(self, request: WhisperxRequest, language: str) -> bool:
        if request.translate or request.words is False:
            return False
        return request.words is True or language in self._model.aligners.languages

    def _speakers(self, active: ActiveRequest) -> Speakers:
        diarizer = self._model.diarizer
        assert diarizer is not None  # as `check` has seen
        samples, _ = read(active.audio, SAMPLE_RATE)
        request = active.request
        return Speakers(diarizer.turns(samples, request.min_speakers, request.max_speakers))


def whole_chunk(chunk: VadChunk, result: DecodingResult) -> Segment:
    """The chunk as one segment, without the times of its words."""
    start, end = round(chunk.start_s, 3), round(chunk.end_s, 3)
    return Segment(start=start, end=end, text=result.text, **_confidence(result))


def by_sentence(chunk: VadChunk, result: DecodingResult, aligner: Aligner) -> tuple[Segment, ...]:
    """A segment for each sentence of the chunk, with its words, in the recording's time."""
    aligned = aligner.align_chunk(result.text, chunk.samples)
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
