"""The image, built and run by the container engine of this machine, with its state in a folder here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import psutil

from servers.checkpoints import folder_of
from servers.checkpoints.folders import State, state
from servers.jobs.client import JobsClient
from servers.settings import ROOT, Settings
from servers.supervision.processes import DOORS
from tests.acceptance.processes import EMBEDDED, STAND_INS, Served, Session, free_port
from tests.real_weights import CHECKPOINTS

IMAGE = "localhost/skylark-test:cpu"
KEY = "the key of the tests"
USER = 10_001
"""Whom the image runs as."""
STATE = "/var/lib/skylark"
BASE_IMAGES = ("localhost/debian:bookworm-slim", "debian:bookworm-slim")
BUILD_S, ENGINE_S, STOP_S = 900.0, 120.0, 105.0
STOOD_IN = {
    "SKYLARK_MODELS_FILE": "/stand_ins/models.yaml",
    "SKYLARK_BACKENDS_PATH": '["/stand_ins"]',
    **EMBEDDED,
}
"""The tests' own models, in place of those that are in the image."""


class Missing(Exception):
    """No image can be built or run here; the message says why."""


@cache
def engine() -> str:
    """podman or docker. Raises Missing."""
    found = os.environ.get("CONTAINER_ENGINE") or shutil.which("podman") or shutil.which("docker")
    if not found:
        raise Missing("there is no container engine here: neither podman nor docker is on PATH")
    if os.getuid() != 0:
        raise Missing("the tests look into a container's state, which only root may")
    return found


def call(*arguments: str, within_s: float = ENGINE_S, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [engine(), *arguments], capture_output=True, text=True, timeout=within_s, check=check
    )


def base_image() -> str:
    """Raises Missing where there is none, nor a registry to have it from."""
    for name in filter(None, (os.environ.get("BASE_IMAGE"), *BASE_IMAGES)):
        if call("image", "inspect", name, check=False).returncode == 0:
            return name
    pulled = call("pull", "--quiet", BASE_IMAGES[-1], check=False)
    if pulled.returncode != 0:
        raise Missing(f"there is no base image, and none can be pulled: {pulled.stderr.strip()[-200:]}")
    return BASE_IMAGES[-1]


def build(tag: str = IMAGE) -> None:
    """The variant for CPUs, with the real weights where they are in this user's cache. Raises Missing."""
    base = base_image()
    with tempfile.TemporaryDirectory() as folder:
        _gather_weights(Path(folder))
        done = subprocess.run(
            [str(ROOT / "scripts" / "build-image"), "cpu", tag, "--network=host"],
            env=os.environ | {"BASE_IMAGE": base, "WEIGHTS": folder, "CONTAINER_ENGINE": engine()},
            capture_output=True,
            text=True,
            timeout=BUILD_S,
        )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def _gather_weights(folder: Path) -> None:
    if has_weights():
        for name in CHECKPOINTS:
            shutil.copytree(folder_of(name), folder / name)


def has_weights() -> bool:
    return all(state(folder_of(name)) is State.PRESENT for name in CHECKPOINTS)


class Container(Served):
    """One of the image, with a root that cannot be written, its doors at ports of this machine."""

    def __init__(self, folder: Path, *options: str, image: str = IMAGE, **settings: str) -> None:
        self.folder = folder
        self.ports = {door.name: free_port() for door in DOORS}
        inside = {door.name: door.address(Settings())[1] for door in DOORS}
        published = [f"--publish=127.0.0.1:{port}:{inside[name]}" for name, port in self.ports.items()]
        environment = [f"--env={name}={value}" for name, value in ({"TTS_API_KEY": KEY} | settings).items()]
        volumes = [f"--volume={STAND_INS}:/stand_ins:ro", f"--volume={folder}:{STATE}"]
        self.id = call(
            "run", "--detach", "--read-only", *volumes, *published, *environment, *options, image
        ).stdout.strip()
        self.jobs = JobsClient(folder / "engine.sock")
        self.http = Session()
        self.http.headers["X-API-Key"] = KEY

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(int(self._inspect("{{.State.Pid}}")))

    def _inspect(self, what: str) -> str:
        return call("inspect", "--format", what, self.id).stdout.strip()

    def exec(self, *command: str, check: bool = True) -> str:
        return call("exec", self.id, *command, check=check).stdout

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        call("stop", "--time", str(int(STOP_S)), self.id, within_s=STOP_S + ENGINE_S)
        return self.exit_code()

    def wait(self) -> int:
        """Its exit code, once it has ended by itself."""
        call("wait", self.id)
        return self.exit_code()

    def exit_code(self) -> int:
        return int(self._inspect("{{.State.ExitCode}}"))

    def start(self) -> None:
        """Again, with the same state."""
        call("start", self.id)

    def logs(self) -> list[dict]:
        """Every line of it. Raises ValueError for one that is not JSON."""
        return [json.loads(line) for line in call("logs", self.id).stdout.splitlines()]

    def end(self) -> None:
        call("kill", self.id, check=False)  # it may have ended
        call("rm", "--force", "--volumes", self.id)
        self.jobs.close()
        self.http.close()


@contextmanager
def running_container(folder: Path | None = None, *options: str, **settings: str) -> Iterator[Container]:
    """Its folder, where none is given, is short: a Unix socket's path has to fit 100 bytes."""
    with ExitStack() as stack:
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="sky"))
            stack.callback(shutil.rmtree, folder)
        os.chown(folder, USER, USER)
        container = Container(folder, *options, **settings)
        stack.callback(container.end)
        yield container
