"""Where a checkpoint is, and in what state."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from servers.errors import ModelLoadFailed
from servers.settings import ROOT, settings

MANIFEST = "skylark-manifest.json"
"""The list of a checkpoint's files, which a pull leaves with them when all are there."""
UNFINISHED = ".cache"
"""The folder, inside the checkpoint's, in which a pull keeps what it has of a file."""


EARLIER = ROOT / "var" / "models"
"""Where checkpoints were pulled to before checkouts shared them."""


class State(StrEnum):
    MISSING = "missing"
    INCOMPLETE = "incomplete"
    """A pull began and did not end."""
    PRESENT = "present"
    UNLISTED = "present, no manifest"
    """Put there by other means than a pull: nothing says what it should hold."""


def folder_of(checkpoint: str | Path) -> Path:
    """Where a checkpoint is, or would be: `checkpoint` is a folder in `models_dir`, or an absolute path.

    Without a `models_dir` one that is in EARLIER alone is used and mended there.
    """
    name = Path(checkpoint).expanduser()
    folders = [root / name for root in _roots()]
    return next((folder for folder in folders if state(folder) is not State.MISSING), folders[0])


def _roots() -> list[Path]:
    return [settings().models_folder, *([EARLIER] if settings().models_dir is None else [])]


def locate(checkpoint: str | Path) -> Path:
    """The checkpoint's folder, for a backend to load. Its files are not looked at.

    Raises ModelLoadFailed, which says what to run, where there is none, or a pull of it has not ended.
    """
    folder = folder_of(checkpoint)
    match state(folder):
        case State.MISSING:
            raise ModelLoadFailed(f"no checkpoint at {folder}: {mend(checkpoint)}", param="checkpoint")
        case State.INCOMPLETE:
            raise ModelLoadFailed(
                f"the checkpoint at {folder} is incomplete: {mend(checkpoint)}", param="checkpoint"
            )
    return folder


def mend(checkpoint: str | Path) -> str:
    """What to do about a checkpoint that is missing or broken, for the end of an error's message."""
    if Path(checkpoint).expanduser().is_absolute():
        return "put a whole one there, or name another folder in models.yaml"
    return f"run `skylark models pull {checkpoint}`"


def state(folder: Path) -> State:
    if (folder / MANIFEST).is_file():
        return State.PRESENT
    if (folder / UNFINISHED).is_dir():
        return State.INCOMPLETE
    return State.UNLISTED if folder.is_dir() and any(folder.iterdir()) else State.MISSING


def begin(folder: Path) -> None:
    """From here on the folder is incomplete, until it has a manifest again; UNFINISHED keeps the old one."""
    (folder / UNFINISHED).mkdir(parents=True, exist_ok=True)
    if (folder / MANIFEST).is_file():
        (folder / MANIFEST).replace(folder / UNFINISHED / MANIFEST)


def discard_unfinished(folder: Path) -> None:
    """What was fetched in part, and whatever else is in UNFINISHED, save the manifest that `begin` kept."""
    for path in (folder / UNFINISHED).glob("*"):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != MANIFEST:
            path.unlink()


def pulled() -> list[str]:
    """The names of all that were pulled into `models_dir`, or into EARLIER where that is used."""
    return sorted({manifest.parent.name for root in _roots() for manifest in root.glob(f"*/{MANIFEST}")})


def size(folder: Path) -> int:
    """The bytes of all files in it, also while a pull moves files and folders about."""
    total = 0
    for inside, _, names in os.walk(folder):  # which passes over a folder that has gone
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(inside, name)).st_size
    return total
