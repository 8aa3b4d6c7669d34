"""What whisperx says of folders and devices that cannot be, and what it keeps in memory."""

from __future__ import annotations

import gc
import shutil
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from servers.backends._whisper.folders import Folder
from servers.backends._whisper.options import WhisperRequest
from servers.backends._whisperx.loading import Aligners
from servers.backends.base import About
from servers.backends.whisperx import Whisperx
from servers.errors import InvalidRequest, MissingExtra, ModelLoadFailed
from servers.speech import AlignRequest, Transcript

from .conftest import Spoken, WhisperxFolders
from .contract import items, result

Change = Callable[[Path], None]


def load(folders: WhisperxFolders, device: str = "cpu", **options: object) -> Whisperx:
    backend = Whisperx()
    backend.load(folders.spec(**options), device)
    return backend


@pytest.fixture(scope="session")
def spoken(speak: Callable[[str], Spoken]) -> Spoken:
    return speak("It rained all day.")


def without(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def cut(name: str) -> Change:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:1000])


def filled(name: str, text: str) -> Change:
    return lambda folder: (folder / name).write_text(text)


BROKEN_WHISPER = [
    (shutil.rmtree, "no checkpoint at"),
    (lambda folder: [file.unlink() for file in folder.iterdir()], "no checkpoint at"),
    (lambda folder: (folder / ".cache").mkdir(), "is incomplete"),
    (without("model.bin"), "lacks model.bin"),
    (without("tokenizer.json"), "lacks tokenizer.json"),
    (filled("model.bin", ""), "model.bin is empty"),
    (cut("model.bin"), "cannot be loaded"),
    (cut("tokenizer.json"), "cannot be loaded"),
    (filled("config.json", "{"), "cannot be loaded"),
    (filled("model.bin", "no weights" * 100), "cannot be loaded"),
]


@pytest.mark.parametrize(("change", "what"), BROKEN_WHISPER)
def test_a_checkpoint_that_is_none_says_what_is_wrong_and_what_mends_it(
    whisperx_folders, tmp_path, change, what
):
    folder = Path(shutil.copytree(whisperx_folders.whisper, tmp_path / "broken"))
    change(folder)
    with pytest.raises(ModelLoadFailed, match=what) as raised:
        load(whisperx_folders, checkpoint=folder)
    assert str(folder) in raised.value.message
    assert "models.yaml" in raised.value.message


def test_a_checkpoint_of_models_dir_is_pulled_by_its_name(whisperx_folders):
    with pytest.raises(ModelLoadFailed, match="run `skylark models pull whisper-none`"):
        load(whisperx_folders, checkpoint="whisper-none")
    broken = Folder(Path("whisper-none"), "checkpoint", "tiny").fault("is broken")
    assert broken.message.endswith("is broken: run `skylark models pull whisper-none`")


@pytest.mark.parametrize("name", ["english", "source"])
def test_a_checkpoint_of_another_kind_is_refused(whisperx_folders, name):
    folder = whisperx_folders.english if name == "english" else whisperx_folders.whisper.parent / "hf"
    with pytest.raises(ModelLoadFailed, match=r"lacks model\.bin"):
        load(whisperx_folders, checkpoint=folder)


BROKEN_ALIGNMENT = [
    (shutil.rmtree, "no checkpoint at"),
    (without("model.safetensors"), "lacks model.safetensors"),
    (without("preprocessor_config.json"), "lacks preprocessor_config.json"),
    (filled("config.json", "{"), "not JSON"),
    (filled("config.json", "[]"), "not an object"),
    (filled("config.json", '{"architectures": ["WhisperForConditionalGeneration"]}'), "holds WhisperFor"),
]


@pytest.mark.parametrize(("change", "what"), BROKEN_ALIGNMENT)
def test_an_alignment_folder_that_is_none_refuses_to_load(whisperx_folders, tmp_path, change, what):
    folder = Path(shutil.copytree(whisperx_folders.english, tmp_path / "broken"))
    change(folder)
    with pytest.raises(ModelLoadFailed, match=what) as raised:
        load(whisperx_folders, align={"en": folder})
    assert str(folder) in raised.value.message


def test_weights_that_are_cut_off_are_met_when_they_are_needed(whisperx_folders, tmp_path, spoken):
    folder = Path(shutil.copytree(whisperx_folders.english, tmp_path / "broken"))
    cut("model.safetensors")(folder)
    backend = load(whisperx_folders, align={"en": folder})
    with pytest.raises(ModelLoadFailed, match=r"align\.en"):
        result(backend, "align", AlignRequest(audio_path=spoken.path, text="It rained."))
    requests = [
        WhisperRequest(audio_path=spoken.path),
        WhisperRequest(audio_path=spoken.path, words=False),
    ]
    ends = dict(backend.transcribe(requests))
    assert isinstance(ends[0], ModelLoadFailed)
    assert isinstance(ends[1], Transcript)


def test_an_alignment_language_that_is_none_is_refused(whisperx_folders):
    with pytest.raises(InvalidRequest, match="possible are"):
        load(whisperx_folders, align={"klingon": whisperx_folders.english})


@pytest.mark.parametrize("change", [shutil.rmtree, without("config.yaml"), filled("config.yaml", "")])
def test_a_pipeline_folder_that_is_none_refuses_to_load(whisperx_folders, tmp_path, change):
    folder = tmp_path / "pipeline"
    folder.mkdir()
    (folder / "config.yaml").write_text("x")
    change(folder)
    with pytest.raises(ModelLoadFailed, match=str(folder)):
        load(whisperx_folders, diarization=folder)


PIPELINES = [
    "just words",
    "pipeline: {name: no.such.Pipeline}",
    "pipeline:\n  name: pyannote.audio.pipelines.SpeakerDiarization\n  params:\n"
    "    segmentation: $model/segmentation\n    embedding: $model/embedding\n",
]


@pytest.mark.parametrize("config", PIPELINES)
def test_a_broken_pipeline_is_the_error_of_who_asks_for_it(whisperx_folders, tmp_path, spoken, config):
    (tmp_path / "config.yaml").write_text(config)
    backend = load(whisperx_folders, diarization=tmp_path)
    with pytest.raises(ModelLoadFailed, match="diarization"):
        result(backend, "transcribe", WhisperRequest(audio_path=spoken.path, diarize=True))
    assert result(backend, "transcribe", WhisperRequest(audio_path=spoken.path)).words


class Pipeline:
    """Stands in for pyannote's: one speaker after the other, half of the recording each."""

    def __call__(self, samples: np.ndarray, **_: object) -> dict[str, list[object]]:
        half, whole = len(samples) / 32000, len(samples) / 16000
        return {"start": [0.0, half], "end": [half, whole], "speaker": ["SPEAKER_00", "SPEAKER_01"]}


def test_with_a_pipeline_every_word_has_its_speaker(whisperx_folders, tmp_path, spoken, monkeypatch):
    (tmp_path / "config.yaml").write_text("pipeline: {}")
    backend = load(whisperx_folders, diarization=tmp_path)
    monkeypatch.setattr("servers.backends._whisperx.loading.diarization", lambda *_: Pipeline())
    request = WhisperRequest(audio_path=spoken.path, diarize=True, max_speakers=2)
    *progress, found = items(backend, "transcribe", request)
    assert {word.speaker for word in found.words} <= {"SPEAKER_00", "SPEAKER_01"}
    assert all(segment.speaker for segment in found.segments)
    assert progress[-1].fraction < 1


def test_fewer_speakers_than_the_least_are_refused(whisperx_folders, tmp_path, spoken):
    (tmp_path / "config.yaml").write_text("pipeline: {}")
    backend = load(whisperx_folders, diarization=tmp_path)
    request = WhisperRequest(audio_path=spoken.path, diarize=True, min_speakers=3, max_speakers=2)
    with pytest.raises(InvalidRequest, match="more than max_speakers") as raised:
        result(backend, "transcribe", request)
    assert raised.value.param == "min_speakers"


@pytest.mark.parametrize("device", ["cuda:7", "tpu"])
def test_a_device_that_is_not_there_is_a_load_that_failed(whisperx_folders, device):
    with pytest.raises(ModelLoadFailed, match="possible here are cpu"):
        load(whisperx_folders, device)


def test_a_compute_type_that_is_not_possible_lists_those_that_are(whisperx_folders):
    with pytest.raises(ModelLoadFailed, match="float32"):
        load(whisperx_folders, compute_type="bfloat17")


def test_without_the_package_the_error_names_the_extra(whisperx_folders, monkeypatch):
    monkeypatch.setattr("servers.extras.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match="'whisperx' is not installed"):
        load(whisperx_folders)


def test_packages_that_do_not_fit_together_are_a_load_that_failed(whisperx_folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "whisperx.asr", None)
    with pytest.raises(ModelLoadFailed, match=r"requirements-cuda\.lock"):
        load(whisperx_folders)


def test_the_alignment_model_that_was_used_longest_ago_leaves_the_memory(whisperx_folders: WhisperxFolders):
    folders = {
        "en": Folder(whisperx_folders.english, "align.en", "tiny"),
        "de": Folder(whisperx_folders.german, "align.de", "tiny"),
        "fr": Folder(whisperx_folders.german, "align.fr", "tiny"),
    }
    aligners = Aligners(folders, "cpu", most=2)
    english, german = aligners.get("en"), weakref.ref(aligners.get("de"))
    assert aligners.get("en") is english
    aligners.get("fr")
    gc.collect()
    assert german() is None
    assert aligners.get("en") is english
    assert aligners.languages == ("en", "de", "fr")


def test_the_defaults_are_those_of_the_options(whisperx_folders):
    about = Whisperx().load(whisperx_folders.spec(compute_type="auto", align={}), "cpu")
    assert isinstance(about, About)
