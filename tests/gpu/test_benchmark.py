"""The benchmark for GPUs, tried where there is none."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from benchmarks.gpu import needs


@pytest.fixture
def benchmark():
    if importlib.util.find_spec("qwen_tts") is None:
        pytest.skip("needs the extra [qwen], for qwen_tts is not installed")

    def run(*arguments):
        command = [sys.executable, "-m", "benchmarks.gpu.qwen", *arguments]
        return subprocess.run(
            command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300
        )

    return run


def test_the_package_and_skylark_speak_as_much_in_every_batch(benchmark, tmp_path):
    figures = tmp_path / "figures.jsonl"
    ran = benchmark("--tiny", "--json", str(figures))
    assert ran.returncode == 0, ran.stderr
    runs = [line for line in map(json.loads, figures.read_text().splitlines()) if "who" in line]
    spoken = {(run["who"], run["rows"]): run["audio_s"] for run in runs}
    assert spoken == {
        (who, rows): pytest.approx(rows * 8 * 0.08) for who in ("package", "Skylark") for rows in (1, 2)
    }
    assert "| tiny | 2 |" in ran.stdout
    assert "codec, one frame:" in ran.stdout


def test_a_device_that_is_not_there_is_named_with_those_that_are(benchmark):
    ran = benchmark("--device", "cuda:77")
    assert ran.returncode == 2
    assert ran.stdout.startswith("there is no device 'cuda:77'; there are cpu")


def test_what_a_machine_lacks_is_said_in_a_line_for_each_package(monkeypatch):
    there = {"transformers": "5.17.0", "soundfile": "0.1"}

    def version(name):
        if name not in there:
            raise needs.PackageNotFoundError(name)
        return there[name]

    monkeypatch.setattr(needs, "version", version)
    lacking = needs.missing()
    assert "transformers is 5.17.0, and 4.57.3 is needed" in lacking
    assert "qwen-tts 0.1.1 is not installed" in lacking
    assert "torch is not installed" in lacking
    assert not [line for line in lacking if line.startswith("soundfile")]
