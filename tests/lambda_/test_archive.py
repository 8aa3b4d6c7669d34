"""The folder is deployed as it is: an archive of it runs where there is nothing but boto3."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile

import pytest

from servers.settings import ROOT

pytest.importorskip("boto3", reason="boto3 is not installed")
FOLDER = ROOT / "lambda"
FILES = sorted(FOLDER.glob("*/*.py"))
HANDLERS = sorted(file.parent.name for file in FILES if file.name == "handler.py")
THERE = {"boto3", "botocore", *(file.parent.name for file in FILES)} | sys.stdlib_module_names
LOOK = """
import sys
from importlib import import_module
for name in {handlers}:
    assert import_module(name + ".handler").handler.__module__ == name + ".handler"
    assert ".zip" in sys.modules[name].__file__
assert not [name for name in sys.modules if name.split(".")[0] in ("servers", "numpy", "pydantic")]
"""


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_nothing_is_imported_but_the_standard_library_and_boto3(file):
    tree = ast.parse(file.read_text())
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {name.split(".")[0] for name in names} <= THERE


def test_an_archive_of_it_can_be_imported(tmp_path):
    archive = tmp_path / "functions.zip"
    with zipfile.ZipFile(archive, "w") as writing:
        for file in FILES:
            writing.write(file, file.relative_to(FOLDER))
    where = f"import sys; sys.path.insert(0, {str(archive)!r})\n"
    done = subprocess.run(
        [sys.executable, "-P", "-c", where + LOOK.format(handlers=HANDLERS)],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_there_is_something_in_it():
    assert "auto_stop" in HANDLERS
    assert FOLDER / "appliance" / "table.py" in FILES
