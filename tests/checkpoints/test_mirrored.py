"""A mirror is a folder of checkpoints by name: as a folder, over HTTP, and in a bucket."""

from __future__ import annotations

import hashlib
import shutil
from importlib.util import find_spec

import pytest

from servers.checkpoints.entries import CheckpointSpec
from servers.checkpoints.folders import MANIFEST
from servers.checkpoints.from_any import pull_from_any
from servers.checkpoints.sources import transfer
from servers.checkpoints.verify import Hashes, faults, listed, write_manifest
from servers.errors import MissingExtra, PullFailed, SourceUnreachable, UnknownSource
from tests.checkpoints.stand_in_bucket import Bucket

WEIGHTS = bytes(range(256)) * 2000
CONTENT = {"weights.bin": WEIGHTS, "codec/config.json": b"{}"}


@pytest.fixture
def mirror(tmp_path):
    """A folder as another machine's models_dir is; its path has what an address must escape."""
    folder = tmp_path / "of all #1" / "voice"
    for name, content in CONTENT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    write_manifest(folder, listed(folder, CONTENT, "somewhere", "r7"))
    return folder.parent


@pytest.fixture
def bucket(mirror):
    stand_in = Bucket(mirror)
    yield stand_in
    stand_in.close()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "models" / "voice"


def entry(source: str, *, hashed: bool = True) -> CheckpointSpec:
    files = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in CONTENT.items()
    }
    spec = {"licence": "MIT", "size_mb": 1, "sources": [{"repo": "org/voice"}]}
    return CheckpointSpec.model_validate(spec | ({"files": files} if hashed else {})).only_from(source)


def test_a_folder_brings_what_the_catalogue_has_the_hashes_of(mirror, folder):
    (mirror / "voice" / MANIFEST).unlink()
    manifest = pull_from_any(entry(str(mirror)), folder, None)
    assert list(faults(folder)) == []
    assert (manifest.hashes, manifest.source) == (Hashes.CATALOGUE, f"{mirror.as_uri()}/voice")


def test_without_hashes_the_mirrors_manifest_says_what_it_holds(mirror, folder):
    manifest = pull_from_any(entry(mirror.as_uri(), hashed=False), folder, None)
    assert (set(manifest.files), manifest.revision) == (set(CONTENT), "r7")
    assert manifest.hashes is Hashes.FIRST_PULL


def test_without_hashes_and_a_manifest_nothing_is_taken(mirror, folder):
    (mirror / "voice" / MANIFEST).write_text("{}")
    with pytest.raises(PullFailed, match="is none that a pull has left"):
        pull_from_any(entry(mirror.as_uri(), hashed=False), folder, None)
    assert not folder.exists()


def test_other_bytes_are_refused(mirror, folder):
    (mirror / "voice" / "weights.bin").write_bytes(WEIGHTS[::-1])
    with pytest.raises(PullFailed, match=r"weights\.bin arrived otherwise"):
        pull_from_any(entry(str(mirror)), folder, None)
    assert not (folder / "weights.bin").exists()


def test_a_folder_that_is_not_there_is_unreachable(tmp_path, folder):
    with pytest.raises(SourceUnreachable, match=r"nowhere/voice/weights\.bin cannot be read: No such"):
        pull_from_any(entry(str(tmp_path / "nowhere")), folder, None)


def test_over_http_a_file_that_broke_off_is_gone_on_with(bucket, folder):
    bucket.break_after = 200_000
    with pytest.raises(PullFailed, match="it goes on"):
        pull_from_any(entry(f"{bucket.url}/"), folder, None)
    assert 0 < (folder / "weights.bin").stat().st_size <= 200_000
    pull_from_any(entry(bucket.url), folder, None)
    assert list(faults(folder)) == []
    assert bucket.ranges == [f"bytes={(200_000 // transfer.BLOCK) * transfer.BLOCK}-"]


def test_a_whole_file_with_another_hash_is_fetched_anew_and_not_gone_on_with(bucket, folder):
    folder.mkdir(parents=True)
    (folder / "weights.bin").write_bytes(WEIGHTS[::-1])
    pull_from_any(entry(bucket.url), folder, None)
    assert list(faults(folder)) == []
    assert bucket.ranges == []


def test_a_server_without_the_file_says_so(bucket, folder, mirror):
    shutil.rmtree(mirror / "voice")
    with pytest.raises(PullFailed, match="404"):
        pull_from_any(entry(bucket.url), folder, None)


def test_a_bucket_is_resumed_as_well(bucket, folder, monkeypatch):
    pytest.importorskip("boto3", reason="needs the package boto3")
    environment = {
        "AWS_ENDPOINT_URL": bucket.url,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    keys = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"}
    for name, value in (environment | keys).items():
        monkeypatch.setenv(name, value)
    (bucket.folder / "weights").mkdir()
    (bucket.folder / "voice").rename(bucket.folder / "weights" / "voice")
    bucket.break_after = 200_000
    with pytest.raises(PullFailed):
        pull_from_any(entry("s3://weights"), folder, None)
    pull_from_any(entry("s3://weights"), folder, None)
    assert list(faults(folder)) == []
    assert len(bucket.ranges) == 1


@pytest.mark.skipif(find_spec("boto3") is not None, reason="boto3 is installed")
def test_without_boto3_a_bucket_says_what_to_install(folder):
    with pytest.raises(MissingExtra, match="needs the package boto3"):
        pull_from_any(entry("s3://weights"), folder, None)


@pytest.mark.parametrize("source", ["packages", "ftp://host/models", "file:models", "s3:", "models"])
def test_what_is_no_source_says_which_there_are(source):
    with pytest.raises(UnknownSource, match="is no source: this checkpoint has hub; or name a folder"):
        entry(source)
