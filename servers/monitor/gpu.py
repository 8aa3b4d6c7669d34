"""How much of the GPU is used, as NVIDIA's driver says it, where there is one."""

from __future__ import annotations

import logging
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from servers.cloud.changes import Changes
from servers.monitor.readings import Gpu

LIBRARY = "pynvml"
log = logging.getLogger(__name__)


class GpuReader:
    """Of one device, by its number."""

    def __init__(self, nvml: Any, index: int, changes: Changes) -> None:
        self._nvml, self._device, self._changes = nvml, nvml.nvmlDeviceGetHandleByIndex(index), changes

    def read(self) -> Gpu | None:
        """None where the driver does not say, which is logged once."""
        try:
            use = self._nvml.nvmlDeviceGetUtilizationRates(self._device).gpu
            memory = self._nvml.nvmlDeviceGetMemoryInfo(self._device)
        except self._nvml.NVMLError as error:
            self._changes.fault("gpu", f"the GPU cannot be read: {error}")
            return None
        self._changes.well("gpu", "the GPU is read again")
        return Gpu(use=float(use), memory_used=100.0 * memory.used / memory.total)


def find_gpu(device: str, changes: Changes) -> GpuReader | None:
    """Of engine.device: `cuda:1` is the second, and the first where nothing else is said. None where there is
    no GPU, its package is missing or the engine computes on the CPU, which is said in one line of the log.
    """
    why_not = "engine.device is cpu" if device == "cpu" else f"there is no package {LIBRARY}"
    if device != "cpu" and find_spec(LIBRARY) is not None:
        nvml = import_module(LIBRARY)
        try:
            nvml.nvmlInit()
            return GpuReader(nvml, int(device.partition(":")[2] or 0), changes)
        except nvml.NVMLError as error:
            why_not = str(error)
    log.info("no GPU is published: %s", why_not, extra={"action": "no_gpu"})
    return None
