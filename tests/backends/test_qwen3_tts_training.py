"""Voices that are trained from a tiny base checkpoint: left, killed, gone on with, and spoken with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from servers.backends.base import Saved
from servers.backends.qwen3_tts_training import Qwen3TtsTraining, TrainRequest
from servers.errors import (
    BackendFailed,
    InvalidDataset,
    InvalidRequest,
    ModelLoadFailed,
    SkylarkError,
    StorageFailed,
)
from servers.settings import settings
from servers.speech import Chunk, ModelSpec, Progress
from tests.acceptance.small_disk import Missing, small_disk
from tests.backends.conftest import LoadQwen
from tests.backends.tiny_dataset import write_dataset

LR = 1e-3
SAVE_EVERY_STEPS = 2

Train = Callable[..., list[Any]]


class Asked:
    """Goes on so many times; then it is to leave."""

    def __init__(self, times: int | None = None) -> None:
        self.times, self.asked = times, 0

    def go_on(self) -> bool:
        self.asked += 1
        return self.times is None or self.asked <= self.times


@pytest.fixture(scope="module")
def trainer(qwen_checkpoints: dict[str, Path]) -> Qwen3TtsTraining:
    trainer = Qwen3TtsTraining()
    options = {"checkpoint": qwen_checkpoints["base"], "save_every_steps": SAVE_EVERY_STEPS}
    trainer.load(ModelSpec(backend="qwen3_tts_training", name="tiny", options=options), "cpu")
    return trainer


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    yield from data_dir_at(tmp_path, monkeypatch)


def data_dir_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SKYLARK_DATA_DIR", str(folder))
    settings.cache_clear()
    write_dataset(folder / "datasets" / "tones")
    yield folder
    settings.cache_clear()


def request(data_dir: Path, job: str = "job-1", **fields: Any) -> TrainRequest:
    """Two epochs of two steps, the first one of two batches."""
    save = data_dir / "saves" / job
    save.mkdir(parents=True, exist_ok=True)
    usual = {"dataset": "tones", "speaker_name": "Hero", "lr": LR, "warmup_steps": 2, "num_epochs": 2}
    usual |= {"batch_size": 1, "gradient_accumulation": 2, "keep_checkpoints": 2}
    return TrainRequest(resume_from=save, **usual | fields)


def train(trainer: Qwen3TtsTraining, asked: TrainRequest, steps: Asked | None = None) -> list[Any]:
    return [item for _, item in trainer.train([asked], steps or Asked())]


def trained(trainer: Qwen3TtsTraining, asked: TrainRequest) -> Any:
    """What it ends with; an error is raised."""
    last = train(trainer, asked)[-1]
    if isinstance(last, SkylarkError):
        raise last
    return last


def weights(checkpoint: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(checkpoint / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    import torch

    first, second = weights(one), weights(other)
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


def test_a_training_makes_a_voice_that_skylark_and_upstreams_package_speak_with(
    trainer: Qwen3TtsTraining, data_dir: Path, load_qwen: LoadQwen, qwen_checkpoints: dict[str, Path]
) -> None:
    import torch
    from qwen_tts import Qwen3TTSModel

    result = trained(trainer, request(data_dir))
    assert result.checkpoint == data_dir / "finetunes" / "job-1" / "checkpoint-epoch-1"
    assert [path.name for path in result.checkpoints] == ["checkpoint-epoch-0", "checkpoint-epoch-1"]
    assert (result.speaker_name, result.global_step, result.clips) == ("hero", 4, 3)
    assert result.started_from == "base"
    assert result.epochs[1].loss < result.epochs[0].loss

    backend, about = load_qwen(result.checkpoint, max_frames=4)
    assert [voice.name for voice in about.voices] == ["hero"]
    spoken = [
        item for _, item in backend.synthesize([backend.requests["synthesize"](text="Hi.", voice="Hero")])
    ]
    assert any(isinstance(item, Chunk) for item in spoken)
    package = Qwen3TTSModel.from_pretrained(str(result.checkpoint), device_map="cpu", dtype=torch.float32)
    assert list(package.get_supported_speakers()) == ["hero"]
    audio, rate = package.generate_custom_voice("Hi.", speaker="hero", language="english", max_new_tokens=4)
    assert (rate, len(audio[0]) > 0) == (24_000, True)

    before, after = weights(qwen_checkpoints["base"]), weights(result.checkpoint)
    assert set(before) - set(after) == {name for name in before if name.startswith("speaker_encoder.")}
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert "talker.model.text_embedding.weight" not in changed
    assert {"talker.codec_head.weight", "talker.code_predictor.lm_head.14.weight"} <= changed
    assert "talker.text_projection.linear_fc1.weight" in changed


def test_the_speaker_is_the_references_in_training_and_in_the_checkpoint(
    trainer: Qwen3TtsTraining, data_dir: Path
) -> None:
    import torch

    from servers.backends._qwen3_tts_training.clips import speaker_of
    from servers.datasets.prepared import Prepared

    result = trained(trainer, request(data_dir, num_epochs=1))
    speaker = speaker_of(trainer._package, Prepared.read(data_dir / "datasets" / "tones"))
    row = weights(result.checkpoint)["talker.model.codec_embedding.weight"][3000]
    assert torch.equal(row, speaker)


def test_wherever_it_is_left_it_goes_on_to_the_same_weights(
    trainer: Qwen3TtsTraining, data_dir: Path
) -> None:
    whole = Asked()
    until = train(trainer, request(data_dir, "whole"), whole)[-1].checkpoint
    for times in range(whole.asked):
        asked = request(data_dir, f"left-{times}")
        assert isinstance(train(trainer, asked, Asked(times))[-1], Saved)
        train(trainer, request(data_dir, "between", num_epochs=1))  # another voice, with the same model
        assert same(train(trainer, asked)[-1].checkpoint, until), times


def test_left_again_and_again_it_comes_to_its_end(trainer: Qwen3TtsTraining, data_dir: Path) -> None:
    until = trained(trainer, request(data_dir, "whole"))
    asked = request(data_dir, "often")
    for _ in range(50):
        items = train(trainer, asked, Asked(3))
        if not isinstance(items[-1], Saved):
            break
    assert same(items[-1].checkpoint, until.checkpoint)
    assert items[-1].epochs == until.epochs


def test_a_kill_while_something_is_put_down_changes_nothing(
    trainer: Qwen3TtsTraining, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed as each of the renames is about to be made, with what it wrote aside left behind."""
    import os

    class Killed(BaseException):
        pass

    until = trained(trainer, request(data_dir, "whole")).checkpoint
    done = 0
    while True:
        asked, left = request(data_dir, f"killed-{done}"), done

        def renamed(*names: Any, real: Any) -> None:
            nonlocal left
            if not left:
                raise Killed
            left -= 1
            real(*names)

        with monkeypatch.context() as patch:
            for name in ("rename", "replace"):
                real = getattr(os, name)
                patch.setattr(os, name, lambda *names, real=real: renamed(*names, real=real))
            try:
                train(trainer, asked)
                break
            except Killed:
                assert not (data_dir / "finetunes" / f"killed-{done}" / "checkpoint-epoch-1").exists()
        (data_dir / "finetunes" / f"killed-{done}" / ".unfinished-checkpoint-epoch-0").mkdir(
            parents=True, exist_ok=True
        )
        assert same(trained(trainer, asked).checkpoint, until), done
        assert not list((data_dir / "finetunes" / f"killed-{done}").glob(".*"))
        done += 1
    assert done >= 4, "codes, a checkpoint, the state, another checkpoint"


def test_one_that_is_cancelled_saves_nothing_and_leaves_nothing_to_the_next(
    trainer: Qwen3TtsTraining, data_dir: Path
) -> None:
    until = trained(trainer, request(data_dir, "whole")).checkpoint
    asked = request(data_dir, num_epochs=4)
    items = trainer.train([asked], Asked(5))
    last = 0
    for _, item in items:
        assert isinstance(item, Progress)
        assert item.details is not None
        if item.details["global_step"] == last == 1:
            break  # told to leave; the runner closes a cancelled one where it yields
        last = item.details["global_step"]
    items.close()
    assert [path.name for path in asked.resume_from.iterdir()] == ["codes.safetensors"]
    cut_short = trainer.train([request(data_dir, "cut-short")], Asked())
    for _ in range(4):
        next(cut_short)  # three clips, and the first of two batches
    cut_short.close()
    assert same(trained(trainer, request(data_dir, "next")).checkpoint, until)


def test_progress_says_where_it_is(trainer: Qwen3TtsTraining, data_dir: Path) -> None:
    told = [item for item in train(trainer, request(data_dir)) if isinstance(item, Progress)]
    fractions = [each.fraction for each in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    details = [each.details for each in told]
    assert [each["stage"] for each in details[:3]] == ["preparing"] * 3
    assert details[-1]["stage"] == "training"
    assert {each["global_step"] for each in details} == {0, 1, 2, 3, 4}
    assert (details[-1]["epoch"], details[-1]["total_epochs"], details[-1]["step"]) == (2, 2, 2)
    assert details[-1]["loss"] > 0


def test_what_is_held_out_is_not_trained_with_and_has_a_loss(
    trainer: Qwen3TtsTraining, data_dir: Path
) -> None:
    result = trained(trainer, request(data_dir, held_out=0.4))
    assert (result.clips, result.held_out_clips) == (2, 1)
    assert all(epoch.held_out_loss is not None for epoch in result.epochs)


def test_a_step_is_the_same_in_one_batch_and_in_several(trainer: Qwen3TtsTraining, data_dir: Path) -> None:
    import torch

    together = request(data_dir, "together", batch_size=2, gradient_accumulation=1, num_epochs=1)
    apart = request(data_dir, "apart", batch_size=1, gradient_accumulation=2, num_epochs=1)
    one, other = (weights(trained(trainer, asked).checkpoint) for asked in (together, apart))
    name = "talker.codec_head.weight"
    assert torch.allclose(one[name], other[name], atol=LR / 20)


def test_only_the_checkpoints_of_the_last_epochs_stay(trainer: Qwen3TtsTraining, data_dir: Path) -> None:
    result = trained(trainer, request(data_dir, keep_checkpoints=1, num_epochs=3))
    assert [path.name for path in result.checkpoint.parent.iterdir()] == ["checkpoint-epoch-2"]


def test_it_goes_on_from_an_earlier_voice(trainer: Qwen3TtsTraining, data_dir: Path) -> None:
    first = trained(trainer, request(data_dir, "first"))
    second = trained(trainer, request(data_dir, "second", resume_job_id="first"))
    assert (second.started_from, second.warnings) == ("first", ())
    assert second.epochs[0].loss < first.epochs[-1].loss


def test_without_the_earlier_voice_it_starts_from_the_base_and_says_so(
    trainer: Qwen3TtsTraining, data_dir: Path
) -> None:
    asked = request(data_dir, resume_job_id="long-gone")
    train(trainer, asked, Asked(6))
    result = trained(trainer, asked)
    assert result.started_from == "base"
    assert result.warnings == ("there is no checkpoint of the job long-gone any more: trained from the base",)
    assert same(result.checkpoint, trained(trainer, request(data_dir, "plain")).checkpoint)


def test_numbers_that_overflow_are_an_error_that_says_what_may_help(
    trainer: Qwen3TtsTraining, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from servers.backends._qwen3_tts_training import objective

    monkeypatch.setattr(objective, "PREDICTOR_WEIGHT", float("inf"))
    with pytest.raises(BackendFailed, match="smaller lr"):
        trained(trainer, request(data_dir))


@pytest.mark.parametrize(
    ("fields", "error", "param"),
    [
        ({"dataset": "nothing"}, InvalidDataset, "dataset"),
        ({"language": "klingon"}, InvalidRequest, "language"),
    ],
)
def test_what_cannot_be_trained_names_its_field(
    trainer: Qwen3TtsTraining, data_dir: Path, fields: dict[str, Any], error: type[SkylarkError], param: str
) -> None:
    with pytest.raises(error) as raised:
        trained(trainer, request(data_dir, **fields))
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("payload", "param"),
    [
        ({"dataset": "../elsewhere"}, "payload.dataset"),
        ({"dataset": "tones", "speaker_name": "hero_2"}, "payload.speaker_name"),
        ({"dataset": "tones", "lr": 0}, "payload.lr"),
        ({"dataset": "tones", "resume_job_id": "/etc"}, "payload.resume_job_id"),
        ({}, "payload.dataset"),
    ],
)
def test_a_payload_that_is_wrong_is_refused(payload: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        TrainRequest.parse(payload, within="payload")
    assert raised.value.param == param


def test_a_voice_is_trained_from_a_base_checkpoint_only(qwen_checkpoints: dict[str, Path]) -> None:
    options = {"checkpoint": qwen_checkpoints["voice_design"]}
    with pytest.raises(ModelLoadFailed, match="base"):
        Qwen3TtsTraining().load(ModelSpec(backend="qwen3_tts_training", name="tiny", options=options), "cpu")


def test_on_a_full_disk_it_ends_with_an_error_and_leaves_the_last_checkpoint_whole(
    trainer: Qwen3TtsTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        with small_disk(megabytes=200) as disk:
            for data_dir in data_dir_at(disk.folder, monkeypatch):
                check_full_disk(trainer, data_dir, disk.fill)
    except Missing as why:
        pytest.skip(str(why))


def check_full_disk(trainer: Qwen3TtsTraining, data_dir: Path, fill: Callable[[], None]) -> None:
    asked = request(data_dir)
    checkpoints = data_dir / "finetunes" / "job-1"
    items: Sequence[Any] = []
    for _, item in trainer.train([asked], Asked()):
        items = [*items, item]
        if (checkpoints / "checkpoint-epoch-0").exists() and not (data_dir / "ballast").exists():
            fill()
    assert isinstance(items[-1], StorageFailed)
    assert [path.name for path in checkpoints.iterdir()] == ["checkpoint-epoch-0"]
    assert "talker.codec_head.weight" in weights(checkpoints / "checkpoint-epoch-0")
    again = train(trainer, request(data_dir, "job-2", resume_job_id="job-1"))[-1]
    assert isinstance(again, StorageFailed), "too little room is said at once"
    assert "GB of the disk" in again.message
