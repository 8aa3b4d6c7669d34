"""What a backend imports of the package costs nothing, and a server can use all of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from servers.settings import ROOT

COMMAND_LINE = {"rich", "typer", "servers.cli"}
SOURCES = {"requests", "huggingface_hub"}


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("servers.checkpoints", COMMAND_LINE | SOURCES),
        ("servers.checkpoints.sources.archive, servers.checkpoints.pull", COMMAND_LINE | {"huggingface_hub"}),
        ("servers.checkpoints.catalogue, servers.checkpoints.from_any", COMMAND_LINE | SOURCES),
        ("servers.checkpoints.sources.hub", COMMAND_LINE | {"huggingface_hub"}),
    ],
)
def test_importing_it_loads_nothing_that_it_does_not_need(module, unwanted):
    program = f"import sys, {module}; sys.exit(' '.join({unwanted} & set(sys.modules)) or None)"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)
