"""Recordings to transcripts: cut, heard in batches that they share, aligned, and told who speaks."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from servers.audio.files import blocks, probe, read
from servers.backends._whisperx.cutting import SAMPLE_RATE, Audio, Piece, looks
from servers.backends._whisperx.ear import ENGLISH, Heard, Manner
from servers.backends._whisperx.languages import UNDETERMINED, UNSPACED, tag
from servers.backends._whisperx.options import WhisperxRecording
from servers.backends._whisperx.parts import Parts, check, check_alignment
from servers.backends._whisperx.pool import Batch, Pool
from servers.backends._whisperx.segments import by_sentence, whole
from servers.backends._whisperx.speakers import Speakers
from servers.backends.base import TranscriptItems as Items
from servers.errors import SkylarkError
from servers.speech import Progress, Segment, Transcript

LOOK_S = 120.0
"""So much of a recording is looked at once: a longer one is cut, and heard, bit by bit."""
LEAST_S = 0.1
"""Less audio than this holds no word."""
HEARING = 0.9
"""The share of the work that hearing is, where speakers are told apart afterwards."""


@dataclass
class Hearing:
    """A recording that is being transcribed: what is known of it so far."""

    recording: WhisperxRecording
    expected_s: float
    language: str | None
    """Whisper's code; None until it is heard."""
    waiting: deque[Piece] = field(default_factory=deque)
    looked_s: float = 0.0
    segments: list[Segment] = field(default_factory=list)
    is_read: bool = False

    def progress(self) -> Progress:
        done_s = self.waiting[0].start_s if self.waiting else self.looked_s
        share = HEARING if self.recording.diarize else 1.0
        return Progress(min(1.0, done_s / self.expected_s) * share)

    @property
    def is_heard(self) -> bool:
        return self.is_read and not self.waiting


class Transcription:
    """One batch of recordings. An error in one of them leaves the others."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._pool = parts, Pool()
        self._hearings: dict[int, Hearing] = {}

    def items(self, recordings: Sequence[WhisperxRecording]) -> Items:
        for index, recording in enumerate(recordings):
            yield from self._guarded(index, self._listened(index, recording))
        for batch in self._pool.rest():
            yield from self._heard(batch)

    def _guarded(self, index: int, items: Items) -> Items:
        try:
            yield from items
        except SkylarkError as error:
            self._pool.drop(index)
            self._hearings.pop(index, None)
            yield index, error

    def _listened(self, index: int, recording: WhisperxRecording) -> Items:
        """Reads a recording to its end; what fills a batch on the way is heard."""
        hearing = self._hearings[index] = self._begun(recording)
        audio = blocks(recording.audio_path, SAMPLE_RATE, LOOK_S)
        for look in looks(audio, lambda samples: self._speech(recording, samples)):
            hearing.looked_s = look.end_s
            for piece in look.pieces:
                hearing.waiting.append(piece)
                full = self._pool.add(index, self._manner(hearing, piece), piece)
                if full is not None:
                    yield from self._heard(full)
                if index not in self._hearings:
                    return  # it failed while the batch was heard
            yield index, hearing.progress()
        hearing.is_read = True
        if hearing.is_heard:
            yield from self._finished(index, hearing)

    def _heard(self, batch: Batch) -> Items:
        found = self._parts.ear.hear([piece.samples for _, piece in batch.pieces], batch.manner)
        for (index, piece), heard in zip(batch.pieces, found, strict=True):
            yield from self._guarded(index, self._taken(index, piece, heard, batch.manner))

    def _taken(self, index: int, piece: Piece, heard: Heard, manner: Manner) -> Items:
        hearing = self._hearings.get(index)
        if hearing is None:
            return  # it failed over an earlier piece of this batch
        hearing.segments += self._segments(hearing, piece, heard, manner)
        hearing.waiting.popleft()
        yield index, hearing.progress()
        if hearing.is_heard:
            yield from self._finished(index, hearing)

    def _finished(self, index: int, hearing: Hearing) -> Items:
        segments = tuple(hearing.segments)
        if hearing.recording.diarize and segments:
            segments = self._speakers(hearing.recording).told_all(segments)
        language = ENGLISH if hearing.recording.translate else hearing.language
        del self._hearings[index]
        yield (
            index,
            Transcript(
                text=("" if language in UNSPACED else " ").join(segment.text for segment in segments),
                language=tag(language) if language else UNDETERMINED,
                duration_s=hearing.looked_s,
                segments=segments,
                words=tuple(word for segment in segments for word in segment.words),
            ),
        )

    def _begun(self, recording: WhisperxRecording) -> Hearing:
        """Raises UnsupportedAudio, or InvalidRequest for what this model cannot do."""
        info = probe(recording.audio_path)
        check(recording, self._parts, info.duration_s)
        language = self._parts.language(recording.language)
        if language is not None:
            check_alignment(recording, self._parts, language)
        return Hearing(recording, info.duration_s, language)

    def _speech(self, recording: WhisperxRecording, samples: Audio) -> list[tuple[float, float]]:
        if len(samples) < LEAST_S * SAMPLE_RATE:
            return []
        vad = self._parts.options.vad
        onset, offset = recording.vad_onset or vad.onset, recording.vad_offset or vad.offset
        return self._parts.ear.speech(samples, onset, offset, vad.chunk_s)

    def _manner(self, hearing: Hearing, piece: Piece) -> Manner:
        """How its pieces are heard; in which language is heard in the first."""
        recording = hearing.recording
        if hearing.language is None:
            hearing.language = self._parts.ear.language_of(piece.samples)
            check_alignment(recording, self._parts, hearing.language)
        return Manner(
            language=hearing.language,
            prompt=recording.prompt,
            temperature=recording.temperature or 0.0,
            translate=recording.translate,
            batch_size=recording.batch_size or self._parts.options.batch_size,
        )

    def _segments(self, hearing: Hearing, piece: Piece, heard: Heard, manner: Manner) -> tuple[Segment, ...]:
        if not heard.text:
            return ()
        if not self._wants_words(hearing.recording, manner.language):
            return (whole(piece, heard),)
        return by_sentence(piece, heard, self._parts.aligners.get(manner.language))

    def _wants_words(self, recording: WhisperxRecording, language: str) -> bool:
        if recording.translate or recording.words is False:
            return False
        return recording.words is True or language in self._parts.aligners.languages

    def _speakers(self, recording: WhisperxRecording) -> Speakers:
        diarizer = self._parts.diarizer
        assert diarizer is not None  # as `check` has seen
        samples, _ = read(recording.audio_path, SAMPLE_RATE)
        return Speakers(diarizer.turns(samples, recording.min_speakers, recording.max_speakers))
