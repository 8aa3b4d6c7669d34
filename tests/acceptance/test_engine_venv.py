"""A backend whose packages clash with Skylark's runs in a virtual environment of its own."""

from __future__ import annotations

import site
import sys
import venv
from pathlib import Path

import pytest

from tests.acceptance.processes import running_engine

MODELS = """
backends:
  fake:
    default: one
    venv: {venv}
    models: {{one: {{}}}}
  espeak:
    default: espeak-ng
    models: {{espeak-ng: {{}}}}
"""


@pytest.fixture
def own_environment(tmp_path) -> Path:
    """A virtual environment that has nothing but what a runner imports, borrowed from this one."""
    folder = tmp_path / "own"
    venv.create(folder, with_pip=False, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text("\n".join(site.getsitepackages()))
    return folder


@pytest.fixture
def models(tmp_path) -> Path:
    return tmp_path / "models.yaml"


def test_its_runner_is_started_by_that_environments_python(models, own_environment):
    models.write_text(MODELS.format(venv=own_environment))
    with running_engine(SKYLARK_MODELS_FILE=str(models)) as engine:
        assert engine.ended(engine.submit({"text": "a"}))["status"] == "done"
        assert engine.ended(engine.submit({"text": "a"}, model_type="espeak"))["status"] == "done"
        pythons = {runner.cmdline()[0] for runner in engine.runners()}
    assert pythons == {str(own_environment / "bin" / "python"), sys.executable}


def test_an_environment_that_is_not_there_fails_its_jobs_by_name_and_no_others(models, tmp_path):
    models.write_text(MODELS.format(venv=tmp_path / "nowhere"))
    with running_engine(SKYLARK_MODELS_FILE=str(models)) as engine:
        job = engine.ended(engine.submit({"text": "a"}))
        assert (job["status"], job["error"]["code"]) == ("failed", "model_load_failed")
        assert "nowhere/bin/python" in job["error"]["message"]
        assert engine.ended(engine.submit({"text": "a"}, model_type="espeak"))["status"] == "done"
