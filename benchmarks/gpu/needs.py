"""Whether this machine has what a benchmark needs, said before anything is imported that may not be there."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
BROUGHT = ("torch", "torchaudio", "accelerate", "einops", "onnxruntime", "numba", "scipy", "scikit-learn")
"""What an image for PyTorch has, in any version."""
EXACT = ("qwen-tts", "transformers", "tokenizers", "huggingface-hub")
"""What works together in these versions alone."""


def missing() -> list[str]:
    """A line for each package that is not there, or that is of another version where that matters."""
    listed = [line.split("==") for line in REQUIREMENTS.read_text().splitlines() if "==" in line]
    wanted = [(name, number if name in EXACT else None) for name, number in listed]
    lines = [_lack(name, number) for name, number in [*wanted, *((name, None) for name in BROUGHT)]]
    return [line for line in lines if line]


def _lack(name: str, number: str | None) -> str | None:
    try:
        found = version(name)
    except PackageNotFoundError:
        return f"{name}{f' {number}' if number else ''} is not installed"
    return f"{name} is {found}, and {number} is needed" if number not in (None, found) else None
