"""faster_whisper: Whisper with word times in all its languages, without torch, on a CPU or a GPU.

`import faster_whisper` anywhere in here is the package of that name, and not this module.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import cast

from servers.audio.files import recording
from servers.backends._faster_whisper import loading
from servers.backends._faster_whisper.front import SileroFront
from servers.backends._whisper.aligning import aligned_by_attention, spoken_language
from servers.backends._whisper.device import Device, find_device, out_of_memory
from servers.backends._whisper.folders import Folder
from servers.backends._whisper.languages import tag
from servers.backends._whisper.model import LoadedModel, NoAligners
from servers.backends._whisper.options import WhisperOptions, WhisperRequest
from servers.backends._whisper.recogniser import Recogniser
from servers.backends._whisper.transcription import Transcription, warm_up
from servers.backends.base import About, Backend, Options, TranscriptItems, one_by_one
from servers.checkpoints import locate
from servers.extras import require
from servers.speech import Alignment, AlignRequest, ModelSpec, Progress, TranscribeRequest

log = logging.getLogger(__name__)


class FasterWhisper(Backend):
    """Several recordings are transcribed at once: their VAD chunks share the batches."""

    requests = {"transcribe": WhisperRequest, "align": AlignRequest}  # noqa: RUF012 - the contract says ClassVar
    honours = frozenset({"language", "prompt", "temperature"})
    options = WhisperOptions
    max_batch = 8

    _model: LoadedModel
    _device: Device

    @classmethod
    def check(cls, options: Options) -> None:
        require(loading.EXTRA, "faster_whisper")
        locate(WhisperOptions.model_validate(options).checkpoint)

    def load(self, model: ModelSpec, device: str) -> About:
        options = WhisperOptions.model_validate(model.options)
        self.check(options)
        loading.import_library()
        self._device = find_device(device, options.compute_type)
        with out_of_memory(device):
            self._model = self._loaded(model.name, options)
        fields = {"action": "compute_type", "device": device, "compute_type": self._device.compute_type}
        log.info("how the model computes", extra=fields)
        return About(languages=tuple(tag(code) for code in self._model.recogniser.languages), device=device)

    def _loaded(self, name: str, options: WhisperOptions) -> LoadedModel:
        folder = Folder(options.checkpoint, "checkpoint", name)
        front = SileroFront(loading.whisper(folder, self._device, options.cpu_threads))
        recogniser = Recogniser(front, options.beam_size, options.max_new_tokens)
        at_once = options.chunks_at_once(self._device.kind)
        return LoadedModel(recogniser, NoAligners(), None, options, at_once)

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
        with recording(request.audio_path) as audio:
            language = spoken_language(self._model, request.language, audio)
            yield from aligned_by_attention(self._model, request.text, language, audio)
