"""whisperx: Whisper with word times and speakers, from local folders, on a GPU or a CPU.

`import whisperx` anywhere in here is the package of that name, and not this module.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from servers.audio.files import blocks, probe
from servers.backends._whisperx import loading
from servers.backends._whisperx.aligner import BLOCK_S, Aligner
from servers.backends._whisperx.cutting import SAMPLE_RATE
from servers.backends._whisperx.device import Place, out_of_memory, place
from servers.backends._whisperx.ear import ENGLISH, Ear, Manner
from servers.backends._whisperx.folders import Folder
from servers.backends._whisperx.languages import tag
from servers.backends._whisperx.options import WhisperxOptions, WhisperxRecording
from servers.backends._whisperx.parts import Parts
from servers.backends._whisperx.speakers import Diarizer
from servers.backends._whisperx.transcription import LEAST_S, Transcription
from servers.backends.base import About, Backend, TranscriptItems, one_by_one
from servers.errors import InvalidRequest
from servers.speech import AlignRequest, ModelSpec, Progress, TranscribeRequest, Transcript
from servers.text.timing import timed_sentences

log = logging.getLogger(__name__)


class Whisperx(Backend):
    """Several recordings are heard at once: their stretches of speech share the batches."""

    requests = {"transcribe": WhisperxRecording, "align": AlignRequest}  # noqa: RUF012 - the contract says ClassVar
    options = WhisperxOptions
    max_batch = 8

    _parts: Parts
    _place: Place

    def load(self, model: ModelSpec, device: str) -> About:
        options = WhisperxOptions.model_validate(model.options)
        loading.import_libraries()
        self._place = place(device, options.compute_type)
        with out_of_memory(device):
            self._parts = self._loaded(model.name, options)
        fields = {"action": "compute_type", "device": device, "compute_type": self._place.compute_type}
        log.info("how the model computes", extra=fields)
        return About(languages=tuple(tag(code) for code in self._parts.ear.languages), device=device)

    def _loaded(self, name: str, options: WhisperxOptions) -> Parts:
        threads = loading.use_threads(options.cpu_threads)
        pipeline = loading.whisper(Folder(options.checkpoint, "checkpoint", name), self._place, threads)
        ear = Ear(pipeline, options.beam_size, options.max_new_tokens)
        aligners = loading.Aligners(
            _alignment_folders(ear, options, name), self._place.name, options.align_resident
        )
        return Parts(ear, aligners, self._diarizer(name, options), options)

    def _diarizer(self, name: str, options: WhisperxOptions) -> Diarizer | None:
        if options.diarization is None:
            return None
        folder = Folder(options.diarization, "diarization", name)
        folder.check_pipeline()
        return Diarizer(lambda: loading.diarization(folder, self._place.name))

    def warm_up(self, text: str) -> None:  # noqa: ARG002 - it hears a second of silence
        """A library that a GPU needs and that is missing shows here, and not in the first request."""
        silence = np.zeros(SAMPLE_RATE, np.float32)
        vad = self._parts.options.vad
        with out_of_memory(self._place.name):
            self._parts.ear.speech(silence, vad.onset, vad.offset, vad.chunk_s)
            self._parts.ear.hear([silence], Manner(ENGLISH, None, 0.0, False, 1))

    def transcribe(self, recordings: Sequence[TranscribeRequest]) -> TranscriptItems:
        wanted = [WhisperxRecording.model_validate(recording.model_dump()) for recording in recordings]
        with out_of_memory(self._place.name):
            yield from Transcription(self._parts).items(wanted)

    def align(self, readings: Sequence[AlignRequest]) -> TranscriptItems:
        with out_of_memory(self._place.name):
            yield from one_by_one(readings, self._aligned)

    def _aligned(self, reading: AlignRequest) -> Iterator[Progress | Transcript]:
        expected_s = _expected_s(reading)
        aligner = self._aligner(reading)
        audio = blocks(reading.audio_path, SAMPLE_RATE, BLOCK_S)
        for item in aligner.align(reading.text, audio, expected_s):
            if isinstance(item, float):
                yield Progress(min(1.0, item / expected_s))
            else:
                yield Transcript(
                    text=reading.text,
                    language=tag(aligner.language),
                    duration_s=item.duration_s,
                    segments=timed_sentences(reading.text, item.begins, item.words),
                    words=item.words,
                )

    def _aligner(self, reading: AlignRequest) -> Aligner:
        """Raises InvalidRequest where there is none for the language."""
        language = self._parts.language(reading.language)
        if language is None:
            first = next(blocks(reading.audio_path, SAMPLE_RATE, BLOCK_S))
            language = self._parts.ear.language_of(first)
        aligners = self._parts.aligners
        return aligners.get(self._parts.ear.code(language, aligners.languages, "alignment model"))


def _alignment_folders(ear: Ear, options: WhisperxOptions, name: str) -> dict[str, Folder]:
    """By Whisper's codes. Raises ModelLoadFailed for a folder that cannot be one."""
    folders = {}
    for language, path in options.align.items():
        folder = Folder(path, f"align.{language}", name)
        folder.check_alignment()
        folders[ear.code(language)] = folder
    return folders


def _expected_s(reading: AlignRequest) -> float:
    duration_s = probe(reading.audio_path).duration_s
    if duration_s < LEAST_S:
        raise InvalidRequest(f"the audio is too short to hold a word: {duration_s:.3f} s", param="text")
    return duration_s
