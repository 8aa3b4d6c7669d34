"""The locks: what scripts/up, scripts/test and the images install."""

from __future__ import annotations

import re

import pytest

from servers.settings import ROOT

PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; (?P<marker>.+?))? \\$", re.MULTILINE)
LOCKS = ("requirements.lock", "requirements-cpu.lock", "requirements-cuda.lock", "requirements-image.lock")


def pins(lock):
    """Name and version of each package, for Python 3.11 on Linux."""
    found = PIN.finditer((ROOT / lock).read_text())
    elsewhere = (
        "python_full_version >= '3.1",
        "python_full_version == '3.12",
        "sys_platform == 'win32'",
        "sys_platform != 'linux'",
    )
    return {one["name"]: one["version"] for one in found if not (one["marker"] or "").startswith(elsewhere)}


def test_an_environment_with_the_models_serves_without_them_too():
    assert pins("requirements.lock").items() <= pins("requirements-cpu.lock").items()


def test_skylarks_own_packages_have_one_version_on_the_gpu_as_well():
    core, cuda = pins("requirements.lock"), pins("requirements-cuda.lock")
    assert {name: core[name] for name in core & cuda.keys()} == {
        name: cuda[name] for name in core & cuda.keys()
    }
    assert {"flask", "sqlalchemy", "numpy", "typer"} <= cuda.keys()


def test_the_image_for_cpus_has_the_same_versions_and_nothing_for_developers():
    assert pins("requirements-image.lock").items() <= pins("requirements.lock").items()
    assert {"piper-tts", "faster-whisper", "boto3", "psycopg"} <= pins("requirements-image.lock").keys()
    assert not {"pytest", "mypy", "ruff", "torch"} & pins("requirements-image.lock").keys()


def test_only_one_lock_is_for_cuda():
    assert pins("requirements-cpu.lock")["torch"] == "2.13.0+cpu"
    assert pins("requirements-cuda.lock")["torch"] == "2.8.0"
    of_cuda = [name for name in pins("requirements-cpu.lock") if name.startswith(("nvidia-", "triton"))]
    assert of_cuda == ["nvidia-riva-client"], "which is a client of gRPC"
    assert "torch" not in pins("requirements.lock")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_index_and_hashes_every_package(lock):
    text = (ROOT / lock).read_text()
    assert not re.search(r"^\s*-(?!-hash)|://", text, re.MULTILINE)
    packages = re.split(r"\n(?=[a-z0-9])", text)
    assert all("--hash=sha256:" in package for package in packages)
