"""A model's file that tells how long its phonemes last, and those of which nothing is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from servers.backends._piper.durations import telling_durations
from tests.backends import onnx_files, tiny_piper

MODEL = tiny_piper.onnx()


@pytest.fixture
def write(tmp_path):
    def into_file(content: bytes) -> Path:
        (tmp_path / "model.onnx").write_bytes(content)
        return tmp_path / "model.onnx"

    return into_file


def session(model: bytes) -> Any:
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra [piper]")
    onnxruntime.set_seed(1)
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def run(model: bytes) -> list[np.ndarray]:
    """What it gives for three phonemes of its own width."""
    inputs = {
        "input": np.array([[1, 5, 2]], np.int64),
        "input_lengths": np.array([3], np.int64),
        "scales": np.array([0.667, 1.0, 0.8], np.float32),
    }
    return session(model).run(None, inputs)


def test_the_frames_of_each_phoneme_are_those_of_the_audio_which_stays_the_same(write):
    (audio,) = run(MODEL)
    same, frames = run(telling_durations(write(MODEL)))
    assert np.array_equal(same, audio)
    assert frames.size == 3
    assert frames.sum() * tiny_piper.HOP == audio.size


def test_the_file_is_not_changed(write):
    path = write(MODEL)
    assert telling_durations(path).startswith(MODEL)
    assert path.read_bytes() == MODEL


def test_a_name_of_any_length_is_an_output(write):
    name = "w" * 300
    long = onnx_files.model(
        [onnx_files.node("Ceil", ["x"], [name]), onnx_files.node("Neg", [name], ["y"])],
        {},
        [onnx_files.value("x", onnx_files.FLOAT, (1,))],
        [onnx_files.value("y", onnx_files.FLOAT, (1,))],
    )
    assert [output.name for output in session(telling_durations(write(long))).get_outputs()] == ["y", name]


def test_a_model_that_tells_already_is_left_as_it_is(write):
    patched = telling_durations(write(MODEL))
    assert telling_durations(write(patched)) is None


@pytest.mark.parametrize("replaced", [(b"Ceil", b"Relu"), (b"Tanh", b"Ceil")], ids=["none", "two"])
def test_nothing_is_guessed_where_not_one_node_rounds_up(write, replaced):
    other = MODEL.replace(*replaced)
    assert other != MODEL
    assert telling_durations(write(other)) is None


@pytest.mark.parametrize("content", [b"", b"no model", MODEL[:-1], MODEL[:100], b"\x3a\xff", b"\x3a"])
def test_what_is_no_model_is_left_to_whoever_loads_it(write, content):
    assert telling_durations(write(content)) is None
