"""`scripts/up` where there is one Python alone and no compiler: it sets up, speaks, aligns and ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from servers.settings import ROOT
from tests.acceptance.processes import free_port

PATIENCE_S = 900.0
TOOLS = ("bash", "cat", "cksum", "dirname", "env", "grep", "sed", "tr", "uname")
"""What the scripts call; nothing else is on PATH."""


def interpreter(version: str) -> Path:
    """One of that version that runs, on PATH or of pyenv. Skips where there is none."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    on_path = shutil.which(f"python{version}")
    found = [*([Path(on_path)] if on_path else []), *sorted(versions.glob(f"{version}.*/bin/python"))]
    for candidate in found:
        answer = subprocess.run([candidate, "-c", "import sys; print(sys.executable)"], capture_output=True)
        if answer.returncode == 0:
            return Path(answer.stdout.decode().strip())
    pytest.skip(f"there is no Python {version} here")


@pytest.fixture
def checkout():
    """The files of this one, without its environment; in a short path, for sockets are in it."""
    folder = Path(tempfile.mkdtemp(prefix="sky"))
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def only(python: Path, folder: Path) -> str:
    """A PATH where that is python3, and there are the TOOLS."""
    folder.mkdir()
    (folder / "python3").symlink_to(python)
    for tool in TOOLS:
        (folder / tool).symlink_to(str(shutil.which(tool)))
    return str(folder)


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_a_machine_that_has_another_python_alone_starts_skylark(checkout, tmp_path, version):
    path = only(interpreter(version), tmp_path / "bin")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SKYLARK_")}
    kept.pop("VIRTUAL_ENV", None)
    done = subprocess.run(
        [checkout / "scripts" / "up", "--once", "--port-base", str(free_port())],
        cwd=checkout,
        env=kept | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("stopped\n")
    made = subprocess.run([checkout / ".venv/bin/python", "-V"], capture_output=True, text=True)
    assert made.stdout.startswith(f"Python {version}.")
