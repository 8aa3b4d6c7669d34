"""Where a backend finds a checkpoint, and what it is told where there is none."""

from __future__ import annotations

import shutil
import threading

import pytest

from servers.checkpoints import folder_of, folders, locate
from servers.checkpoints.folders import MANIFEST, UNFINISHED, pulled, size
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


def test_a_size_can_be_taken_while_files_and_folders_come_and_go(models_dir):
    """As pip's and uv's own temporary folders do while a pull reports how far it is."""
    ended = threading.Event()

    def come_and_go():
        while not ended.is_set():
            (models_dir / "a" / "b").mkdir(parents=True)
            (models_dir / "a" / "b" / "file").write_bytes(b"123")
            shutil.rmtree(models_dir / "a")

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        assert {size(models_dir) for _ in range(2000)} <= {0, 3}
    finally:
        ended.set()
        thread.join()


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """No models_dir is set: the folder that checkouts share, and the one that was used before."""
    monkeypatch.delenv("SKYLARK_MODELS_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(folders, "EARLIER", tmp_path / "earlier")
    settings.cache_clear()
    return settings().models_folder


def put(folder):
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text("{}")
    return folder


def test_what_was_pulled_before_checkouts_shared_is_used_where_it_is(shared, tmp_path):
    earlier = put(tmp_path / "earlier" / "voice")
    assert locate("voice") == earlier
    assert folder_of("ear") == shared / "ear"
    assert pulled() == ["voice"]
    assert locate("voice") == earlier
    assert put(shared / "voice") == locate("voice")
    assert pulled() == ["voice"]


def test_a_models_dir_is_all_that_is_looked_at(shared, tmp_path, monkeypatch):
    put(tmp_path / "earlier" / "voice")
    monkeypatch.setenv("SKYLARK_MODELS_DIR", str(tmp_path / "own"))
    settings.cache_clear()
    assert folder_of("voice") == tmp_path / "own" / "voice"
    assert pulled() == []
