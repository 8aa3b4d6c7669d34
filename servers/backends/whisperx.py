"""whisperx: Whisper with word times and speakers, from local folders, on a GPU or a CPU.

`import whisperx` anywhere in here is the package of that name, and not this module.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import BinaryIO, cast

import numpy as np

from servers.audio.files import blocks, probe, recording
from servers.backends._whisperx import loading
from servers.backends._whisperx.aligner import BLOCK_S, Aligned, Aligner
from servers.backends._whisperx.chunks import SAMPLE_RATE
from servers.backends._whisperx.device import Device, find_device, out_of_memory
from servers.backends._whisperx.languages import tag
from servers.backends._whisperx.loading import Folder, LoadedModel
from servers.backends._whisperx.options import DecodeOptions, WhisperxOptions, WhisperxRequest
from servers.backends._whisperx.recogniser import ENGLISH, Recogniser
from servers.backends._whisperx.speakers import Diarizer
from servers.backends._whisperx.transcription import LEAST_S, Transcription
from servers.backends.base import About, Backend, Options, TranscriptItems, one_by_one
from servers.checkpoints import locate
from servers.errors import InvalidRequest
from servers.extras import require
from servers.speech import Alignment, AlignRequest, ModelSpec, Progress, TranscribeRequest
from servers.text.alignment import alignment

log = logging.getLogger(__name__)


class Whisperx(Backend):
    """Several recordings are transcribed at once: their VAD chunks share the batches."""

    requests = {"transcribe": WhisperxRequest, "align": AlignRequest}  # noqa: RUF012 - the contract says ClassVar
    honours = frozenset({"language", "prompt", "temperature"})
    options = WhisperxOptions
    max_batch = 8

    _model: LoadedModel
    _device: Device

    @classmethod
    def check(cls, options: Options) -> None:
        require("whisperx", "whisperx")
        own = WhisperxOptions.model_validate(options)
        for folder in (own.checkpoint, *own.align.values(), own.diarization):
            if folder is not None:
                locate(folder)

    def load(self, model: ModelSpec, device: str) -> About:
        options = WhisperxOptions.model_validate(model.options)
        self.check(options)
        loading.import_libraries()
        self._device = find_device(device, options.compute_type)
        with out_of_memory(device):
            self._model = self._loaded(model.name, options)
        fields = {"action": "compute_type", "device": device, "compute_type": self._device.compute_type}
        log.info("how the model computes", extra=fields)
        return About(languages=tuple(tag(code) for code in self._model.recogniser.languages), device=device)

    def _loaded(self, name: str, options: WhisperxOptions) -> LoadedModel:
        threads = loading.use_threads(options.cpu_threads)
        pipeline = loading.whisper(Folder(options.checkpoint, "checkpoint", name), self._device, threads)
        recogniser = Recogniser(pipeline, options.beam_size, options.max_new_tokens)
        folders = _alignment_folders(recogniser, options, name)
        aligners = loading.Aligners(folders, self._device.name, options.align_resident)
        return LoadedModel(recogniser, aligners, self._diarizer(name, options), options)

    def _diarizer(self, name: str, options: WhisperxOptions) -> Diarizer | None:
        if options.diarization is None:
            return None
        folder = Folder(options.diarization, "diarization", name)
        folder.check_pipeline()
        return Diarizer(lambda: loading.diarization(folder, self._device.name))

    def warm_up(self, text: str) -> None:  # noqa: ARG002 - it decodes a second of silence
        """A library that a GPU needs and that is missing shows here, and not in the first request."""
        silence = np.zeros(SAMPLE_RATE, np.float32)
        vad, recogniser = self._model.options.vad, self._model.recogniser
        with out_of_memory(self._device.name):
            recogniser.detect_speech(silence, vad.onset, vad.offset, vad.chunk_s)
            recogniser.decode([silence], DecodeOptions(ENGLISH))

    def transcribe(self, requests: Sequence[TranscribeRequest]) -> TranscriptItems:
        own = cast("Sequence[WhisperxRequest]", requests)  # what `requests` above has parse_payload make
        with out_of_memory(self._device.name):
            yield from Transcription(self._model).items(own)

    def align(self, requests: Sequence[AlignRequest]) -> TranscriptItems:
        with out_of_memory(self._device.name):
            yield from one_by_one(requests, self._aligned)

    def _aligned(self, request: AlignRequest) -> Iterator[Progress | Alignment]:
        with recording(request.audio_path) as audio:
            expected_s = _expected_s(audio)
            aligner = self._aligner(request, audio)
            for item in aligner.align(request.text, blocks(audio, SAMPLE_RATE, BLOCK_S), expected_s):
                if isinstance(item, float):
                    yield Progress(min(1.0, item / expected_s))
                else:
                    yield _alignment(request.text, aligner.language, item)

    def _aligner(self, request: AlignRequest, audio: BinaryIO) -> Aligner:
        """Raises InvalidRequest where there is none for the language."""
        language = self._model.language(request.language)
        if language is None:
            with closing(blocks(audio, SAMPLE_RATE, BLOCK_S)) as beginning:
                language = self._model.recogniser.detect_language(next(beginning))
        return self._model.aligners.get(self._model.alignment_language(language))


def _alignment(text: str, language: str, aligned: Aligned) -> Alignment:
    return alignment(text, tag(language), aligned.duration_s, aligned.words, aligned.begins)


def _alignment_folders(recogniser: Recogniser, options: WhisperxOptions, name: str) -> dict[str, Folder]:
    """By Whisper's codes. Raises ModelLoadFailed for a folder that cannot be one."""
    folders = {}
    for language, path in options.align.items():
        folder = Folder(path, f"align.{language}", name)
        folder.check_alignment()
        folders[recogniser.code(language)] = folder
    return folders


def _expected_s(audio: BinaryIO) -> float:
    duration_s = probe(audio).duration_s
    if duration_s < LEAST_S:
        raise InvalidRequest(f"the audio is too short to hold a word: {duration_s:.3f} s", param="text")
    return duration_s
