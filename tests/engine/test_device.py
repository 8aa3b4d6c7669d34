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

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def install(*lines: str, code: int = 0) -> None:
        program = tmp_path / "nvidia-smi"
        listed = "\n".join(lines)
        identities = "\n".join(f"GPU-{index}{index}-abc" for index in range(len(lines)))
        asked = f"case $1 in *uuid) cat <<'END'\n{identities}\nEND\n;; *) cat <<'END'\n{listed}\nEND\n;; esac"
        program.write_text(f"#!/bin/sh\n{asked}\nexit {code}\n")
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


@pytest.mark.parametrize(
    ("visible", "name", "place"),
    [
        ("1", "NVIDIA T4", "cuda:1"),
        ("1,0", "NVIDIA T4", "cuda:1"),
        ("GPU-11-abc", "NVIDIA T4", "cuda:1"),
        ("GPU-11", "NVIDIA T4", "cuda:1"),
        ("MIG-12ab", "MIG-12ab", "MIG-12ab"),
    ],
)
def test_the_first_gpu_is_the_first_of_those_that_are_visible(
    gpus, monkeypatch, tmp_path, visible, name, place
):
    gpus("NVIDIA H100, 81559", "NVIDIA T4, 15360")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    device = find_device("auto")
    assert (device.name, device.gpu_name, device.place) == ("cuda:0", name, place)


@pytest.mark.parametrize("visible", ["", "-1", "-1,0"])
def test_where_no_gpu_is_visible_auto_is_the_cpu(gpus, monkeypatch, visible):
    gpus("NVIDIA H100, 81559")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert find_device("auto") == Device("cpu")


@pytest.mark.parametrize("visible", ["2", "0,2", "GPU-77", "GPU-"])
def test_a_visible_gpu_that_is_not_there_is_named(gpus, monkeypatch, visible):
    gpus("NVIDIA H100, 81559", "NVIDIA T4, 15360")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(
        SettingsError, match=r"CUDA_VISIBLE_DEVICES: there is no GPU .* possible here are 0, 1"
    ):
        find_device("auto")


def test_engines_on_two_gpus_hold_a_lock_each_though_both_call_theirs_the_first(gpus, monkeypatch, tmp_path):
    gpus("NVIDIA H100, 81559", "NVIDIA T4, 15360")
    locks = []
    for visible in ("0", "1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        locks.append(lock_files(find_device("cuda:0"), tmp_path)[1].name)
    assert locks == ["skylark-cuda-0.lock", "skylark-cuda-1.lock"]


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
