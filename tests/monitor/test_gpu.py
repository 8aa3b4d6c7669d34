"""What NVIDIA's driver says, with a stand-in of its library."""

# ruff: noqa: N802  # its library has such names
from __future__ import annotations

from types import SimpleNamespace

import pytest

from servers.cloud.changes import Changes
from servers.monitor import gpu
from servers.monitor.readings import Gpu


class NVMLError(Exception):
    pass


class Nvml:
    NVMLError = NVMLError

    def __init__(self) -> None:
        self.works = True

    def nvmlInit(self) -> None:
        if not self.works:
            raise NVMLError("Driver Not Loaded")

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetUtilizationRates(self, device: int) -> SimpleNamespace:
        self.nvmlInit()
        return SimpleNamespace(gpu=(40, 80)[device])

    def nvmlDeviceGetMemoryInfo(self, device: int) -> SimpleNamespace:
        return SimpleNamespace(used=3 << 30, total=4 << 30)


@pytest.fixture
def nvml(monkeypatch) -> Nvml:
    nvml = Nvml()
    monkeypatch.setattr(gpu, "find_spec", lambda name: name)
    monkeypatch.setattr(gpu, "import_module", lambda name: nvml)
    return nvml


@pytest.mark.parametrize(("device", "use"), [("auto", 40.0), ("cuda", 40.0), ("cuda:1", 80.0)])
def test_the_engines_gpu_is_read_in_percent(nvml, device, use):
    assert gpu.find_gpu(device, Changes()).read() == Gpu(use, 75.0)


def test_without_a_driver_there_is_none_and_one_line_says_so(nvml, caplog):
    caplog.set_level("INFO")
    nvml.works = False
    assert gpu.find_gpu("auto", Changes()) is None
    assert [record.getMessage() for record in caplog.records] == ["no GPU is published: Driver Not Loaded"]


def test_an_engine_on_the_cpu_has_none(nvml, caplog):
    caplog.set_level("INFO")
    assert gpu.find_gpu("cpu", Changes()) is None
    assert len(caplog.records) == 1


def test_without_the_package_there_is_none(monkeypatch):
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)
    assert gpu.find_gpu("auto", Changes()) is None


def test_a_gpu_that_falls_away_is_logged_once_and_so_is_its_return(nvml, caplog):
    caplog.set_level("INFO")
    reader = gpu.find_gpu("auto", Changes())
    nvml.works = False
    assert [reader.read(), reader.read()] == [None, None]
    nvml.works = True
    assert reader.read() is not None
    assert [record.__dict__["action"] for record in caplog.records] == ["monitor_fault", "monitor_well"]
