"""A data set, wherever it lies: a folder, or the zip of one."""

from __future__ import annotations

import tempfile
from pathlib import Path

from servers.datasets.archive import unpack
from servers.datasets.clips import check
from servers.datasets.fit import Aligner
from servers.datasets.report import Report


def check_any(dataset: Path, aligner: Aligner | None = None) -> Report:
    """As `check`. Raises InvalidDataset, and StorageFailed where a zip cannot be unpacked."""
    if dataset.is_dir():
        return check(dataset, aligner)
    with tempfile.TemporaryDirectory(prefix="skylark-") as folder:
        unpack(dataset, Path(folder))
        return check(Path(folder), aligner)
