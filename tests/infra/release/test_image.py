"""The image gets into the repository, once, and is named by its digest."""

from __future__ import annotations

import json
import sys

import boto3
import pytest

pytest.importorskip("moto", reason="moto is not installed")

from moto import mock_aws

from release.faults import Refused, ReleaseFault
from release.image import Engine, find_engine, keep, release_name

REPOSITORY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/skylark-speech"
ID = "0123456789abcdef" * 4
ENGINE = f"""#!{sys.executable}
import json, os, sys
with open({{log!r}}, "a") as log:
    print(json.dumps([sys.argv[1:], sys.stdin.read() if "--password-stdin" in sys.argv else ""]), file=log)
if sys.argv[1] == "image":
    if sys.argv[-1] == "missing":
        sys.exit("no such image: missing")
    print("sha256:{ID}")
"""


@pytest.fixture
def ecr(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        client = boto3.client("ecr", region_name="eu-central-1")
        client.create_repository(repositoryName="skylark-speech")
        yield client
        client.close()


@pytest.fixture
def engine(tmp_path, ecr):
    """A program that takes an engine's arguments; what it pushes is in the repository then."""
    program, log = tmp_path / "podman", tmp_path / "log"
    program.write_text(ENGINE.format(log=str(log)))
    program.chmod(0o755)

    class Pushing(Engine):
        def run(self, *arguments, given=""):
            said = super().run(*arguments, given=given)
            if arguments[0] == "push":
                pushed(ecr, arguments[1].rpartition(":")[2])
            return said

        def calls(self):
            lines = log.read_text().splitlines() if log.exists() else []
            return [json.loads(line) for line in lines]

    return Pushing(str(program))


def never():
    raise AssertionError("nothing is pushed")


def pushed(ecr, tag: str) -> str:
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "tag": tag}
    made = ecr.put_image(repositoryName="skylark-speech", imageManifest=json.dumps(manifest), imageTag=tag)
    return str(made["image"]["imageId"]["imageDigest"])


def test_an_image_of_this_machine_is_pushed_by_its_version_and_id(ecr, engine):
    name = release_name(REPOSITORY, "skylark:0.1.0-1a2b3c4d-cuda", ecr, lambda: engine)
    assert name.startswith(f"{REPOSITORY}@sha256:")
    tag = f"{REPOSITORY}:0.1.0-1a2b3c4d-cuda-0123456789ab"
    said = [arguments for arguments, _ in engine.calls()]
    assert said[0][:2] == ["image", "inspect"]
    assert said[1][:3] == ["login", "--username", "AWS"]
    assert said[2:] == [["tag", "skylark:0.1.0-1a2b3c4d-cuda", tag], ["push", tag]]


def test_the_password_is_no_argument(ecr, engine):
    release_name(REPOSITORY, "skylark:next", ecr, lambda: engine)
    (given,) = (given for arguments, given in engine.calls() if arguments[0] == "login")
    assert given
    assert not any(given in " ".join(arguments) for arguments, _ in engine.calls())


def test_what_is_there_is_not_pushed_again(ecr, engine):
    first = release_name(REPOSITORY, "skylark:next", ecr, lambda: engine)
    again = release_name(REPOSITORY, "skylark:next", ecr, lambda: engine)
    assert first == again
    assert [arguments[0] for arguments, _ in engine.calls()].count("push") == 1


def test_an_image_of_the_repository_is_taken_by_its_tag_or_digest_without_an_engine(ecr):
    digest = pushed(ecr, "0.1.0")
    for image in (f"{REPOSITORY}:0.1.0", f"{REPOSITORY}@{digest}"):
        assert release_name(REPOSITORY, image, ecr, never) == f"{REPOSITORY}@{digest}"


@pytest.mark.parametrize(
    "image", [f"{REPOSITORY}:gone", f"{REPOSITORY}@sha256:{'0' * 64}", f"{REPOSITORY}@sha256:x"]
)
def test_an_image_that_the_repository_does_not_have_is_refused(ecr, image):
    with pytest.raises(Refused, match="has no image"):
        release_name(REPOSITORY, image, ecr, never)


def test_without_an_engine_nothing_of_this_machine_is_pushed(ecr, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="neither podman nor docker is on PATH"):
        release_name(REPOSITORY, "skylark:next", ecr, lambda: find_engine(None))


def test_what_the_engine_says_is_told(ecr, engine):
    with pytest.raises(ReleaseFault, match="image failed: no such image: missing"):
        release_name(REPOSITORY, "missing", ecr, lambda: engine)


def test_what_serves_is_tagged_so_that_it_does_not_expire_and_a_second_time_nothing_happens(ecr):
    digest = pushed(ecr, "0.1.0")
    for _ in range(2):
        keep(REPOSITORY, f"{REPOSITORY}@{digest}", ecr)
    (found,) = ecr.describe_images(repositoryName="skylark-speech")["imageDetails"]
    assert found["imageDigest"] == digest
    assert sorted(found["imageTags"]) == ["0.1.0", f"served-{digest.removeprefix('sha256:')[:12]}"]


def test_what_the_repository_does_not_have_any_more_cannot_be_kept(ecr):
    with pytest.raises(ReleaseFault, match="no more: a machine could not pull it"):
        keep(REPOSITORY, f"{REPOSITORY}@sha256:{'0' * 64}", ecr)
