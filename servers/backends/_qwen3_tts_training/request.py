"""What a training is asked for, what it says, and what models.yaml may say about one. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from servers.backends.base import Options, Resumable
from servers.datasets.speaker import check_speaker
from servers.speech import Noun

FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
"""One folder, and no way out of the one that it is in."""


class TrainRequest(Resumable):
    """A voice that is made of a base checkpoint and recordings of one speaker."""

    task: Literal["train"] = "train"
    dataset: FolderName
    """A prepared data set: the name of its folder in data_dir/datasets. See servers/datasets/prepared.py."""
    speaker_name: str = "speaker_custom"
    """What clients will ask for as `voice`; in lower case, as checkpoints have it."""
    language: str | None = None
    """The one that is spoken in all clips, as a tag ("en"); None leaves it to the text, as upstream does."""
    resume_job_id: FolderName | None = None
    """Go on from the checkpoint of an earlier training; from the base where that is not there any more."""

    num_epochs: int = Field(default=15, ge=1, le=1_000)
    batch_size: int = Field(default=2, ge=1, le=256)
    """Clips that are computed together."""
    gradient_accumulation: int = Field(default=4, ge=1, le=256)
    """So many batches make one step: its gradients are those of all of them together."""
    lr: float = Field(default=1e-6, gt=0, le=1, allow_inf_nan=False)
    warmup_steps: int = Field(default=50, ge=0, le=1_000_000)
    """`lr` is reached after so many steps, in equal parts."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Decides in which order the clips come, and which are held out."""
    held_out: float = Field(default=0.05, ge=0, le=0.5)
    """The share of clips that are not trained with and say after each epoch how well it does on others; of
    fewer than 1 / held_out clips none."""
    keep_checkpoints: int = Field(default=1, ge=1, le=1_000)
    """Those of the last so many epochs stay."""

    @field_validator("speaker_name")
    @classmethod
    def _usable(cls, name: str) -> str:
        return check_speaker(name, "payload.speaker_name")

    @property
    def job_id(self) -> str:
        """The folder that the engine gives a job is called by it."""
        assert self.resume_from is not None
        return self.resume_from.name


class TrainingOptions(Options):
    """What models.yaml may say about a model that is trained."""

    checkpoint: Path
    """A Base checkpoint: its folder, absolute or in the models folder."""
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    gradient_checkpointing: bool = True
    """Compute states twice rather than remember them: a third slower, and much less memory."""
    save_every_steps: int = Field(default=200, ge=1)
    """What was done since is done again after a crash. A save is three times the weights in float32."""


class Epoch(Noun):
    """Means of cross-entropies in nats for each code, the predictor's weighed as in training."""

    epoch: int
    """From 1."""
    loss: float
    held_out_loss: float | None = None


class Trained(Noun):
    """What a training has come to."""

    checkpoint: Path
    """The folder of the last epoch's, a custom_voice checkpoint."""
    checkpoints: tuple[Path, ...]
    """Those that are kept, the oldest first."""
    speaker_name: str
    epochs: tuple[Epoch, ...]
    global_step: int
    clips: int
    held_out_clips: int
    seconds: float
    """Of the clips that were trained with."""
    started_from: str
    """"base", or the job whose checkpoint it went on from."""
    warnings: tuple[str, ...] = ()
