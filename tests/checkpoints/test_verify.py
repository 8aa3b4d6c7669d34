"""What differs from a manifest is named, file by file."""

from __future__ import annotations

import pytest

from servers.checkpoints.folders import MANIFEST
from servers.checkpoints.verify import faults, listed, read_manifest, write_manifest


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "codec").mkdir()
    for name in ("config.json", "weights.bin", "codec/config.json"):
        (tmp_path / name).write_bytes(b"12")
    names = ["weights.bin", "config.json", "codec/config.json"]
    write_manifest(tmp_path, listed(tmp_path, names, "here", "r1"))
    return tmp_path


def test_a_whole_checkpoint_has_no_faults(folder):
    assert list(faults(folder)) == []
    assert list(read_manifest(folder).files) == ["codec/config.json", "config.json", "weights.bin"]


def test_each_file_that_differs_is_named(folder):
    (folder / "config.json").unlink()
    (folder / "weights.bin").write_bytes(b"21")
    (folder / "codec" / "more.txt").write_text("x")
    assert list(faults(folder)) == ["missing: config.json", "changed: weights.bin", "extra: codec/more.txt"]


@pytest.mark.parametrize(
    ("content", "fault"), [("{}", f"changed: {MANIFEST}"), (None, f"it has no {MANIFEST}, so nothing says")]
)
def test_without_a_manifest_that_a_pull_wrote_nothing_is_vouched_for(folder, content, fault):
    (folder / MANIFEST).unlink() if content is None else (folder / MANIFEST).write_text(content)
    (found,) = faults(folder)
    assert found.startswith(fault)


def test_a_manifest_that_was_changed_with_its_file_is_not_what_the_catalogue_has(folder):
    known = {"weights.bin": read_manifest(folder).files["weights.bin"]}
    assert list(faults(folder, known)) == []
    (folder / "weights.bin").write_bytes(b"21")
    write_manifest(folder, listed(folder, read_manifest(folder).files, "here", "r1"))
    assert list(faults(folder)) == []
    assert list(faults(folder, known)) == ["not as in the catalogue: weights.bin"]
