"""Where a model computes, and in which numbers; what out-of-memory looks like; memory given back."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from servers.errors import ModelLoadFailed, OutOfMemory

AUTO = "auto"
PREFERRED = {"cuda": ("float16", "int8_float32", "float32"), "cpu": ("int8", "float32")}
"""On a T4 as on an H200 float16 is the fastest; a GPU before Volta cannot, and ctranslate2 says so."""
FULL = ("out of memory", "can't allocate memory", "failed to allocate")


@dataclass(frozen=True)
class Device:
    """ctranslate2's words for a device of torch's, which is `name`."""

    name: str
    kind: str
    index: int
    compute_type: str


def find_device(device: str, compute_type: str, most_gpus: int | None = None) -> Device:
    """Raises ModelLoadFailed for a device that is not there, or that cannot compute so.

    `most_gpus` is how many GPUs another library can use, where a model needs both.
    """
    import ctranslate2

    matched = re.fullmatch(r"(cpu)|(cuda)(?::(\d+))?", device)
    seen: int = ctranslate2.get_cuda_device_count()
    gpus = [f"cuda:{index}" for index in range(seen if most_gpus is None else min(seen, most_gpus))]
    if not matched or (matched[2] and int(matched[3] or 0) >= len(gpus)):
        raise ModelLoadFailed(f"there is no device {device!r}; possible here are {', '.join(['cpu', *gpus])}")
    kind, index = matched[1] or matched[2], int(matched[3] or 0)
    possible = ctranslate2.get_supported_compute_types(kind, index)
    return Device(device, kind, index, choose_compute_type(compute_type, PREFERRED[kind], possible, device))


def choose_compute_type(wanted: str, preferred: Sequence[str], possible: set[str], device: str) -> str:
    if wanted == AUTO:
        return next(each for each in preferred if each in possible)
    if wanted not in possible:
        known = ", ".join(sorted(possible))
        raise ModelLoadFailed(
            f"compute_type {wanted!r} is not possible on {device}; possible are auto, {known}"
        )
    return wanted


@contextmanager
def out_of_memory(device: str) -> Iterator[None]:
    """Gives the libraries' ways to say that the memory is full their one type.

    ctranslate2 raises RuntimeError("CUDA failed with error out of memory"), and torch a subclass of
    RuntimeError: their words are all that they have in common.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, MemoryError) or any(words in str(error).lower() for words in FULL):
            free(device)
            raise OutOfMemory(
                f"{device} has not enough memory; a smaller batch_size or compute_type int8 takes less"
            ) from error
        raise


def free(device: str) -> None:
    """Gives back what the models that nothing refers to any more took."""
    gc.collect()
    torch = sys.modules.get("torch")  # a model may do without
    if torch is not None and device.startswith("cuda"):
        torch.cuda.empty_cache()
