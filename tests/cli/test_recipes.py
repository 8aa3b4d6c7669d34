"""The justfile's recipes start the workers that the seed names, with the model that is named in its way."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from servers.settings import ROOT

JUST = shutil.which("just")
needs_just = pytest.mark.skipif(JUST is None, reason="the recipes are run by just: pip install rust-just")
RECIPES = {
    "run-tts-mock": "mock",
    "run-tts-piper": "piper",
    "run-tts-cosy": "cosyvoice2",
    "run-tts-xtts": "xtts",
    "run-tts-sesame": "sesame",
}


def told(*arguments: str) -> str:
    """What just would run."""
    command = [str(JUST), "--justfile", str(ROOT / "justfile"), "--dry-run", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return ran.stderr.split(".venv/bin/skylark")[1].lstrip('" ').strip()


def test_the_seeds_recipes_are_there_each_with_its_adapter():
    text = (ROOT / "justfile").read_text()
    for recipe, adapter in RECIPES.items():
        assert f'\n{recipe} model="": (_worker "{adapter}" model)\n' in text


@needs_just
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_runs_a_worker_with_its_adapter(recipe):
    assert told(recipe) == f"worker --adapter {RECIPES[recipe]}"


@needs_just
@pytest.mark.parametrize("named", ["DEFAULT=piper-en-us-lessac-medium", "piper-en-us-lessac-medium"])
def test_a_model_is_named_in_the_seeds_way_or_plainly(named):
    assert told("run-tts-piper", named) == "worker --adapter piper --default 'piper-en-us-lessac-medium'"
