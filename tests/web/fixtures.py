"""Fixtures that the tests of every server use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servers.settings import settings
from servers.settings.variables import E2E, GPU_VARIABLES, REGION

Configure = Callable[..., None]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Configure]:
    """Settings for this test alone: configure(SKYLARK_LIMITS__MAX_TEXTS="2")."""
    for name in ("TTS_API_KEY", "SKYLARK_API_KEY", "SKYLARK_API_KEYS", *E2E.values(), *GPU_VARIABLES, REGION):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SKYLARK_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SKYLARK_TTS__MODEL_TYPE", "espeak")  # whatever was pulled on this machine
    monkeypatch.setenv("SKYLARK_WHISPERX__MODEL_TYPE", "pocketsphinx")

    def set_all(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()

    set_all()
    yield set_all
    settings.cache_clear()
