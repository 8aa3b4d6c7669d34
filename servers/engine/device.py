"""The device that the models compute on, and the lock that keeps a second engine off it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from servers.settings import SettingsError
from servers.settings.variables import visible_gpus

QUERY = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
IDENTITIES = ("nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader")
QUERY_TIMEOUT_S = 10
NONE, PART = "-1", "MIG-"
"""In CUDA's variable: no GPU, from here on; and how the name of a part of one begins."""
PREDECESSOR_MARGIN_S = 10.0
"""An engine that is stopping has drain_s, and this to end: so long its successor waits."""


@dataclass(frozen=True)
class Device:
    """`name` is torch's word for it ("cpu", "cuda:0"), which counts the GPUs that this process may use;
    `gpu_name` is the maker's.
    """

    name: str
    gpu_name: str | None = None
    vram_mb: int | None = None
    place: str | None = field(default=None, compare=False)
    """Which one of the machine's it is, where that is not its name."""


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
    """Those that this process may use, in CUDA's order. Raises SettingsError for one that is not there."""
    every, visible = _every_gpu(), visible_gpus()
    if visible is None or not every:
        return every
    if NONE in visible:
        visible = visible[: visible.index(NONE)]
    found = [_named(entry, every) for entry in visible]
    return [
        replace(gpu, name=f"cuda:{index}", place=gpu.place or gpu.name) for index, gpu in enumerate(found)
    ]


def _every_gpu() -> list[Device]:
    """As nvidia-smi lists them, by NVML; none where it is not installed."""
    return [_gpu(index, line) for index, line in enumerate(_asked(QUERY))]


def _asked(query: tuple[str, ...]) -> list[str]:
    if shutil.which(query[0]) is None:
        return []
    answer = subprocess.run(query, capture_output=True, text=True, timeout=QUERY_TIMEOUT_S, check=False)
    return answer.stdout.splitlines() if answer.returncode == 0 else []


def _named(entry: str, every: Sequence[Device]) -> Device:
    """By its number or by the beginning of its identity; of a part of one nothing more is known."""
    if entry.startswith(PART):
        return Device(entry, entry, place=entry)
    known = {str(index): gpu for index, gpu in enumerate(every)}
    if entry not in known:
        known |= {identity.strip(): gpu for identity, gpu in zip(_asked(IDENTITIES), every, strict=False)}
    found = [
        gpu for name, gpu in known.items() if name == entry or (len(entry) > 4 and name.startswith(entry))
    ]
    if len(found) != 1:
        message = f"there is no GPU {entry!r}; possible here are {', '.join(known)}"
        raise SettingsError(f"CUDA_VISIBLE_DEVICES: {message}")
    return found[0]


def _gpu(index: int, line: str) -> Device:
    name, _, memory_mb = line.rpartition(",")
    total_mb = int(memory_mb) if memory_mb.strip().isdigit() else None  # shared memory has no total
    return Device(f"cuda:{index}", name.strip(), total_mb)


def lock_files(device: Device, data_dir: Path) -> list[Path]:
    """What one engine holds alone: its data folder, and its GPU on this machine; CPUs can be shared."""
    files = [data_dir / "engine.lock"]
    if device.name != "cpu":
        place = (device.place or device.name).replace(":", "-").replace("/", "-")
        files.append(Path(tempfile.gettempdir()) / f"skylark-{place}.lock")
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
