"""whisperx: Whisper with word times and speakers, from local folders, on a GPU or a CPU.

`import whisperx` anywhere in here is the package of that name, and not this module.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import cast

from servers.audio.files import blocks, recording
from servers.backends._whisper.aligning import aligned_by_attention, alignment_of, expected_s, spoken_language
from servers.backends._whisper.chunks import SAMPLE_RATE
from servers.backends._whisper.device import Device, find_device, out_of_memory
from servers.backends._whisper.folders import Folder
from servers.backends._whisper.languages import tag
from servers.backends._whisper.model import LoadedModel
from servers.backends._whisper.options import WhisperRequest
from servers.backends._whisper.recogniser import Recogniser
from servers.backends._whisper.speakers import Diarizer
from servers.backends._whisper.transcription import Transcription, warm_up
from servers.backends._whisperx import loading
from servers.backends._whisperx.aligner import BLOCK_S
from servers.backends._whisperx.front import PipelineFront
from servers.backends._whisperx.options import WhisperxOptions
from servers.backends.base import About, Backend, Options, TranscriptItems, one_by_one
from servers.checkpoints import locate
from servers.extras import require
from servers.speech import Alignment, AlignRequest, ModelSpec, Progress, TranscribeRequest

log = logging.getLogger(__name__)


class Whisperx(Backend):
    """Several recordings are transcribed at once: their VAD chunks share the batches."""

    requests = {"transcribe": WhisperRequest, "align": AlignRequest}  # noqa: RUF012 - the contract says ClassVar
    honours = frozenset({"language", "prompt", "temperature"})
    options = WhisperxOptions
    max_batch = 8

    _model: LoadedModel
    _aligners: loading.Aligners
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
        self._device = find_device(device, options.compute_type, loading.gpus())
        with out_of_memory(device):
            self._model = self._loaded(model.name, options)
        fields = {"action": "compute_type", "device": device, "compute_type": self._device.compute_type}
        log.info("how the model computes", extra=fields)
        return About(languages=tuple(tag(code) for code in self._model.recogniser.languages), device=device)

    def _loaded(self, name: str, options: WhisperxOptions) -> LoadedModel:
        threads = loading.use_threads(options.cpu_threads)
        pipeline = loading.whisper(Folder(options.checkpoint, "checkpoint", name), self._device, threads)
        recogniser = Recogniser(PipelineFront(pipeline), options.beam_size, options.max_new_tokens)
        folders = _alignment_folders(recogniser, options, name)
        self._aligners = loading.Aligners(folders, self._device.name, options.align_resident)
        diarizer, at_once = self._diarizer(name, options), options.chunks_at_once(self._device.kind)
        return LoadedModel(recogniser, self._aligners, diarizer, options, at_once)

    def _diarizer(self, name: str, options: WhisperxOptions) -> Diarizer | None:
        if options.diarization is None:
            return None
        folder = Folder(options.diarization, "diarization", name)
        folder.check_pipeline()
        return Diarizer(lambda: loading.diarization(folder, self._device.name))

    def warm_up(self, text: str) -> None:  # noqa: ARG002 - it decodes a second of silence
        """A library that a GPU needs and that is missing shows here, and not in the first request."""
        with out_of_memory(self._device.name):
            warm_up(self._model)

    def transcribe(self, requests: Sequence[TranscribeRequest]) -> TranscriptItems:
        own = cast("Sequence[WhisperRequest]", requests)  # what `requests` above has parse_payload make
        with out_of_memory(self._device.name):
            yield from Transcription(self._model).items(own)

    def align(self, requests: Sequence[AlignRequest]) -> TranscriptItems:
        with out_of_memory(self._device.name):
            yield from one_by_one(requests, self._aligned)

    def _aligned(self, request: AlignRequest) -> Iterator[Progress | Alignment]:
        """By the alignment model of the language, where there is one, and else by Whisper's own attention."""
        with recording(request.audio_path) as audio:
            seconds, language = expected_s(audio), spoken_language(self._model, request.language, audio)
            if language not in self._aligners.languages:
                yield from aligned_by_attention(self._model, request.text, language, audio)
                return
            aligner = self._aligners.get(language)
            for item in aligner.align(request.text, blocks(audio, SAMPLE_RATE, BLOCK_S), seconds):
                if isinstance(item, float):
                    yield Progress(min(1.0, item / seconds))
                else:
                    yield alignment_of(request.text, language, item)


def _alignment_folders(recogniser: Recogniser, options: WhisperxOptions, name: str) -> dict[str, Folder]:
    """By Whisper's codes. Raises ModelLoadFailed for a folder that cannot be one."""
    folders = {}
    for language, path in options.align.items():
        folder = Folder(path, f"align.{language}", name)
        folder.check_alignment()
        folders[recogniser.code(language)] = folder
    return folders
