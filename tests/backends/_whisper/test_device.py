from __future__ import annotations

import pytest

from servers.backends._whisper.device import PREFERRED, choose_compute_type, find_device, out_of_memory
from servers.errors import ModelLoadFailed, OutOfMemory

T4 = {"float32", "float16", "int8", "int8_float16", "int8_float32"}
PASCAL = {"float32", "int8", "int8_float32"}


@pytest.mark.parametrize(
    ("kind", "possible", "chosen"),
    [("cuda", T4, "float16"), ("cuda", PASCAL, "int8_float32"), ("cpu", {"int8", "float32"}, "int8"),
     ("cpu", {"float32"}, "float32")],
)  # fmt: skip
def test_the_fastest_compute_type_that_the_device_can_is_chosen(kind, possible, chosen):
    assert choose_compute_type("auto", PREFERRED[kind], possible, kind) == chosen


def test_a_compute_type_that_is_named_is_taken_or_refused():
    assert choose_compute_type("float32", PREFERRED["cuda"], T4, "cuda:0") == "float32"
    with pytest.raises(ModelLoadFailed, match="possible are auto, float32, int8, int8_float32"):
        choose_compute_type("float16", PREFERRED["cuda"], PASCAL, "cuda:0")


@pytest.mark.usefixtures("whisperx_package")
@pytest.mark.parametrize("device", ["cuda:7", "tpu", "cuda:x", "", "CPU"])
def test_a_device_that_is_not_there_lists_those_that_are(device):
    with pytest.raises(ModelLoadFailed, match="possible here are cpu"):
        find_device(device, "auto")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA failed with error out of memory"),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried …"
        ),
        MemoryError(),
    ],
)
def test_every_way_to_say_out_of_memory_is_one_type(error):
    with pytest.raises(OutOfMemory, match="batch_size"), out_of_memory("cpu"):
        raise error


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="broken"), out_of_memory("cpu"):
        raise RuntimeError("broken")
