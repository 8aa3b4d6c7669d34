from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.doubles import Rig


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """An engine without processes: make_rig({"a": {"vram_mb": 100}}, max_models=1)."""
    rigs: list[Rig] = []

    def make(models: dict[str, dict[str, Any]] | None = None, **limits: Any) -> Rig:
        rigs.append(Rig(tmp_path, models, **limits))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """Two models, a and b, and room for both."""
    return make_rig()
