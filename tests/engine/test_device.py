"""Which device the models compute on, and who holds it."""

from __future__ import annotations

import os
import stat

import pytest

from servers.engine.device import Device, find_device, hold, lock_files, patiently
from servers.settings import SettingsError


@pytest.fixture
def gpus(tmp_path, monkeypatch):
    """A stand-in for nvidia-smi that lists these."""

    def install(*lines: str, code: int = 0) -> None:
        program = tmp_path / "nvidia-smi"
        listed = "\n".join(lines)
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{listed}\nEND\nexit {code}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    return install


def test_auto_takes_the_first_gpu(gpus):
    gpus("NVIDIA H100, 81559", "NVIDIA T4, 15360")
    assert find_device("auto") == Device("cuda:0", "NVIDIA H100", 81559)


def test_a_gpu_is_taken_by_its_number(gpus):
    gpus("NVIDIA H100, 81559", "NVIDIA T4, 15360")
    assert find_device("cuda:1").gpu_name == "NVIDIA T4"
    assert find_device("cuda").gpu_name == "NVIDIA H100"


def test_without_a_gpu_auto_is_the_cpu(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_device("auto") == Device("cpu")


def test_a_driver_that_does_not_answer_is_no_gpu(gpus):
    gpus("Failed to initialize NVML", code=9)
    assert find_device("auto") == Device("cpu")


def test_the_cpu_can_be_asked_for_beside_a_gpu(gpus):
    gpus("NVIDIA H100, 81559")
    assert find_device("cpu") == Device("cpu")


def test_a_gpu_that_is_not_there_is_named_with_those_that_are(gpus):
    gpus("NVIDIA H100, 81559")
    with pytest.raises(SettingsError, match="no 'cuda:3'; possible here are auto, cpu, cuda:0"):
        find_device("cuda:3")


def test_memory_that_is_shared_with_the_processor_has_no_total(gpus):
    gpus("NVIDIA GB10, [N/A]")
    assert find_device("auto") == Device("cuda:0", "NVIDIA GB10", None)


def test_an_engine_holds_its_folder_and_its_gpu_and_no_cpu(tmp_path):
    assert lock_files(Device("cpu"), tmp_path) == [tmp_path / "engine.lock"]
    assert [file.name for file in lock_files(Device("cuda:1"), tmp_path)] == [
        "engine.lock",
        "skylark-cuda-1.lock",
    ]


def test_a_second_engine_is_told_who_holds_the_device(tmp_path):
    hold(tmp_path / "engine.lock", patience_s=0)
    with pytest.raises(SettingsError, match=f"held by process {os.getpid()}"):
        hold(tmp_path / "engine.lock", patience_s=0)


def test_what_is_let_go_in_time_is_taken():
    answers = [False, False, True]
    assert patiently(lambda: answers.pop(0), patience_s=10)
    assert not patiently(lambda: False, patience_s=0)


def test_apples_gpu_is_refused_with_what_is_possible(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match="there is no 'mps'; possible here are auto, cpu"):
        find_device("mps")
