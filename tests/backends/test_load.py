"""Finding a backend by the name of its file."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace

import pytest

from servers.backends.base import default_task, parse_payload
from servers.backends.load import backend_class, backend_names, with_dtype
from servers.errors import InvalidRequest, UnknownModel
from servers.settings import ROOT
from servers.speech import AlignRequest, ModelSpec

TOY = "from servers.backends.base import Backend\nclass Toy(Backend):\n    pass\n"


def test_the_embedded_backends_are_found_by_their_files_names():
    assert backend_class("espeak").__name__ == "Espeak"
    assert backend_class("pocketsphinx").__name__ == "PocketSphinx"


def test_contracts_and_shared_parts_are_no_backends():
    names = backend_names()
    assert {"espeak", "pocketsphinx"} <= set(names)
    assert not {"base", "load"} & set(names)
    assert not [name for name in names if name.startswith("_")]


@pytest.mark.parametrize("name", ["nothing", "base", "_espeak_ng", "../toy", ""])
def test_an_unknown_backend_lists_the_known_ones(name):
    with pytest.raises(UnknownModel, match=r"espeak.*pocketsphinx") as raised:
        backend_class(name)
    assert raised.value.param == "model_type"


def test_a_file_in_a_folder_of_ones_own_is_a_backend(tmp_path):
    (tmp_path / "toy_of_mine.py").write_text(TOY)
    assert "toy_of_mine" in backend_names([tmp_path])
    assert backend_class("toy_of_mine", [tmp_path]) is backend_class("toy_of_mine", [tmp_path])


def test_a_file_must_define_exactly_one_backend(tmp_path):
    (tmp_path / "two_toys.py").write_text(TOY + "class Other(Backend):\n    pass\n")
    with pytest.raises(TypeError, match="one Backend, found 2"):
        backend_class("two_toys", [tmp_path])


def test_who_asks_while_a_file_is_being_imported_waits_for_all_of_it(tmp_path, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    monkeypatch.setitem(sys.modules, "gate", SimpleNamespace(begun=begun, go_on=go_on))
    (tmp_path / "slow_toy.py").write_text("import gate\ngate.begun.set()\ngate.go_on.wait(30)\n" + TOY)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(backend_class, "slow_toy", [tmp_path])
        assert begun.wait(30)
        second = pool.submit(backend_class, "slow_toy", [tmp_path])
        with suppress(TimeoutError):
            second.result(0.1)
        go_on.set()
        assert first.result(30) is second.result(30)


def test_a_file_that_failed_is_imported_anew(tmp_path):
    file = tmp_path / "mended_toy.py"
    file.write_text("raise RuntimeError('not yet')\n")
    with pytest.raises(RuntimeError, match="not yet"):
        backend_class("mended_toy", [tmp_path])
    file.write_text(TOY + "# and now it is whole\n")
    assert backend_class("mended_toy", [tmp_path]).__name__ == "Toy"


def qwen(**options):
    return ModelSpec(backend="qwen3_tts", name="q", options={"checkpoint": "c", **options})


def test_a_dtype_for_all_is_for_the_models_that_leave_it_open():
    kind = backend_class("qwen3_tts")
    assert with_dtype(qwen(), kind, "float16").options["dtype"] == "float16"
    assert with_dtype(qwen(dtype="auto"), kind, "float16").options["dtype"] == "float16"
    assert with_dtype(qwen(dtype="float32"), kind, "float16").options["dtype"] == "float32"
    assert with_dtype(qwen(), kind, "auto") == qwen()


def test_a_model_without_a_dtype_is_left_alone():
    model = ModelSpec(backend="espeak", name="e")
    assert with_dtype(model, backend_class("espeak"), "float16") == model


def test_the_payloads_task_chooses_its_type():
    kind = backend_class("pocketsphinx")
    assert default_task(kind) == "transcribe"
    reading = parse_payload(kind, {"task": "align", "audio_path": "/a.wav", "text": "Hi."})
    assert isinstance(reading, AlignRequest)


def test_a_task_that_the_backend_cannot_do_lists_those_it_can():
    with pytest.raises(InvalidRequest, match="transcribe, align") as raised:
        parse_payload(backend_class("pocketsphinx"), {"task": "synthesize", "text": "Hi."})
    assert raised.value.param == "payload.task"


LOAD = """
import sys
from servers.backends.load import backend_class
from servers.errors import ModelLoadFailed
from servers.speech import ModelSpec
options = {"checkpoint": "/nonexistent/weights"}
try:
    backend_class(sys.argv[1])().load(ModelSpec(backend=sys.argv[1], name="m", options=options), "cpu")
except ModelLoadFailed as error:
    print(error.message)
print({"torch", "transformers"} & set(sys.modules))
"""


@pytest.mark.parametrize("backend", ["qwen3_tts", "whisperx"])
def test_a_missing_checkpoint_is_told_before_the_library_is_imported(backend):
    """Its import takes ten seconds and more."""
    ran = subprocess.run(
        [sys.executable, "-c", LOAD, backend], cwd=ROOT, capture_output=True, text=True, check=True
    )
    message, imported = ran.stdout.splitlines()
    assert message.startswith("no checkpoint at /nonexistent/weights: put a whole one there, or name another")
    assert imported == "set()"
