"""What needs an NVIDIA GPU: skipped where there is none, with the reason."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends import tiny_qwen


@pytest.fixture(scope="session")
def cuda() -> str:
    """The first GPU, as torch names it."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("needs a GPU, and torch is not installed to look for one")
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU, and torch finds none")
    return "cuda:0"


@pytest.fixture(scope="session")
def checkpoints(cuda: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of tiny Qwen3-TTS checkpoints by variant."""
    if importlib.util.find_spec("qwen_tts") is None:
        pytest.skip("needs the extra [qwen], for qwen_tts is not installed")
    return tiny_qwen.write_checkpoints(tmp_path_factory.mktemp("qwen"))


@pytest.fixture
def exact_sums(cuda: str) -> Iterator[None]:
    """float32 all through: by default convolutions round what they multiply to TF32's ten bits."""
    import torch

    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
