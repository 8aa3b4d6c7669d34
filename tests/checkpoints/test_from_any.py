"""The first source that brings the right bytes is taken; what a first pull pinned, later ones must bring."""

from __future__ import annotations

import hashlib
import json

import pytest

from servers.checkpoints.entries import CheckpointSpec
from servers.checkpoints.folders import State, state
from servers.checkpoints.from_any import pull_from_any, remove
from servers.checkpoints.verify import Hashes, faults, last_manifest, read_manifest
from servers.errors import Conflict, NotFound, PullFailed, SourceUnreachable
from tests.checkpoints.stand_in_hub import COMMIT, Hub

CONTENT = {"model.bin": b"weights" * 1000, "config.json": b"{}"}


@pytest.fixture
def hub():
    pytest.importorskip("huggingface_hub", reason="needs the extra [hub]")
    stand_in = Hub()
    stand_in.files["org/voice"] = dict(CONTENT)
    yield stand_in
    stand_in.close()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "models" / "voice"


@pytest.fixture
def mirror(tmp_path):
    """Makes a mirror of a name; without content it is absent."""

    def make(name: str, content: dict[str, bytes] | None = None) -> dict[str, str]:
        for file, bytes_ in (content or {}).items():
            (tmp_path / name / "voice").mkdir(parents=True, exist_ok=True)
            (tmp_path / name / "voice" / file).write_bytes(bytes_)
        return {"mirror": (tmp_path / name).as_uri()}

    return make


def entry(*sources: dict[str, object], hashed: bool = True) -> CheckpointSpec:
    files = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in CONTENT.items()
    }
    spec = {"licence": "MIT", "size_mb": 1, "sources": list(sources)}
    return CheckpointSpec.model_validate(spec | ({"files": files} if hashed else {}))


def test_the_first_source_that_answers_is_taken(mirror, folder):
    said = []
    spec = entry(mirror("absent"), mirror("second", CONTENT), mirror("third", CONTENT))
    manifest = pull_from_any(spec, folder, None, say=said.append)
    assert manifest.source.endswith("/second/voice")
    assert list(faults(folder)) == []
    (line,) = said
    assert line.endswith("cannot be read: No such file or directory; trying the next source")


def test_a_source_that_lies_about_the_bytes_is_passed_over_and_nothing_of_it_is_kept(mirror, folder):
    liar = mirror("liar", {"model.bin": b"WEIGHTS" * 1000, "config.json": b"{}"})
    manifest = pull_from_any(entry(liar, mirror("honest", CONTENT)), folder, None)
    assert manifest.source.endswith("/honest/voice")
    assert (folder / "model.bin").read_bytes() == CONTENT["model.bin"]


def test_a_hub_that_lists_other_bytes_is_passed_over_before_anything_is_fetched(hub, mirror, folder):
    hub.files["org/voice"]["model.bin"] = b"other"
    said = []
    pull_from_any(entry({"repo": "org/voice"}, mirror("m", CONTENT)), folder, hub.url, say=said.append)
    assert hub.sent == []
    assert said == [
        f"{hub.url}/org/voice lists other bytes for model.bin than are known; trying the next source"
    ]


def test_a_hub_that_lacks_a_file_is_passed_over(hub, folder):
    del hub.files["org/voice"]["config.json"]
    with pytest.raises(PullFailed, match=r"org/voice has no config\.json"):
        pull_from_any(entry({"repo": "org/voice"}), folder, hub.url)
    assert not folder.exists() or state(folder) is State.MISSING


def test_files_of_the_hub_get_the_names_that_the_entry_gives_them(hub, folder):
    hub.files["org/voices"] = {"en/joe/voice.onnx": CONTENT["model.bin"], "en/joe/voice.json": b"{}"}
    paths = {"model.bin": "en/joe/voice.onnx", "config.json": "en/joe/voice.json"}
    pull_from_any(entry({"repo": "org/voices", "paths": paths}), folder, hub.url)
    assert list(faults(folder)) == []
    assert sorted(path.name for path in folder.iterdir()) == sorted([*CONTENT, "skylark-manifest.json"])


def test_where_no_source_brings_it_every_reason_is_told(mirror, folder):
    with pytest.raises(
        SourceUnreachable, match=r"none of its 2 sources brought it: .*/a/voice.*; .*/b/voice"
    ):
        pull_from_any(entry(mirror("a"), mirror("b")), folder, None)
    liar = mirror("liar", {"model.bin": b"x", "config.json": b"{}"})
    with pytest.raises(PullFailed, match="arrived otherwise") as raised:
        pull_from_any(entry(mirror("a"), liar), folder, None)
    assert not isinstance(raised.value, SourceUnreachable)
    assert state(folder) is State.INCOMPLETE


def test_what_one_source_brought_stays_when_another_brings_the_rest(mirror, folder, tmp_path):
    half = mirror("half", {"model.bin": CONTENT["model.bin"]})
    pull_from_any(entry(half, mirror("whole", CONTENT)), folder, None)
    assert list(faults(folder)) == []


def test_where_all_is_there_no_source_is_asked(mirror, folder):
    pull_from_any(entry(mirror("m", CONTENT)), folder, None)
    assert pull_from_any(entry(mirror("absent")), folder, None).source.endswith("/m/voice")


# without hashes in the catalogue


def test_the_first_pull_pins_what_was_listed_and_the_manifest_says_so(hub, folder):
    manifest = pull_from_any(entry({"repo": "org/voice"}, hashed=False), folder, hub.url)
    assert (manifest.hashes, manifest.revision) == (Hashes.FIRST_PULL, COMMIT)
    assert json.loads((folder / "skylark-manifest.json").read_text())["hashes"] == "first pull"


def test_what_was_pinned_is_what_a_later_pull_brings(hub, folder):
    spec = entry({"repo": "org/voice"}, hashed=False)
    pinned = pull_from_any(spec, folder, hub.url)
    (folder / "model.bin").write_bytes(b"damaged")
    hub.files["org/voice"]["model.bin"] = b"another" * 1000
    with pytest.raises(PullFailed, match=r"lists other bytes for model\.bin"):
        pull_from_any(spec, folder, hub.url)
    hub.files["org/voice"]["model.bin"] = CONTENT["model.bin"]
    assert pull_from_any(spec, folder, hub.url) == pinned


def test_a_pin_outlives_a_pull_that_broke_off(hub, folder):
    spec = entry({"repo": "org/voice"}, hashed=False)
    pinned = pull_from_any(spec, folder, hub.url)
    (folder / "model.bin").write_bytes(b"damaged")
    hub.refuse = (403, "")
    with pytest.raises(PullFailed):
        pull_from_any(spec, folder, hub.url)
    assert state(folder) is State.INCOMPLETE
    assert last_manifest(folder) == pinned


def test_another_source_must_bring_what_was_pinned(hub, mirror, folder):
    pull_from_any(entry({"repo": "org/voice"}, hashed=False), folder, hub.url)
    (folder / "model.bin").unlink()
    with pytest.raises(PullFailed, match="arrived otherwise"):
        pull_from_any(entry(mirror("liar", {"model.bin": b"x"}), hashed=False), folder, None)
    pull_from_any(entry(mirror("honest", CONTENT), hashed=False), folder, None)
    assert list(faults(folder)) == []


def test_an_entry_that_comes_to_name_another_commit_is_pulled_anew(hub, folder):
    pull_from_any(entry({"repo": "org/voice"}, hashed=False), folder, hub.url)
    manifest = read_manifest(folder).model_copy(update={"revision": "f" * 40})
    (folder / "skylark-manifest.json").write_text(manifest.model_dump_json())
    hub.files["org/voice"]["config.json"] = b"[]"
    pull_from_any(entry({"repo": "org/voice", "revision": COMMIT}, hashed=False), folder, hub.url)
    assert (folder / "config.json").read_bytes() == b"[]"


# removing


def test_what_is_removed_can_be_pulled_again_without_its_pin(hub, folder):
    spec = entry({"repo": "org/voice"}, hashed=False)
    pull_from_any(spec, folder, hub.url)
    assert remove(folder) > 7000
    assert state(folder) is State.MISSING
    hub.files["org/voice"]["config.json"] = b"[]"
    pull_from_any(spec, folder, hub.url)
    assert (folder / "config.json").read_bytes() == b"[]"


def test_what_no_pull_has_left_is_not_removed(folder):
    with pytest.raises(NotFound, match="no checkpoint at"):
        remove(folder)
    folder.mkdir(parents=True)
    (folder / "mine.bin").write_bytes(b"mine")
    with pytest.raises(Conflict, match="delete it yourself"):
        remove(folder)
    assert (folder / "mine.bin").exists()
