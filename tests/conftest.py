"""How tests are dealt out to the processes of scripts/test: a file is one process's, and so is what shares a
fixture that takes minutes. What takes longest goes first, so that none waits for another at the end.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("skylark", deadline=None)  # a busy machine is slow, and not wrong
settings.load_profile("skylark")

HERE = Path(__file__).parent
SHARED = (HERE / "infra" / "applied",)
FIRST = (*SHARED, HERE / "acceptance", HERE / "infra")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _place(item.path))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object | None:
    """Instead of xdist's own groups: pytest 9.2 does not see the names that xdist 3.8 gives them."""
    if config.getoption("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(config.rootpath / nodeid.partition("::")[0])

    return Groups(config, log)


def _group(file: Path) -> str:
    shared = [folder for folder in SHARED if file.is_relative_to(folder)]
    return str((shared[0] if shared else file).relative_to(HERE))


def _place(file: Path) -> int:
    return next((n for n, folder in enumerate(FIRST) if file.is_relative_to(folder)), len(FIRST))
