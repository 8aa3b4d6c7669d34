"""What preemptible jobs have saved of their work: a folder for each, until the job has ended."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path


class Saves:
    """The folder that holds them; each is called by its job's id."""

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir / "saves"

    def folder(self, job_id: str) -> Path:
        """The job's own folder, made if it is not there."""
        folder = self._root / job_id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def changed_since(self, job_id: str, at: float) -> bool:
        """Whether anything was written there since that time of day, in seconds."""
        folder = self._root / job_id
        return any(_changed_at(path) > at for path in folder.rglob("*")) if folder.is_dir() else False

    def discard(self, job_id: str) -> None:
        shutil.rmtree(self._root / job_id, ignore_errors=True)

    def sweep(self, is_over: Callable[[str], bool]) -> None:
        """Removes the folders of jobs that are over."""
        for folder in self._root.iterdir() if self._root.is_dir() else ():
            if is_over(folder.name):
                self.discard(folder.name)


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # it was renamed since it was listed
        return 0.0
