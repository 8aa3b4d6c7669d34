"""The image: pushed to the appliance's repository under a tag of its own; named by its digest then."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release.faults import Refused, ReleaseFault

ROOT = Path(__file__).resolve().parents[2]
ENGINES = ("podman", "docker")
ID_DIGITS = 12
PUSH_S = 3600
MANIFESTS = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
]
"""As they were pushed: another form of one has another digest."""
SERVED = "served-"
"""So begins the tag of what serves, or has served: the repository's rules keep the last of these."""


@dataclass(frozen=True)
class Engine:
    """podman or docker, by its path."""

    path: str

    def run(self, *arguments: str, given: str = "") -> str:
        """What it printed. Raises ReleaseFault with what it said last."""
        try:
            done = subprocess.run(
                [self.path, *arguments],
                input=given,
                capture_output=True,
                text=True,
                check=False,
                timeout=PUSH_S,
            )
        except subprocess.TimeoutExpired:
            raise ReleaseFault(f"{self.path} {arguments[0]} has not ended after {PUSH_S} s") from None
        if done.returncode:
            last = " ".join(done.stderr.strip().splitlines()[-1:])
            raise ReleaseFault(f"{self.path} {arguments[0]} failed: {last or done.returncode}")
        return done.stdout.strip()


def find_engine(named: str | None) -> Engine:
    """`named` is $CONTAINER_ENGINE."""
    found = next(filter(None, map(shutil.which, [named] if named else ENGINES)), None)
    if found is None:
        raise Refused("neither podman nor docker is on PATH (or name one in CONTAINER_ENGINE)")
    return Engine(found)


def build(variant: str) -> str:
    """The tag of a new image."""
    command = [str(ROOT / "scripts" / "build-image"), variant]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise ReleaseFault(f"scripts/build-image {variant} failed")
    return done.stdout.strip().splitlines()[-1]


def release_name(repository: str, image: str, ecr: Any, engine: Callable[[], Engine]) -> str:
    """`repository@sha256:…` of an image: one that is there, or one of this machine, which is pushed.

    `engine` is asked for only to push.
    """
    name, _, digest = image.partition("@")
    if name == repository and digest:
        return _known(repository, {"imageDigest": digest}, ecr)
    if name.rpartition(":")[0] == repository:
        return _known(repository, {"imageTag": name.rpartition(":")[2]}, ecr)
    return push(repository, image, ecr, engine())


def push(repository: str, image: str, ecr: Any, engine: Engine) -> str:
    """Its tag has the image's id in it: a tag is never moved, and the same image is pushed once."""
    id = engine.run("image", "inspect", "--format", "{{.Id}}", image).removeprefix("sha256:")
    tag = f"{_version(image)}-{id[:ID_DIGITS]}"
    if found := _found(repository, {"imageTag": tag}, ecr):
        return found
    _log_in(repository, ecr, engine)
    engine.run("tag", image, f"{repository}:{tag}")
    engine.run("push", f"{repository}:{tag}")
    return _known(repository, {"imageTag": tag}, ecr)


def keep(repository: str, image: str, ecr: Any) -> None:
    """Tags what is to serve, `repository@sha256:…`, so that the repository's rules do not expire it, however
    many others are pushed. Done twice it is done once.
    """
    name, digest = repository.partition("/")[2], image.rpartition("@")[2]
    there = ecr.batch_get_image(
        repositoryName=name, imageIds=[{"imageDigest": digest}], acceptedMediaTypes=MANIFESTS
    )["images"]
    if not there:
        raise ReleaseFault(f"{repository} has {digest} no more: a machine could not pull it")
    what = {key: there[0][key] for key in ("imageManifest", "imageManifestMediaType") if key in there[0]}
    tag = f"{SERVED}{digest.removeprefix('sha256:')[:ID_DIGITS]}"
    with suppress(ecr.exceptions.ImageAlreadyExistsException):
        ecr.put_image(repositoryName=name, imageDigest=digest, imageTag=tag, **what)


def _version(image: str) -> str:
    """The image's own tag, as far as it can be one: skylark:0.1.0-1a2b3c4d is version 0.1.0-1a2b3c4d."""
    last = image.rpartition("/")[2].partition("@")[0]
    name, _, tag = last.partition(":")
    return re.sub(r"[^A-Za-z0-9_.-]", "-", tag or name)[:100]


def _log_in(repository: str, ecr: Any, engine: Engine) -> None:
    data = ecr.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    engine.run("login", "--username", user, "--password-stdin", repository.partition("/")[0], given=password)


def _known(repository: str, id: dict[str, str], ecr: Any) -> str:
    found = _found(repository, id, ecr)
    if found is None:
        raise Refused(f"{repository} has no image {''.join(id.values())}")
    return found


def _found(repository: str, id: dict[str, str], ecr: Any) -> str | None:
    name = repository.partition("/")[2]
    failures: Sequence[Any] = (
        ecr.exceptions.ImageNotFoundException,
        ecr.exceptions.InvalidParameterException,
    )
    try:
        (found,) = ecr.describe_images(repositoryName=name, imageIds=[id])["imageDetails"]
    except tuple(failures):
        return None
    return f"{repository}@{found['imageDigest']}"
