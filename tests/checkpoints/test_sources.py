"""The hub and an archive, asked over loopback: what they list, and the errors that a server passes on."""

from __future__ import annotations

import hashlib

import pytest

from servers.checkpoints.entries import Archived, Repository
from servers.checkpoints.pull import pull
from servers.checkpoints.sources import hub as hub_module
from servers.checkpoints.sources import source_of
from servers.errors import MissingExtra, PullFailed, SourceUnreachable
from tests.checkpoints.stand_in_hub import COMMIT, Hub

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def hub():
    pytest.importorskip("huggingface_hub", reason="needs the extra [hub]")
    stand_in = Hub()
    stand_in.files["org/voice"] = {"config.json": b"{}", "model.safetensors": b"w" * 1000}
    yield stand_in
    stand_in.close()


def repository(**fields: object) -> Repository:
    return Repository.model_validate({"repo": "org/voice"} | fields)


def archive(url: str, sha256: str = "0" * 64) -> Archived:
    return Archived(url=url, sha256=sha256)


def test_the_hub_lists_a_commit_and_what_each_file_must_be(hub):
    listing = source_of(repository(), hub.url, "voice", {}).listing()
    assert (listing.address, listing.revision, listing.bytes) == (f"{hub.url}/org/voice", COMMIT, 1002)
    small, large = listing.files
    assert (small.sha256, small.git_hash is None) == (None, False)
    assert large.sha256 == hashlib.sha256(b"w" * 1000).hexdigest()


def test_an_archives_size_is_not_known_beforehand():
    listing = source_of(archive(f"{NOWHERE}/data/punkt.zip?x=1"), None, "voice", {}).listing()
    assert (listing.bytes, [file.name for file in listing.files]) == (None, ["punkt.zip"])


@pytest.mark.parametrize("spec", [repository(), archive(f"{NOWHERE}/punkt.zip")])
def test_a_source_where_nobody_answers_is_unreachable(spec, tmp_path):
    pytest.importorskip("huggingface_hub", reason="needs the extra [hub]")
    with pytest.raises(SourceUnreachable, match="cannot be reached") as raised:
        pull(source_of(spec, NOWHERE, "voice", {}), tmp_path / "voice")
    assert (raised.value.code, raised.value.http_status) == ("source_unreachable", 503)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (repository(revision="v9"), "no revision 'v9'"),
        (repository(repo="org/absent"), "HF_TOKEN"),
    ],
)
def test_what_the_hub_refuses_is_a_failed_pull(hub, tmp_path, spec, says):
    with pytest.raises(PullFailed, match=says) as raised:
        pull(source_of(spec, hub.url, "voice", {}), tmp_path / "voice")
    assert (raised.value.code, raised.value.http_status) == ("pull_failed", 502)


def test_without_the_hubs_library_the_extra_that_has_it_is_named(monkeypatch):
    def require(extra, *_):
        raise MissingExtra(f".[{extra}]")

    monkeypatch.setattr(hub_module, "require", require)
    with pytest.raises(MissingExtra, match="hub"):
        source_of(repository(), None, "voice", {})
