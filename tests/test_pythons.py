"""Which Python the scripts take, of those that are on PATH; with programs that only say who they are."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from servers import __version__
from servers.settings import ROOT

BASH = shutil.which("bash") or "/bin/bash"
UV = 'case "$2" in install) ;; find) echo /fetched/python3.11 ;; esac'
NO_UV = "exit 2"  # what it does where it may not download


@pytest.fixture
def choose(tmp_path: Path):
    """Calls choose_python where nothing but these programs is on PATH: {name: what it says or does}."""

    def run(programs: dict[str, str], there: str | None = None) -> subprocess.CompletedProcess[str]:
        folder = tmp_path / "bin"
        folder.mkdir()
        for name, does in programs.items():
            _program(folder / name, does if name == "uv" else f"echo {does}")
        if there is not None:
            (tmp_path / ".venv/bin").mkdir(parents=True)
            _program(tmp_path / ".venv/bin/python", f"echo {there}")
            _program(tmp_path / ".venv/bin/uv", "exit 0")
        script = (
            f"set -euo pipefail; make_environment() {{ return 1; }}; . {ROOT}/scripts/python; choose_python"
        )
        environment = {"PATH": str(folder)}
        return subprocess.run(
            [BASH, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    return run


def _program(path: Path, does: str) -> None:
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("programs", "chosen"),
    [
        ({"python3.11": "3.11", "python3": "3.13"}, "python3.11"),
        ({"python3": "3.11", "python3.13": "3.13"}, "python3"),
        ({"python3": "3.13"}, "python3"),
        ({"python3": "3.14", "python3.12": "3.12"}, "python3.12"),
        ({"python3.13": "3.13", "python3.12": "3.12"}, "python3.13"),
        ({"python3.11": "", "python": "3.12"}, "python"),  # as a name that leads nowhere
    ],
)
def test_the_first_of_the_versions_that_is_there_is_taken(choose, programs, chosen):
    assert choose(programs | {"uv": NO_UV}).stdout.split() == [chosen]


def test_the_one_that_the_environment_has_stays(choose):
    assert choose({"python3.11": "3.11"}, there="3.13").stdout.split() == [".venv/bin/python"]


def test_an_environment_of_another_version_is_made_anew(choose):
    assert choose({"python3.11": "3.11"}, there="3.10").stdout.split() == ["python3.11"]


@pytest.mark.parametrize("programs", [{}, {"python3": "3.10"}, {"python3": "3.14"}])
def test_where_there_is_none_uv_fetches_one_or_it_is_an_error(choose, programs, tmp_path):
    assert choose(programs | {"uv": UV}).stdout.split() == ["/fetched/python3.11"]
    shutil.rmtree(tmp_path / "bin")
    refused = choose(programs | {"uv": NO_UV})
    assert (refused.returncode != 0, refused.stdout) == (True, "")


def test_the_scripts_know_the_versions_that_the_project_allows():
    (versions,) = re.findall(r'^versions="(.*)"$', (ROOT / "scripts/python").read_text(), re.MULTILINE)
    allowed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert sorted(versions.split()) == ["3.11", "3.12", "3.13"]
    assert allowed == ">=3.11,<3.14"
    assert ".".join(map(str, sys.version_info[:2])) in versions.split()


def test_the_package_says_the_version_that_the_project_has():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__
