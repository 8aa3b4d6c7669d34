"""The device that the models compute on, and the lock that keeps a second engine off it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from servers.settings import SettingsError

QUERY = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
QUERY_TIMEOUT_S = 10
PREDECESSOR_MARGIN_S = 10.0
"""An engine that is stopping has drain_s, and this to end: so long its successor waits."""


@dataclass(frozen=True)
class Device:
    """`name` is torch's word for it ("cpu", "cuda:0"), `gpu_name` the maker's."""

    name: str
    gpu_name: str | None = None
    vram_mb: int | None = None


def find_device(wanted: str) -> Device:
    """The device of the settings: "auto" takes the first GPU, or the CPU where there is none.

    Raises SettingsError for a GPU that is not there.
    """
    if wanted == "cpu":
        return Device("cpu")
    gpus = _gpus()
    if wanted == "auto":
        return gpus[0] if gpus else Device("cpu")
    for gpu in gpus:
        if gpu.name in (wanted, f"{wanted}:0"):
            return gpu
    known = ", ".join(["auto", "cpu", *(gpu.name for gpu in gpus)])
    raise SettingsError(f"engine.device: there is no {wanted!r}; possible here are {known}")


def _gpus() -> list[Device]:
    """As nvidia-smi lists them, by NVML; none where it is not installed."""
    if shutil.which(QUERY[0]) is None:
        return []
    answer = subprocess.run(QUERY, capture_output=True, text=True, timeout=QUERY_TIMEOUT_S, check=False)
    lines = answer.stdout.splitlines() if answer.returncode == 0 else []
    return [_gpu(index, line) for index, line in enumerate(lines)]


def _gpu(index: int, line: str) -> Device:
    name, _, memory_mb = line.rpartition(",")
    total_mb = int(memory_mb) if memory_mb.strip().isdigit() else None  # shared memory has no total
    return Device(f"cuda:{index}", name.strip(), total_mb)


def lock_files(device: Device, data_dir: Path) -> list[Path]:
    """What one engine holds alone: its data folder, and its GPU on this machine; CPUs can be shared."""
    files = [data_dir / "engine.lock"]
    if device.name != "cpu":
        files.append(Path(tempfile.gettempdir()) / f"skylark-{device.name.replace(':', '-')}.lock")
    return files


def hold(path: Path, patience_s: float) -> None:
    """Locks the file for this process, for what it becomes by exec, and for the workers that it forks.

    The system lets go when the last of them has ended, however it ended. Waits for a predecessor that is
    going. Raises SettingsError saying who holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if not patiently(lambda: _locked(descriptor), patience_s):
        holder = os.read(descriptor, 100).decode() or "another process"
        raise SettingsError(f"{path} is held by {holder}: two engines cannot share it")
    os.truncate(descriptor, 0)
    os.write(descriptor, f"process {os.getpid()}".encode())
    os.set_inheritable(descriptor, True)


def patiently(taken: Callable[[], bool], patience_s: float) -> bool:
    """Asks until it is taken, for that long at most."""
    deadline = time.monotonic() + patience_s
    while not taken():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
