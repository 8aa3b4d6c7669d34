"""Where a backend finds a checkpoint, and what it is told where there is none."""

from __future__ import annotations

import pytest

from servers.checkpoints import locate
from servers.checkpoints.folders import UNFINISHED
from servers.errors import ModelLoadFailed
from servers.settings import settings


@pytest.fixture(autouse=True)
def models_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("SKYLARK_MODELS_DIR", str(tmp_path))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def test_a_name_is_a_folder_in_the_models_dir_and_a_path_is_itself(models_dir):
    folder = models_dir / "voice"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    assert locate("voice") == locate(folder) == folder


def test_a_missing_checkpoint_says_which_command_to_run(models_dir):
    with pytest.raises(ModelLoadFailed, match=r"no checkpoint at .*: run `skylark models pull voice`"):
        locate("voice")


def test_an_empty_folder_is_no_checkpoint(models_dir):
    (models_dir / "voice").mkdir()
    with pytest.raises(ModelLoadFailed, match="no checkpoint"):
        locate("voice")


def test_a_pull_that_did_not_end_is_no_checkpoint(models_dir):
    (models_dir / "voice" / UNFINISHED).mkdir(parents=True)
    with pytest.raises(ModelLoadFailed, match="incomplete: run `skylark models pull voice`"):
        locate("voice")


def test_what_has_its_own_place_cannot_be_pulled_there(models_dir):
    with pytest.raises(ModelLoadFailed, match="name another folder"):
        locate(models_dir / "elsewhere")
