"""The archive of the functions: the same bytes for the same code, and it needs nothing else but boto3."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from servers.settings import ROOT

pytest.importorskip("boto3", reason="boto3 is not installed")

LOOK = """
import sys
from auto_stop.handler import handler as stops
from reception.handler import handler as takes
from start.handler import handler as starts
assert {one.__module__ for one in (stops, takes, starts)} == {
    "auto_stop.handler", "reception.handler", "start.handler"
}
assert all(".zip" in sys.modules[name].__file__ for name in ("appliance", "auto_stop", "reception", "start"))
assert not [name for name in sys.modules if name.split(".")[0] in ("servers", "numpy", "pydantic")]
"""


def pack(script, file):
    done = subprocess.run(
        [sys.executable, script, file], capture_output=True, text=True, check=False, cwd=file.parent
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(file)
    return file.read_bytes()


def test_the_same_code_makes_the_same_bytes_wherever_and_whenever_it_is_packed(tmp_path):
    here = pack(ROOT / "infra" / "archive", tmp_path / "here.zip")
    copied = tmp_path / "elsewhere"
    shutil.copytree(ROOT / "lambda", copied / "lambda")
    (copied / "infra").mkdir()
    shutil.copy(ROOT / "infra" / "archive", copied / "infra" / "archive")
    for file in copied.rglob("*.py"):
        os.utime(file, (0, 0))
        file.chmod(0o600)
    assert pack(copied / "infra" / "archive", tmp_path / "there.zip") == here


def test_it_has_the_code_and_nothing_else(tmp_path):
    pack(ROOT / "infra" / "archive", tmp_path / "functions.zip")
    with zipfile.ZipFile(tmp_path / "functions.zip") as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"appliance", "auto_stop", "reception", "start"}
    assert all(name.endswith(".py") for name in names)


def test_the_functions_can_be_imported_from_it_alone(tmp_path):
    archive = tmp_path / "functions.zip"
    pack(ROOT / "infra" / "archive", archive)
    where = f"import sys; sys.path.insert(0, {str(archive)!r})\n"
    done = subprocess.run(
        [sys.executable, "-P", "-c", where + LOOK],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_folder_without_code_is_said(tmp_path):
    (tmp_path / "infra").mkdir()
    shutil.copy(ROOT / "infra" / "archive", tmp_path / "infra" / "archive")
    done = subprocess.run(
        [sys.executable, tmp_path / "infra" / "archive"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "there is no code in" in done.stderr
