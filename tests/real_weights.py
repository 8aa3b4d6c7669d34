"""The real weights and the recordings that some tests ask for: python -m tests.real_weights pulls them.

They are kept in the user's cache, and pulled once. Tests that need what cannot be had are skipped.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from servers.atomic import write_atomically
from servers.checkpoints import folder_of
from servers.checkpoints.catalogue import Catalogue
from servers.checkpoints.folders import State, state
from servers.checkpoints.from_any import pull_from_any
from servers.checkpoints.verify import sha256
from servers.errors import SkylarkError
from servers.settings import settings

CHECKPOINTS = ("piper-en-us-joe", "whisper-base")
LIBRIVOX_PACKAGE = "pocketsphinx==5.1.1"
LIBRIVOX_SHA256 = "675778b309a22dfc9b7d37f7621976bba491d2a5f8c59696bd77fd6d07271355"
LIBRIVOX_WITHIN = "test/data/librivox/"
"""In the package's source archive: five clips of Sense and Sensibility, public domain, and their texts."""


@dataclass(frozen=True)
class Clip:
    """A recording of human speech, and what is said in it."""

    audio: Path
    text: str


def need(*checkpoints: str) -> None:
    """Skips the test where one of them was not pulled."""
    missing = [name for name in checkpoints if state(folder_of(name)) is not State.PRESENT]
    if missing:
        pytest.skip(f"needs real weights: skylark models pull {' '.join(missing)}")


def librivox() -> list[Clip]:
    """Skips the test where they were not fetched."""
    clips = sorted(_librivox_folder().glob("*.wav"))
    if not clips:
        pytest.skip("needs the LibriVox clips of pocketsphinx's source package: python -m tests.real_weights")
    return [Clip(clip, clip.with_suffix(".txt").read_text(encoding="utf-8").strip()) for clip in clips]


def _librivox_folder() -> Path:
    return settings().models_folder.parent / "tests" / "librivox"


def _pull_checkpoints() -> None:
    catalogue = Catalogue.load(settings().checkpoints_file)
    for name in CHECKPOINTS:
        try:
            pull_from_any(catalogue.specs[name], folder_of(name), settings().hub_url)
        except SkylarkError as error:
            print(f"tests with {name} are skipped: {error.message}", file=sys.stderr)


def _fetch_librivox() -> None:
    folder = _librivox_folder()
    if folder.is_dir():
        return
    with tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, "-P", "-m", "pip", "download", "-q", "--no-deps", "--dest", temporary]
        fetched = subprocess.run(
            [*command, "--no-binary", LIBRIVOX_PACKAGE.partition("=")[0], LIBRIVOX_PACKAGE],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        archives = list(Path(temporary).glob("*.tar.gz"))
        if not archives or sha256(archives[0]) != LIBRIVOX_SHA256:
            why = fetched.stderr.strip().splitlines()[-1:] or ["another archive came"]
            print(f"tests with LibriVox's clips are skipped: {why[0]}", file=sys.stderr)
            return
        coming = Path(temporary) / "clips"
        coming.mkdir()
        with tarfile.open(archives[0]) as archive:
            for member in archive:
                name = Path(member.name)
                if LIBRIVOX_WITHIN in member.name and name.suffix in (".wav", ".txt"):
                    content = archive.extractfile(member)
                    assert content is not None
                    write_atomically(coming / name.name, content.read())
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(coming, folder)


if __name__ == "__main__":
    _pull_checkpoints()
    _fetch_librivox()
