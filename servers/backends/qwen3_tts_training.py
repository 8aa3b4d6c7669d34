"""Fine-tuning of Qwen3-TTS: a voice of one's own, from a Base checkpoint and recordings of one speaker.

Its task is preemptible: it waits for others between any two batches, and goes on after a crash from what it
saved. What it makes is a custom_voice checkpoint with one speaker, in data_dir/finetunes/<job id>, which the
backend qwen3_tts and upstream's package load as they load any other.

Weights are trained in float32, for steps of the usual size are lost in bfloat16's eight bits; on a GPU that
has bfloat16 matrices are multiplied in it. All weights of the talker are trained but its text embedding; the
speaker's embedding is that of the reference, and stays as it is.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servers.backends._qwen3_tts.folder import Checkpoint
from servers.backends._qwen3_tts.request import QwenOptions
from servers.backends._qwen3_tts.speakers import Languages
from servers.backends._qwen3_tts_training.request import Trained, TrainingOptions, TrainRequest
from servers.backends.base import About, Backend, Options, Saved, Steps, one_by_one
from servers.backends.qwen3_tts import imported
from servers.checkpoints import locate
from servers.datasets.prepared import Prepared, prepared_folder
from servers.errors import ModelLoadFailed, SkylarkError, StorageFailed
from servers.extras import require
from servers.settings import settings
from servers.speech import ModelSpec, Progress
from servers.trained_voices import finetunes_folder

if TYPE_CHECKING:
    from servers.backends._qwen3_tts_training.training import Account, Training

FLOATS = 3
"""Of four bytes, for each weight of a save: the weight, and AdamW's two means."""
log = logging.getLogger(__name__)

TrainingItems = Iterator[tuple[int, Progress | Saved | Trained | SkylarkError]]


class Qwen3TtsTraining(Backend):
    """Trains one voice at a time."""

    requests = {"train": TrainRequest}  # noqa: RUF012 - the contract says ClassVar
    options = TrainingOptions
    preemptible = frozenset({"train"})

    _options: TrainingOptions
    _base: Checkpoint
    _package: Any
    _device: str

    @classmethod
    def check(cls, options: Options) -> None:
        require("qwen", "qwen_tts")
        locate(TrainingOptions.model_validate(options).checkpoint)

    def load(self, model: ModelSpec, device: str) -> About:
        self._options = options = TrainingOptions.model_validate(model.options)
        self.check(options)
        package = imported()
        from servers.backends._qwen3_tts import checkpoint as checkpoints

        self._base, self._device = Checkpoint.at(options.checkpoint, model.name), device
        if not self._base.clones:
            message = f"{model.name}: {self._base.folder} is a {self._base.variant} checkpoint"
            raise ModelLoadFailed(f"{message}; a voice is trained from a base one")
        exact = QwenOptions(checkpoint=options.checkpoint, dtype="float32", attention=options.attention)
        self._package = checkpoints.load(package, self._base, exact, device)
        return About(languages=Languages(self._base.languages).tags, device=device)

    def train(self, requests: Sequence[TrainRequest], steps: Steps) -> TrainingItems:
        yield from one_by_one(requests, lambda request: self._one(request, steps))

    def _one(self, request: TrainRequest, steps: Steps) -> Iterator[Progress | Saved | Trained]:
        """The weights are the base's again before anything is trained: the last voice is still in them."""
        from servers.backends._qwen3_tts_training.training import last_account
        from servers.backends._qwen3_tts_training.voice import load_weights

        assert request.resume_from is not None
        prepared = Prepared.read(prepared_folder(settings().data_dir, request.dataset))
        results = finetunes_folder(settings().data_dir, request.job_id)
        load_weights(self._package.model, self._base.folder)
        account = last_account(request.resume_from)
        if account is None:
            self._check_room(request)
            account = self._started(request)
        yield from self._training(request, account, prepared, results).run(steps)

    def _started(self, request: TrainRequest) -> Account:
        """The first account of a training, and the weights that it starts from."""
        from servers.backends._qwen3_tts_training.training import Account
        from servers.backends._qwen3_tts_training.voice import epoch_folders, load_weights

        former = request.resume_job_id
        if former is None:
            return Account()
        folders = epoch_folders(finetunes_folder(settings().data_dir, former))
        if not folders:
            message = f"there is no checkpoint of the job {former} any more: trained from the base"
            log.warning(message, extra={"action": "train_from_base", "job": request.job_id})
            return Account(warnings=(message,))
        load_weights(self._package.model, folders[-1])
        return Account(started_from=former)

    def _training(
        self, request: TrainRequest, account: Account, prepared: Prepared, results: Path
    ) -> Training:
        import torch

        from servers.backends._qwen3_tts.checkpoint import chosen_dtype
        from servers.backends._qwen3_tts.prompts import PromptBuilder, VoicePrompt
        from servers.backends._qwen3_tts_training.clips import Codes, speaker_of
        from servers.backends._qwen3_tts_training.objective import Objective
        from servers.backends._qwen3_tts_training.optimizer import Optimizer, trainable
        from servers.backends._qwen3_tts_training.training import CODES, Training
        from servers.backends._qwen3_tts_training.voice import VoiceWriter

        assert request.resume_from is not None
        model = self._package.model
        language = Languages(self._base.languages).named(request.language)
        speaker = speaker_of(self._package, prepared)
        weights = trainable(model)
        if self._options.gradient_checkpointing:
            model.talker.gradient_checkpointing_enable({"use_reentrant": False})
        model.talker.train()
        dtype = chosen_dtype("auto", torch.device(self._device))
        return Training(
            request=request,
            account=account,
            objective=Objective(
                model,
                PromptBuilder(model, self._package.processor.tokenizer),
                VoicePrompt(speaker=speaker),
                language,
            ),
            optimizer=Optimizer(weights, request.lr, request.warmup_steps),
            voice=VoiceWriter(self._base, model, request.speaker_name, speaker),
            codes=Codes(self._package, prepared, request.resume_from / CODES),
            folder=request.resume_from,
            results=results,
            save_every_steps=self._options.save_every_steps,
            autocast=dtype if dtype is torch.bfloat16 else None,
            device=self._device,
            seconds=[clip.seconds for clip in prepared.clips],
        )

    def _check_room(self, request: TrainRequest) -> None:
        """Raises StorageFailed at once, rather than after the first epoch."""
        assert request.resume_from is not None
        weights = sum(each.numel() for each in self._package.model.talker.parameters())
        voice = sum(file.stat().st_size for file in self._base.folder.rglob("*") if file.is_file())
        needed = 2 * FLOATS * 4 * weights + (request.keep_checkpoints + 1) * voice
        free = shutil.disk_usage(request.resume_from).free
        if free < needed:
            raise StorageFailed(
                f"a training of this model needs {needed / 1e9:.1f} GB of the disk, and {free / 1e9:.1f} GB"
                " are free; make room on it"
            )
